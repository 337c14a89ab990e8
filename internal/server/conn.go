package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// batchMax is how many requests of a pipeline are executed as one transaction at most.
const batchMax = 256

// errNothingCame says that a connection is not ready, after all.
var errNothingCame = errors.New("server: nothing has come")

// conn is a client's connection. Its fields belong to the goroutine that serves it, which is its own or one that has a turn
// of the poller, but for those that say otherwise.
type conn struct {
	server  *Server
	id      int64 // never changes; anybody reads it
	net     *peekable
	in      *resp.Reader
	out     resp.Writer // of the requests at hand
	loud    []byte      // those of them that come though the client wants no replies
	outbox  outbox
	session command.Session
	created time.Time

	polled polled
	turn   *turn // whose goroutine serves it; nil if that is its own

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	proto      atomic.Int32 // of messages; others read it
	tx         keyspace.Tx
	calls      []command.Call // of the transaction at hand
	sent       []command.Message
	handed     handOff
	waiting    atomic.Pointer[waiter]   // nil if it does not; others read it
	held       atomic.Bool              // it waits for the end of a pause, or for replicas; others read it
	acks       atomic.Pointer[acksWait] // of a WAIT that is under way, nil if none is; others read it
	away       atomic.Pointer[upstream] // where it may wait, on another node; nil if it does not. Others read it
	last       godwit.Timestamp         // of the last transaction
	multi      multi
	subs       subscriptions
	user       atomic.Pointer[string] // who the client is; nil before it has authenticated. Others read it
	ran        []ran                  // calls of the attempt at hand
	lap        time.Duration          // when the last of them ended, since the server began
	lapDB      int                    // where the next one begins
	lapSeen    bool                   // monitors have seen it when it began to wait
	scripted   []scripted             // what those of them called that are scripts, for monitors
	seen       []byte                 // by monitors, with the replies at hand; nil for nothing
	monitoring bool
	inTx       bool         // a transaction runs
	working    atomic.Bool  // on requests; others read it
	kept       atomic.Int64 // bytes that it keeps between requests; others read it
	owner      string       // a user whose connection it is from the beginning, "" for none
	batches    uint64       // that have come
	began      time.Time    // when the first of the requests at hand had come
	closing    bool         // when all replies are sent
	mayPark    bool         // it may be parked
	parked     *parked      // nil if it is not

	admitted bool // it has been decided whether the client has to say who it is

	name, library, libraryVersion string // as the client calls itself
	noEvict                       bool
	quiet                         quiet
	profile                       profile // others read it

	tracker tracker

	peer     atomic.Bool              // it is another node
	fed      bool                     // what is published goes there
	asked    godwit.Request           // what the unit at hand is remembered as; its Client is 0 for nothing
	requests requests                 // numbers for units that other nodes are asked for
	up       atomic.Pointer[upstream] // to the node that leads; nil before it is needed. Others may close it
	// readOnly: reads may be of what this node has, though another leads.
	readOnly bool
}

