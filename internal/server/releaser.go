package server

import "sync"

// releaser sends the replies that have to wait for the release of a transaction and nothing else: one goroutine does for all
// connections, so that nobody else is woken for what a sync of the log, or a majority, lets out at once. Transactions of one
// node are released in their order; so it waits for those first whose replies came first. What cannot be sent without waiting
// for the client, or was not released, is left to the outbox's own goroutine.
type releaser struct {
	server *Server
	more   chan struct{} // has something when there is something to do
	buf    []byte        // of run

	mu struct {
		sync.Mutex
		waiting []*outbox
	}
}

func (r *releaser) init(s *Server) { r.server, r.more = s, make(chan struct{}, 1) }

// add has the first items of an outbox sent when they are released. The outbox's lock may be held.
func (r *releaser) add(o *outbox) {
	r.mu.Lock()
	r.mu.waiting = append(r.mu.waiting, o)
	first := len(r.mu.waiting) == 1
	r.mu.Unlock()
	if !first {
		return
	}
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// run works until the server ends. Then the connections end, and each outbox does the rest.
func (r *releaser) run() {
	var outboxes []*outbox
	for {
		select {
		case <-r.more:
		case <-r.server.ctx.Done():
			return
		}
		r.mu.Lock()
		outboxes, r.mu.waiting = r.mu.waiting, outboxes[:0]
		r.mu.Unlock()
		for _, o := range outboxes {
			r.send(o)
		}
		clear(outboxes)
	}
}

// send waits until the first item of an outbox is released, and sends it and those behind it that are.
func (r *releaser) send(o *outbox) {
	if p := o.first(); p != nil && r.server.hope.Load().wait(r.server.ctx, p) != nil {
		o.leave()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var again bool
	if r.buf, again = o.sendReleased(r.buf); again {
		r.add(o)
	}
	if cap(r.buf) > 4*writeBytes {
		r.buf = nil
	}
}
