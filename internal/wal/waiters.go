package wal

import (
	"context"
	"sync"
)

// waiters wait for something that others change.
type waiters struct {
	mu struct {
		sync.Mutex
		count   int           // in await
		changed chan struct{} // closed when something has changed; nil if nobody waits yet
	}
}

// await waits until ready says so, and returns its error, or until ctx has ended.
// Whoever changes what ready looks at calls notify.
func (w *waiters) await(ctx context.Context, ready func() (bool, error)) error {
	w.mu.Lock()
	w.mu.count++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.mu.count--
		w.mu.Unlock()
	}()
	for {
		changed := w.changed()
		if ok, err := ready(); ok {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// changed returns what the next notify closes.
func (w *waiters) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.changed == nil {
		w.mu.changed = make(chan struct{})
	}
	return w.mu.changed
}

// notify makes waiters look again.
func (w *waiters) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.count > 0 && w.mu.changed != nil {
		close(w.mu.changed)
		w.mu.changed = nil
	}
}
