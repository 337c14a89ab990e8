package shape

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// relay is a connection that goes through the Shaper: one with each side.
type relay struct {
	s           *Shaper
	way         way // from who dialled
	forth, back *line
	broken      chan struct{} // closed by crash
	mu          struct {
		sync.Mutex
		conns   []net.Conn
		flights []*flight
		over    bool
	}
}

// run relays until both ways have ended or one is broken.
func (r *relay) run(target string) {
	defer r.s.running.Done()
	defer r.s.forget(r)
	defer r.end(false)
	// Connecting takes a trip each way.
	began := r.s.now()
	if !r.wait(r.forth, r.forth.arrival(began, 0, 0, 0)) {
		return
	}
	var d net.Dialer
	far, err := d.DialContext(r.s.dialing, "tcp", target)
	if err != nil {
		return
	}
	near, forth, back := r.join(far)
	if forth == nil {
		return
	}
	var ways sync.WaitGroup
	for _, f := range []func(){
		func() { r.read(near, forth, r.forth) }, func() { r.write(far, forth, r.forth) },
		func() { r.read(far, back, r.back) }, func() { r.write(near, back, r.back) },
	} {
		ways.Go(f)
	}
	ways.Wait()
}

// join adds the other side's connection.
func (r *relay) join(far net.Conn) (near net.Conn, forth, back *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.over {
		_ = far.Close() // nothing was sent
		return nil, nil, nil
	}
	near = r.mu.conns[0]
	r.mu.conns = append(r.mu.conns, far)
	forth, back = newFlight(), newFlight()
	r.mu.flights = []*flight{forth, back}
	return near, forth, back
}

// read puts on its way what one side sends.
func (r *relay) read(from net.Conn, f *flight, l *line) {
	defer f.end()
	for {
		b, ok := f.buffer()
		if !ok {
			return
		}
		n, err := from.Read(b)
		if n > 0 {
			f.put(b, n, l, r.s.now())
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			// A broken connection breaks at the other side too, as late as anything else.
			if r.wait(l, l.arrival(r.s.now(), 0, 0, 0)) {
				r.crash()
			}
			return
		}
	}
}

// write hands over what arrives at the other side, and then the end.
func (r *relay) write(to net.Conn, f *flight, l *line) {
	for {
		c, ok := f.take()
		if !ok {
			break
		}
		if !r.wait(l, c.at) {
			return
		}
		if _, err := to.Write(c.data); err != nil {
			r.crash()
			return
		}
		f.arrived()
	}
	// The end takes as long as anything else.
	if r.wait(l, l.arrival(r.s.now(), 0, 0, 0)) {
		if t, ok := to.(*net.TCPConn); !ok || t.CloseWrite() != nil {
			r.crash()
		}
	}
}

// wait waits until a time has come and the line is not cut; false if the connection is
// broken before.
func (r *relay) wait(l *line, at time.Duration) bool {
	if d := at - r.s.now(); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.broken:
			return false
		}
	}
	for {
		select {
		case <-r.broken:
			return false
		default:
		}
		cut, changed := l.cut()
		if !cut {
			return true
		}
		select {
		case <-changed:
		case <-r.broken:
			return false
		}
	}
}

// crash breaks the connection.
func (r *relay) crash() { r.end(true) }

// end closes both sides' connections, and breaks them if what is under way is lost.
func (r *relay) end(reset bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.over {
		return
	}
	r.mu.over = true
	close(r.broken)
	for _, c := range r.mu.conns {
		if t, ok := c.(*net.TCPConn); ok && reset {
			_ = t.SetLinger(0) // a reset; if not, an end
		}
		_ = c.Close() // nothing more is expected of it
	}
	// Behind that, so that nobody says that all has arrived and ends in peace.
	for _, f := range r.mu.flights {
		f.crash()
	}
}
