package benchcluster

import (
	"encoding/json"
	"io"
	"sync"
)

// reporter tells the parent what has happened.
type reporter struct {
	mu      sync.Mutex
	reports *json.Encoder
	err     error
}

func newReporter(out io.Writer) *reporter { return &reporter{reports: json.NewEncoder(out)} }

func (r *reporter) report(what Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil { // else the parent is gone, and the orders end
		r.err = r.reports.Encode(what)
	}
}