func newConn(s *Server, nc net.Conn, id int64) *conn {
	c := &conn{server: s, id: id, net: &peekable{Conn: nc, stats: &s.stats}, created: time.Now()}
	c.profile.init(nc)
	if s.poller != nil {
		c.net.takeOver()
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.in = resp.NewReader(c.net, resp.Limits{})
	c.out.Proto = 2
	c.proto.Store(2)
	c.session = command.Session{Proto: 2}
	c.profile.active.Store(s.clock.now())
	c.show()
	c.outbox.init(c)
	return c
}

// writesNow tells whether what can be written without waiting can be told.
func (c *conn) writesNow() bool { return c.net.socket != nil }

// close ends the connection at once. Any goroutine may call it.
func (c *conn) close() {
	c.cancel()
	_ = c.net.Close()
	c.server.poller.wake(c)
}

// serve serves the connection until it ends, or the poller does it.
func (c *conn) serve() {
	if c.shakeHands() == nil {
		c.greet()
		c.show()
		if c.server.poller.add(c) {
			return
		}
		for c.serveBatch() {
		}
	}
	c.end()
}

// end ends the connection when its replies are sent.
func (c *conn) end() {
	c.hangUp()
	c.requests.giveBack(c.server)
	c.outbox.finish()
	<-c.outbox.done
	c.server.feeds.remove(c)
	c.server.monitors.leave(c)
	c.setTracking(trackingMode{})
	c.server.hub.leave(c)
	c.server.forget(c)
}

// serveReady executes the requests that have come, up to a batch. It does not wait for others, and tells whether there may
// be more, or ok is false and the connection is to be ended.
func (c *conn) serveReady() (more, ok bool) {
	if c.ctx.Err() != nil {
		return false, false
	}
	if c.parked != nil {
		more = c.parked.more
		ok = c.resume()
		return more || c.in.Buffered() || len(c.net.held) > 0, ok
	}
	more = true // unless what has come last is read
	if !c.in.Buffered() {
		held := len(c.net.held) > 0
		err := c.in.Fill(ready{c.net})
		if err != nil {
			return false, errors.Is(err, errNothingCame)
		}
		more = held || c.in.Crowded()
		if !c.in.Buffered() {
			if !c.in.Large() {
				return more, true
			}
			c.turn.pass() // it is read to its place, however long that takes
			more = true
		}
	}
	ok = c.serveBatch()
	if c.parked != nil {
		c.parked.more = more
		return false, true
	}
	return more || c.in.Buffered() || len(c.net.held) > 0, ok
}

// serveBatch executes the requests that have come, or come next, up to a batch. It tells whether the connection goes on.
func (c *conn) serveBatch() bool {
	err := c.batch()
	return c.parked != nil || c.goesOn(err)
}

// goesOn tells whether the connection goes on after a batch.
func (c *conn) goesOn(err error) bool {
	var p resp.ProtocolError
	if errors.As(err, &p) {
		c.out.Error("ERR " + p.Error())
		c.flush()
	}
	return err == nil && !c.closing && c.ctx.Err() == nil
}

// batch executes requests up to batchMax that have come together.
func (c *conn) batch() error {
	args, err := c.in.ReadCommand()
	if err != nil {
		return err
	}
	c.working.Store(true)
	c.batches++
	c.began = time.Now()
	c.profile.active.Store(c.server.clock.at(c.began))
	for n := 1; ; n++ {
		c.request(args)
		if c.closing || n == batchMax || !c.in.Buffered() {
			break
		}
		if args, err = c.in.ReadCommand(); err != nil {
			break
		}
	}
	c.mayPark = c.turn != nil
	c.execute()
	c.mayPark = false
	if c.parked != nil {
		c.parked.err = err
		return nil
	}
	c.executedBatch()
	return err
}

// executedBatch ends what batch does.
func (c *conn) executedBatch() {
	c.show()
	c.flush()
	c.haveRead()
	c.in.Release()
	c.working.Store(false)
}

// request takes a request: it executes it, or notes it for the transaction at hand.
func (c *conn) request(args [][]byte) {
	cmd, err := c.server.shared.Table.Resolve(args)
	if !c.admitted && !c.recognise(cmd, args) {
		return
	}
	if err == nil {
		err = c.allowed(cmd, args)
	}
	if err == nil {
		err = c.moved(cmd, args)
	}
	if c.quiet == quietNext {
		c.quiet = quietNow
	}
	if c.quiet != quietNot {
		defer c.hush()
	}
	defer c.tracker.next(c, cmd)
	if err == nil && c.server.clientPause.active.Load() && cmd.Name != "godwit" {
		c.rest(func() bool { return c.changes(cmd, args) })
	}
	switch {
	case err != nil:
		c.execute()
		if c.multi.fail(); cmd != nil && cmd.Name == "exec" {
			err = c.abort(err)
		}
		if cmd != nil {
			c.server.stats.of(c, cmd).rejected.Add(1)
		}
		c.fail(err)
	case c.multi.on && !isControl(cmd):
		c.multi.queue(c, cmd, args)
	case cmd.Name == "ping" && c.subs.only(c):
		c.execute()
		c.pong(cmd, args)
	case cmd.Run != nil && cmd.Name != "unwatch":
		if cmd.Group == "scripting" { // nobody knows how long
			c.turn.pass()
		}
		c.calls = append(c.calls, command.Call{Command: cmd, Args: args, MayWait: true, Tracked: c.tracker.tracks()})
		if cmd.Flags&command.Admin != 0 { // it may change what is allowed
			c.execute()
		}
	default:
		if !isControl(cmd) && cmd.Group != "pubsub" && !c.peer.Load() { // some take long
			c.turn.pass()
		}
		c.execute()
		c.handle(cmd, args)
		if c.out.Len() > batchReplyBytes {
			c.flush()
		}
	}
}

// handle carries out a command that belongs to the connection.
func (c *conn) handle(cmd *command.Command, args [][]byte) {
	c.profile.last.Store(cmd) // CLIENT LIST tells of itself
	began, db := time.Since(c.server.started), c.session.DB
	text := ""
	if err := c.server.handler[cmd.Name](c, cmd, args); err != nil {
		text = c.reply(err)
		c.out.Error(text)
	}
	c.lap, c.lapDB, c.lapSeen = began, db, false // EXEC and others have noted what they have executed
	c.note(cmd, args, text)
	c.count()
}

// hush takes back the replies of a request, of which the client wants none.
func (c *conn) hush() {
	c.execute()
	c.silence()
	if c.quiet == quietNow {
		c.quiet = quietNot
	}
}

// silence takes back the replies at hand if the client wants none, and tells whether it does not.
func (c *conn) silence() bool {
	if c.quiet < quietNow {
		return false
	}
	c.out.Reset()
	c.out.Raw(c.loud)
	return true
}

// allowed tells whether the client may use a command now. The error is a reply.
func (c *conn) allowed(cmd *command.Command, args [][]byte) error {
	if c.subs.only(c) && !inSubscription(cmd) {
		return command.Errorf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", cmd.Name)
	}
	context := "toplevel"
	if c.multi.on {
		context = "multi"
	}
	return c.permitted(cmd, args, context)
}

// describe says who the client is, for logs.
func (c *conn) describe() string {
	return fmt.Sprintf("id=%d addr=%s laddr=%s user=%s", c.id, c.net.RemoteAddr(), c.net.LocalAddr(), c.session.User)
}

// fail replies with an error.
func (c *conn) fail(err error) {
	text := c.reply(err)
	c.server.stats.failed(text)
	c.out.Error(text)
}

// flush sends the replies that rest on nothing.
func (c *conn) flush() {
	if c.out.Len() > 0 || len(c.seen) > 0 {
		c.dispatch(item{replies: 1})
	}
}
