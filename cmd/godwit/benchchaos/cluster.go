package benchchaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/cmd/godwit/internal/child"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/shape"
)

const (
	// answerMax is how long a node may take for an order.
	answerMax = time.Minute
	// statusMax is how long for one about how it is.
	statusMax = 2 * time.Second
	// lookEvery is how often it is looked whether something has come about.
	lookEvery = 5 * time.Millisecond
	// comeAboutMax is how long that may take.
	comeAboutMax = 2 * time.Minute
	// segmentBytes is the size of the log's segments: small, so that there are many.
	segmentBytes = 256 << 10
)

// member is a replica, over all its lives.
type member struct {
	id     env.NodeID
	setup  benchnode.Setup
	addr   string
	number uint64 // of the last order
	*child.Process
	mu struct {
		sync.Mutex
		answers map[uint64]chan benchnode.Report
		ended   string // why the replica has ended by itself
		gone    chan struct{}
	}
}

// cluster is the replicas.
type cluster struct {
	config  Config
	members []*member
	shaper  *shape.Shaper
}

// start starts the processes.
func start(ctx context.Context, config Config) (_ *cluster, err error) {
	c := &cluster{config: config, shaper: shape.New()}
	defer func() {
		if err != nil {
			err = c.said(err)
			c.end()
		}
	}()
	for id := env.NodeID(1); id <= 3; id++ {
		m := &member{id: id}
		c.members = append(c.members, m)
		if err := c.spawn(ctx, m, "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	named := uint64(time.Now().UnixNano())
	for _, m := range c.members {
		m.setup = benchnode.Setup{ID: m.id, Addrs: map[env.NodeID]string{}, Cluster: named, Dir: filepath.Join(config.Dir, fmt.Sprint("node", m.id)),
			Threads: config.Threads, MemoryMiB: config.MemoryMiB, Memory: config.Memory, ElectionTimeout: config.ElectionTimeout,
			SegmentBytes: segmentBytes, CheckpointBytes: config.CheckpointBytes}
		for _, to := range c.members {
			m.setup.Voters = append(m.setup.Voters, to.id)
			m.setup.Addrs[to.id] = to.addr
			if to != m {
				if m.setup.Addrs[to.id], err = c.shaper.Via(m.id, to.id, to.addr); err != nil {
					return nil, err
				}
			}
		}
		if _, err := m.ask(ctx, benchnode.Order{Start: &m.setup}, answerMax); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// spawn starts a member's process, which listens.
func (c *cluster) spawn(ctx context.Context, m *member, at string) (err error) {
	m.mu.Lock()
	m.mu.answers, m.mu.ended, m.mu.gone = map[uint64]chan benchnode.Report{}, "", make(chan struct{})
	gone := m.mu.gone
	m.mu.Unlock()
	m.Process, err = child.Start(c.config.Command(ctx), func(_ *child.Process, r benchnode.Report, _ time.Time, end error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case end != nil:
			close(gone)
		case r.Ended != "":
			m.mu.ended = r.Ended
		case m.mu.answers[r.Number] != nil:
			m.mu.answers[r.Number] <- r // which has room for it
			delete(m.mu.answers, r.Number)
		}
	})
	if err != nil {
		return err
	}
	r, err := m.ask(ctx, benchnode.Order{Listen: at}, answerMax)
	m.addr = r.Addr
	return err
}

// restart starts a member again whose process was killed, or has ended.
func (c *cluster) restart(ctx context.Context, m *member) error {
	_ = m.Wait() // which says only that it was killed
	if err := c.spawn(ctx, m, m.addr); err != nil {
		return err
	}
	_, err := m.ask(ctx, benchnode.Order{Start: &m.setup}, answerMax)
	return err
}

// ask gives an order and waits for the answer.
func (m *member) ask(ctx context.Context, o benchnode.Order, limit time.Duration) (benchnode.Report, error) {
	m.number++
	o.Number = m.number
	answer := make(chan benchnode.Report, 1)
	m.mu.Lock()
	m.mu.answers[o.Number] = answer
	gone := m.mu.gone
	m.mu.Unlock()
	if err := m.Order(o); err != nil {
		return benchnode.Report{}, fmt.Errorf("node %d: %w", m.id, err)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-answer:
		if r.Err != "" {
			return r, fmt.Errorf("node %d: %s", m.id, r.Err)
		}
		return r, nil
	case <-gone:
		return benchnode.Report{}, fmt.Errorf("node %d: %w: %s", m.id, errGone, m.whyEnded())
	case <-ctx.Done():
		return benchnode.Report{}, context.Cause(ctx)
	case <-timer.C:
		return benchnode.Report{}, fmt.Errorf("node %d does not answer for %v", m.id, limit)
	}
}

func (m *member) whyEnded() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.ended
}

func (m *member) isGone() bool {
	select {
	case <-m.Done():
		return true
	default:
		return false
	}
}

// status asks how a member is.
func (m *member) status(ctx context.Context) (*benchnode.Status, error) {
	r, err := m.ask(ctx, benchnode.Order{Status: true}, statusMax)
	return r.Status, err
}

// errGone: a process has ended.
var errGone = errors.New("the process has ended")

// comesAbout waits until something is so, or cannot be any more because a process has ended.
// Its error while it is not goes into that of the wait.
func comesAbout(ctx context.Context, what string, is func() error) error {
	deadline := time.Now().Add(comeAboutMax)
	for {
		err := is()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errGone):
			return fmt.Errorf("waited until %s: %w", what, err)
		case time.Now().After(deadline):
			return fmt.Errorf("waited %v until %s: %w", comeAboutMax, what, err)
		}
		if err := rest(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// recovered waits until somebody leads, all are voters, and all have what the leader has
// released when that is so.
func (c *cluster) recovered(ctx context.Context) error {
	var at uint64
	return comesAbout(ctx, "all replicas have what was released", func() error {
		var all []*benchnode.Status
		var leader *benchnode.Status
		for _, m := range c.members {
			s, err := m.status(ctx)
			if err != nil {
				return err
			}
			if s.Leads && (leader == nil || s.Epoch > leader.Epoch) {
				leader = s
			}
			all = append(all, s)
		}
		if leader == nil {
			return fmt.Errorf("nobody leads:%s", describe(all))
		}
		if len(leader.Members.Voters) != len(c.members) {
			return fmt.Errorf("voters are %v", leader.Members.Voters)
		}
		if at == 0 {
			at = leader.Applied
		}
		for _, s := range all {
			if s.Applied < at || s.Recovering {
				return fmt.Errorf("not all have applied %d:%s", at, describe(all))
			}
		}
		return nil
	})
}

func describe(all []*benchnode.Status) (text string) {
	for i, s := range all {
		text += fmt.Sprintf("\nnode %d: %+v", i+1, *s)
	}
	return text
}

// leader asks for the member that leads.
func (c *cluster) leader(ctx context.Context) (leads *member, err error) {
	err = comesAbout(ctx, "somebody leads", func() error {
		leads = nil
		var epoch uint64
		for _, m := range c.members {
			if m.isGone() {
				continue
			}
			if s, err := m.status(ctx); err == nil && s.Leads && uint64(s.Epoch) > epoch {
				leads, epoch = m, uint64(s.Epoch)
			}
		}
		if leads == nil {
			return errors.New("nobody leads")
		}
		return nil
	})
	return leads, err
}

// said adds what the processes have said last to an error.
func (c *cluster) said(err error) error {
	for _, m := range c.members {
		if m.Process != nil {
			err = fmt.Errorf("%w\n--- node %d: %s\n%s", err, m.id, m.whyEnded(), m.Said())
		}
	}
	return err
}

// end ends all processes.
func (c *cluster) end() {
	for _, m := range c.members {
		if m.Process != nil {
			m.Kill()
		}
	}
	for _, m := range c.members {
		if m.Process != nil {
			_ = m.Wait() // which says only that it was killed
		}
	}
	c.shaper.Close()
}

// empty deletes a member's folder.
func (m *member) empty() error { return os.RemoveAll(m.setup.Dir) }
