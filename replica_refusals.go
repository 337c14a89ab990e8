package godwit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

const (
	// refusalLasts is how long a refusal is told: who is refused tries again more often than that.
	refusalLasts = 15 * time.Second
	// refusalsMax is how many nodes' refusals are kept: a stranger may claim any name.
	refusalsMax = 16
)

// refusals are the connections with other nodes that were refused lately, the last one with each
// node. They are why there is no majority if a configuration is wrong.
type refusals struct {
	mu   sync.Mutex
	last map[NodeID]refusal
}

type refusal struct {
	err  *quorum.RefusedError
	when time.Time
}

func (r *refusals) note(err *quorum.RefusedError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[NodeID]refusal{}
	}
	r.forget()
	if _, known := r.last[err.Node]; known || len(r.last) < refusalsMax {
		r.last[err.Node] = refusal{err, time.Now()}
	}
}

// forget drops those of long ago.
func (r *refusals) forget() {
	for id, f := range r.last {
		if time.Since(f.when) >= refusalLasts {
			delete(r.last, id)
		}
	}
}

// recent returns the refusals, by node.
func (r *refusals) recent() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	var ids []NodeID
	for id := range r.last {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var errs []error
	for _, id := range ids {
		errs = append(errs, r.last[id].err)
	}
	return errors.Join(errs...)
}

// unavailable says that nothing has happened, because of err, and what stands in a leader's way
// as far as this replica knows.
func (r *replica) unavailable(err error) error {
	if refused := r.refusals.recent(); refused != nil {
		return fmt.Errorf("%w: %w; %w", ErrUnavailable, err, refused)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
