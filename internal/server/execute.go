package server

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/invariant"
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// batchReplyBytes and batchHeldBytes are how much the replies of a pipeline's transaction have, and how much it
	// reads and writes, when it ends and what is left of the batch becomes another one.
	batchReplyBytes = 1 << 20
	batchHeldBytes  = 16 << 20
)

// execute executes the calls at hand, as one transaction if it can be.
func (c *conn) execute() { c.executeAll(c.calls) }

// executeAll executes calls, of those at hand, unless the connection is parked with them.
func (c *conn) executeAll(calls []command.Call) {
	for len(calls) > 0 && c.ctx.Err() == nil {
		n, err := c.transact(calls)
		if c.parked != nil {
			return
		}
		if err != nil {
			c.mayPark = false // one of them is not all that is left
			n, err = c.apart(calls, err)
		}
		calls = calls[n:]
		if err == nil && len(calls) > 0 && calls[0].Wait != nil && c.block(&calls[0]) {
			calls = calls[1:]
		}
	}
	clear(c.calls)
	c.calls = c.calls[:0]
}

// apart executes the first of calls that cannot be executed together, of which nothing has happened: by itself, each
// shows why. Those of another node are refused: it has to know which were executed. What may have happened must not happen
// again.
func (c *conn) apart(calls []command.Call, why error) (done int, err error) {
	switch {
	case c.peer.Load() || errors.Is(why, godwit.ErrOutcomeUnknown):
		if len(calls) > 1 && !errors.Is(why, godwit.ErrNotLeader) && !errors.Is(why, godwit.ErrOutcomeUnknown) {
			why = errTogether
		}
		for range calls {
			c.fail(why)
		}
		return len(calls), why
	case len(calls) > 1:
		if done, why = c.transact(calls[:1]); why == nil {
			return done, nil
		}
	}
	c.fail(why)
	return 1, why
}

// transact executes calls as one transaction, up to one that has to wait, and hands their replies to the
// outbox. It returns how many were executed. With an error nothing has happened.
func (c *conn) transact(calls []command.Call) (done int, err error) {
	if !slices.ContainsFunc(calls, func(call command.Call) bool { return call.Flags&command.NoData == 0 }) {
		c.answer(calls)
		return len(calls), nil
	}
	if c.readOnly && !c.tracker.on && c.readsElsewhere(calls) {
		c.flush()
		err := c.glimpse(func() (err error) {
			done, err = c.callAll(calls)
			return err
		})
		return done, err
	}
	done, err = c.transactHere(calls, c.mayPark)
	if c.elsewhere(err) {
		return c.transactElsewhere(calls)
	}
	return done, err
}

// answer carries out calls that need no data, and so no node that leads.
func (c *conn) answer(calls []command.Call) {
	c.flush()
	c.begin(nil, c.tx.Space, c.session)
	for i := range calls {
		_ = c.call(&calls[i]) // its errors are replies
	}
	c.server.counters.executed(c.id, calls)
	c.count()
	c.dispatch(item{replies: len(calls)})
}

// transactHere is transact on this node. With mayPark, it may park the connection with calls.
func (c *conn) transactHere(calls []command.Call, mayPark bool) (done int, err error) {
	invariant.Check(c.parked == nil, "replies that may not be shown yet are in the way")
	c.flush()
	p, err := c.attemptUnless(func() error {
		all, err := c.once(c.asked, &c.out, &c.session, len(calls), func() (all bool, err error) {
			done, err = c.callAll(calls)
			return done == len(calls), err
		})
		if all {
			done = len(calls)
		}
		return err
	}, func(p *godwit.Pending, before command.Session) bool {
		if mayPark && done == len(calls) && p.Asks() {
			c.parked = &parked{calls: calls, pending: p, before: before}
		}
		return c.parked != nil
	})
	if c.parked != nil {
		return done, nil
	}
	if err != nil {
		c.out.Reset()
		return 0, err
	}
	c.executed(calls[:done], p)
	return done, nil
}

