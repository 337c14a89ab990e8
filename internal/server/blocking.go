package server

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
)

// handOffMax bounds how many waiters a transaction serves. Those behind look by themselves, one after the other.
const handOffMax = 256

// handOff is what a transaction does for those who wait for its keys.
type handOff struct {
	served []*waiter // are claimed, and have a reply
	looked []*waiter // have found nothing
}

// handOff serves who waits for keys that have become ready, beginning with one of the transaction's changes. What they do
// may make more keys ready.
func (c *conn) handOff(from int) error {
	if c.server.waiters.registered.Load() == 0 {
		return nil
	}
	for ; from < len(c.tx.Changes); from++ {
		for _, q := range c.server.waiters.concerned(c.tx.Changes[from]) {
			if err := c.handOffQueue(q); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *conn) handOffQueue(q *waitQueue) error {
	for len(c.handed.served) < handOffMax {
		w := c.server.waiters.claim(q)
		if w == nil {
			break
		}
		found, err := c.callFor(w, []byte(q.key.key))
		if !found {
			c.server.waiters.release(w)
			c.handed.looked = append(c.handed.looked, w)
			return err
		}
		c.handed.served = append(c.handed.served, w)
	}
	return nil
}

// callFor runs the call of a waiter that is claimed, and tells whether it has a reply.
func (c *conn) callFor(w *waiter, key []byte) (bool, error) {
	before := c.tx.DB
	defer func() { c.tx.DB = before }()
	c.tx.DB = w.session.DB
	w.out.Reset()
	found, err := c.once(w.asked, &w.out, w.session, 1, func() (bool, error) {
		call := *w.call
		call.Woken = key
		err := c.runAs(&call, &w.out, w.session)
		return err == nil && call.Wait == nil, err
	})
	if errors.Is(err, godwit.ErrSuperseded) {
		return false, nil // nobody waits for it any more
	}
	return found, err
}

// letGo undoes what an attempt has done for others.
func (c *conn) letGo() {
	if len(c.handed.served) > 0 {
		c.server.waiters.release(c.handed.served...)
	}
	c.handed.reset()
}

func (h *handOff) reset() {
	clear(h.served)
	clear(h.looked)
	h.served, h.looked = h.served[:0], h.looked[:0]
}

// wake lets those go on who were served by a transaction that has executed, and tells those who wait for the other
// keys that it has made ready.
func (c *conn) wake(p *godwit.Pending) {
	all := &c.server.waiters
	if all.registered.Load() == 0 {
		return
	}
	all.serve(c.handed.served, p)
	for _, change := range c.tx.Changes {
		all.ready(change, c.handed.looked)
	}
	// The changes may name keys of theirs, which go with their requests.
	for _, w := range c.handed.served {
		w.notify()
	}
	c.handed.reset()
}

// block runs a call that has found nothing again until it finds something, its time is over, or the client has
// gone. If it returns false another node leads now, where the call is to wait.
func (c *conn) block(call *command.Call) (done bool) {
	all := &c.server.waiters
	w := all.add(c, call) // before anybody else is served
	defer all.leave(w)
	c.turn.pass()
	c.began = time.Time{} // that it waits is not the server's slowness
	c.show()
	c.haveRead()
	c.waiting.Store(w)
	defer func() {
		c.profile.active.Store(c.server.clock.now()) // it was not idle
		c.waiting.Store(nil)
	}()
	if c.server.monitors.some.Load() {
		c.see(call.Command, call.Args, time.Now(), c.session.DB, c.profile.addr)
		c.flush()
	}
	defer c.net.watch(func() { all.end(w, endsGone) })()
	defer context.AfterFunc(c.ctx, func() { all.end(w, endsGone) })()
	if ms := call.Wait.Timeout; ms > 0 {
		const longest = math.MaxInt64 / int64(time.Millisecond)
		timer := time.AfterFunc(time.Duration(min(ms, longest))*time.Millisecond, func() { all.end(w, endsTimeout) })
		defer timer.Stop()
	}
	one := []command.Call{*call}
	// The first time, something may have come before it was known that somebody waits.
	for {
		n, err := c.transactHere(one, false)
		if c.elsewhere(err) {
			return false
		}
		if err != nil {
			c.fail(err)
		}
		if err != nil || n > 0 {
			return true
		}
		key, again := all.rest(w)
		for ; !again; key, again = all.rest(w) {
			if over, done := c.park(w); over {
				return done
			}
		}
		one[0].Woken = key
	}
}

// park waits until something happens to a waiter. It tells whether that is over, and done then, as block has it.
func (c *conn) park(w *waiter) (over, done bool) {
	for {
		state, ended := c.server.waiters.look(w)
		switch {
		case state == looking && ended == endsGone:
			c.close()
			return true, true
		case state == looking:
			return false, false
		case state == waitOver && w.pending != nil:
			c.server.counters.toRelease(c.id, 1)
			c.outbox.send(item{pending: w.pending, replies: 1}, &w.out)
			return true, true
		case state == waitOver:
			c.endWait(w, ended)
			return true, ended != endsElsewhere
		}
		<-w.wake
	}
}

// endWait replies to a call that has waited and found nothing.
func (c *conn) endWait(w *waiter, why ending) {
	switch why {
	case endsTimeout:
		w.call.Wait.Nothing(&c.out)
	case endsError:
		c.out.Error(unblocked)
	case endsGone:
		c.close()
	}
}

// unblocked is what CLIENT UNBLOCK ... ERROR has a client told.
const unblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK"

// unblock ends the wait of a connection as if its time were over, or with an error, and tells whether it waits. Any
// goroutine may call it.
func (c *conn) unblock(withError bool) bool {
	w := c.waiting.Load()
	if w == nil {
		return c.acks.Load().end(withError)
	}
	why := endsTimeout
	if withError {
		why = endsError
	}
	return c.server.waiters.end(w, why)
}