// executed hands the replies to calls to the outbox.
func (c *conn) executed(calls []command.Call, p *godwit.Pending) {
	c.server.counters.executed(c.id, calls)
	c.sample(calls)
	c.deliver(p, len(calls))
}

// callAll runs calls in the transaction at hand, up to one that has to wait, and returns how many.
func (c *conn) callAll(calls []command.Call) (done int, err error) {
	for i := range calls {
		from := len(c.tx.Changes)
		if err := c.call(&calls[i]); err != nil {
			return done, err
		}
		if calls[i].Wait != nil {
			break
		}
		if err := c.handOff(from); err != nil {
			return done, err
		}
		done++
		if done < len(calls) && (c.out.Len() > batchReplyBytes || c.tx.Held() > batchHeldBytes) {
			if c.asked.Client != 0 {
				return done, errTogether // what is remembered is one transaction
			}
			calls[done].Wait = nil // of an earlier attempt
			break                  // what is left is another transaction
		}
	}
	return done, nil
}

// transactElsewhere has the leader execute calls, of which those go together that can be executed at once.
func (c *conn) transactElsewhere(calls []command.Call) (done int, err error) {
	c.out.Reset()
	n := together(calls)
	c.server.counters.forwarded.Add(uint64(n)) //nolint:gosec // it is a count
	u := &unit{session: c.session, kind: unitCalls, calls: calls[:n]}
	done = n
	err = c.somewhere(u, func() error {
		here, err := c.transactHere(u.calls, false)
		if err == nil {
			done = here
		}
		return err
	})
	if errors.Is(err, errTogether) {
		return 0, err
	}
	if err != nil {
		for range u.calls { // who is told this must not have them executed again
			c.fail(err)
		}
		done = n
	}
	c.flush()
	return done, nil
}

// attempt is speculate that waits until what was only read can be shown.
func (c *conn) attempt(fn func() error) (*godwit.Pending, error) {
	return c.attemptUnless(fn, func(*godwit.Pending, command.Session) bool { return false })
}

// attemptUnless is attempt that does not wait for what park takes. before is what the session was.
func (c *conn) attemptUnless(fn func() error, park func(p *godwit.Pending, before command.Session) bool) (*godwit.Pending, error) {
	before := c.session
	for {
		p, err := c.speculate(fn)
		if err != nil || !c.unconfirmed(p) || park(p, before) {
			return p, err
		}
		switch err = c.confirm(p, before); {
		case err == nil:
			return p, nil
		case !errors.Is(err, godwit.ErrClosed): // else the next attempt tells whether it is opened again
			return nil, err
		}
	}
}

// unconfirmed tells whether the transaction that has executed has only read, on a replica that asks the others whether it leads
// still.
func (c *conn) unconfirmed(p *godwit.Pending) bool {
	return !p.Wrote() && c.server.lead.Load() != nil && !p.Released()
}

// confirm waits until what was only read can be shown. After an error it is as before, and can be read again.
func (c *conn) confirm(p *godwit.Pending, before command.Session) (err error) {
	c.turn.pass()
	h := c.server.hope.Load()
	select {
	case <-p.Done():
		err = p.Wait(c.ctx)
	case <-c.ctx.Done():
		err = c.ctx.Err()
	case <-h.Done():
		err = godwit.ErrUnavailable
	}
	if err != nil {
		c.undo(before)
	}
	return err
}

// undo takes back what a transaction has done to the connection.
func (c *conn) undo(before command.Session) {
	c.session, c.ran, c.scripted = before, c.ran[:0], c.scripted[:0]
	c.letGo()
}

// speculate runs fn as a transaction until it has executed. Each run begins with the same session and without replies.
func (c *conn) speculate(fn func() error) (*godwit.Pending, error) {
	if c.up.Load() != nil {
		return nil, godwit.ErrNotLeader // it has led to the node that leads
	}
	h := c.server.hope.Load()
	space, err := c.server.open(h)
	if err != nil {
		return nil, h.explain(err)
	}
	before := c.session
	for {
		p, err := c.server.db.UpdateAsync(h, func(tx *godwit.Tx) error {
			c.begin(tx, space, before)
			c.inTx = true
			defer func() { c.inTx = false }()
			if err := fn(); err != nil {
				return err
			}
			return c.tx.End()
		})
		if err == nil {
			return p, nil
		}
		c.undo(before)
		if !errors.Is(err, keyspace.ErrNoIDs) {
			return nil, h.explain(err)
		}
		c.turn.pass() // that waits for its release
		if err := space.Reserve(h, c.server.db); err != nil {
			return nil, h.explain(err)
		}
	}
}

// readsElsewhere tells whether calls only read, and another node leads.
func (c *conn) readsElsewhere(calls []command.Call) bool {
	l := c.server.lead.Load()
	return l != nil && !l.here && !slices.ContainsFunc(calls, func(call command.Call) bool { return call.Flags&command.ReadOnly == 0 })
}

// glimpse runs fn, which only reads, on what this node has, and sends the replies.
func (c *conn) glimpse(fn func() error) error {
	if err := c.viewHere(fn); err != nil {
		c.out.Reset()
		return err
	}
	c.count()
	c.flush()
	return nil
}

// viewHere runs fn, which only reads, on what this node has: a state that all have had, a little ago.
func (c *conn) viewHere(fn func() error) error {
	h := c.server.hope.Load()
	space, err := c.server.open(h)
	if err != nil {
		return h.explain(err)
	}
	snapshot, err := c.server.db.Snapshot(c.ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	return snapshot.View(c.ctx, func(tx *godwit.Tx) error {
		c.begin(tx, space, c.session)
		return errors.Join(fn(), c.tx.End())
	})
}

// begin makes the connection ready for a run of a transaction.
func (c *conn) begin(tx *godwit.Tx, space *keyspace.Space, session command.Session) {
	c.session = session
	c.out.Truncate(0)
	c.out.Proto = session.Proto
	c.sent, c.loud = c.sent[:0], c.loud[:0]
	c.letGo()
	now := time.Now()
	c.ran, c.scripted, c.lap = c.ran[:0], c.scripted[:0], now.Sub(c.server.started)
	c.tx.Space, c.tx.DB, c.tx.TellNew = space, session.DB, c.server.tellsNew()
	c.tx.Begin(tx, c.server.clock.at(now))
}

// call runs one command in the transaction at hand.
func (c *conn) call(call *command.Call) error { return c.runAs(call, &c.out, &c.session) }

// runAs runs a command of some session in the transaction at hand, with its reply to out.
func (c *conn) runAs(call *command.Call, out *resp.Writer, session *command.Session) error {
	call.Tx, call.Out, call.Session, call.Shared, call.Messages = &c.tx, out, session, &c.server.shared, &c.sent
	call.Ctx, call.Permitted, call.Wait = c.ctx, c.permittedScripted, nil
	if call.Tracked {
		c.track(call)
	}
	if call.Group == "scripting" {
		defer c.net.watchLong(c.close)() // nobody waits for it any more
	}
	call.Watch, c.lapDB, c.lapSeen = c.watchScript(), session.DB, call.Woken != nil || c.waiting.Load() != nil
	mark := out.Len()
	run := call.Run
	if run == nil {
		run = func(*command.Call) error { return c.server.handler[call.Name](c, call.Command, call.Args) }
	}
	out.Limit = command.ReplyBytesMax
	err := run(call)
	if err == nil && out.Full() {
		err = command.ErrReplyTooLarge
	}
	if out.Limit = 0; err == nil {
		if call.Wait == nil {
			c.note(call.Command, call.Args, "")
		}
		return c.tx.Err()
	}
	text := command.Reply(err)
	if text == "" {
		return err
	}
	out.Truncate(mark)
	out.Error(text)
	c.note(call.Command, call.Args, text)
	return nil
}

// track notes the keys that a call is about to read. A script says when it does.
func (c *conn) track(call *command.Call) {
	if call.Group == "scripting" {
		call.Reads = c.noteReads
	} else if keys, err := call.Command.Of(call.Args); call.Flags&command.ReadOnly != 0 && err == nil {
		c.noteReads(keys)
	}
}

// deliver hands the replies of a transaction that has executed to the outbox, and tells those who wait for its keys.
func (c *conn) deliver(p *godwit.Pending, replies int) {
	i := item{pending: p, replies: replies, began: c.began, messages: c.server.notifications(slices.Clone(c.sent), c.tx.Changes), expired: expirations(c.tx.Changes)}
	i.messages = c.server.stale(i.messages, c.tx.Changes, c.id)
	c.last = max(c.last, p.Timestamp())
	c.server.counters.toRelease(c.id, replies)
	c.count()
	c.wake(p)
	c.usersChanged(p)
	if replies > 0 || len(i.messages) > 0 || i.expired > 0 || len(c.seen) > 0 {
		c.dispatch(i)
	}
	c.out.Reset()
}

// dispatch hands the replies at hand to the outbox. The hub hears of subscriptions that they tell of at the same time.
func (c *conn) dispatch(i item) {
	if c.silence() {
		i.replies = 0
	}
	c.loud = c.loud[:0]
	i.seen, c.seen = c.seen, nil
	if len(c.subs.changed) > 0 {
		c.outbox.makeRoom()
		h := &c.server.hub
		h.mu.Lock()
		c.outbox.put(i, &c.out)
		h.update(c)
		h.mu.Unlock()
	} else {
		c.outbox.send(i, &c.out)
	}
	c.out.Reset()
}

// reply returns what the client is told of an error.
func (c *conn) reply(err error) string {
	if !c.peer.Load() && errors.Is(err, godwit.ErrNotLeader) {
		return "TRYAGAIN this node does not lead any more, and nothing has happened"
	}
	return c.server.reply(err)
}

// reply returns what is said of an error.
func (s *Server) reply(err error) string {
	if text := command.Reply(err); text != "" {
		return text
	}
	switch {
	case errors.Is(err, godwit.ErrMemoryFull), errors.Is(err, keyspace.ErrTooMuch):
		return "OOM command not allowed when used memory > 'maxmemory'."
	case errors.Is(err, godwit.ErrDiskFull):
		return "MISCONF the disk is full: writes are refused until there is room, then go on by themselves"
	case errors.Is(err, command.ErrScriptKilled), errors.Is(err, command.ErrScriptMemory), errors.Is(err, command.ErrScriptTime):
		return err.Error()
	case errors.Is(err, godwit.ErrTooLarge), errors.Is(err, command.ErrReplyTooLarge):
		return "ERR " + err.Error()
	case errors.Is(err, godwit.ErrOutcomeUnknown):
		return "UNCERTAIN " + err.Error()
	case errors.Is(err, godwit.ErrNotLeader):
		return notLeader + " this node does not lead any more, and nothing has happened: try again"
	case errors.Is(err, errTogether):
		return notTogether + " nothing has happened: ask for each by itself"
	case errors.Is(err, godwit.ErrSuperseded):
		return "ERR this is an old copy of a request, and nothing has happened"
	case errors.Is(err, godwit.ErrUnavailable) && s.removed.Load():
		return string(errRemoved)
	case errors.Is(err, godwit.ErrUnavailable):
		return "CLUSTERDOWN " + err.Error()
	case errors.Is(err, godwit.ErrClosed):
		return "ERR the server is shutting down"
	}
	s.log.Error("a command failed", "error", err)
	return fmt.Sprintf("ERR %v", err)
}
