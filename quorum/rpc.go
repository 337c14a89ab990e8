package quorum

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// Options are the bounds of an Endpoint. The zero value of each stands for its
// default.
type Options struct {
	// Cluster is what nodes that talk to each other share. Others are refused.
	Cluster ClusterID
	// Settings is what the nodes of a cluster must have set alike, in a few words. Who has
	// others is refused; "" fits to all.
	Settings string
	// OutboxMessagesMax bounds, for each peer, the messages that wait to be
	// written and the calls that wait for a reply, OutboxBytesMax the bytes that
	// wait to be written. Beyond either a call fails at once with ErrOverloaded,
	// and a reply that does not fit closes its connection. Defaults: 4,096
	// messages, 8 MiB.
	OutboxMessagesMax, OutboxBytesMax int
	// FrameBytesMax is the largest message that is taken. Default: 4 MiB.
	FrameBytesMax int
	// HandlersMax bounds, for each connection, the requests that are being
	// handled; more are answered with ErrOverloaded. Default: 1,024.
	HandlersMax int
	// CallTimeout is the deadline of calls whose context has none, so that a lost
	// reply cannot occupy its call for ever. Default: 10 s.
	CallTimeout time.Duration
	// HandshakeTimeout is how long it may take from a connection to the end of the
	// handshake on it. Default: 5 s.
	HandshakeTimeout time.Duration
	// RedialMin and RedialMax bound the pauses after failed or refused attempts to
	// connect, in which calls fail with ErrUnreachable. Defaults: 20 ms, 1 s.
	RedialMin, RedialMax time.Duration
}

func (o Options) withDefaults() Options {
	o.OutboxMessagesMax = cmp.Or(o.OutboxMessagesMax, 4096)
	o.OutboxBytesMax = cmp.Or(o.OutboxBytesMax, 8<<20)
	o.FrameBytesMax = cmp.Or(o.FrameBytesMax, 4<<20)
	o.HandlersMax = cmp.Or(o.HandlersMax, 1024)
	o.CallTimeout = cmp.Or(o.CallTimeout, 10*time.Second)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, 5*time.Second)
	o.RedialMin = cmp.Or(o.RedialMin, 20*time.Millisecond)
	o.RedialMax = cmp.Or(o.RedialMax, time.Second)
	return o
}

// NetStats counts what an Endpoint has met.
type NetStats struct {
	Calls           uint64
	OutboxFull      uint64 // calls and replies refused because of a bound
	OutboxBytesPeak int    // the most bytes that any outbox has held
	BadFrames       uint64 // connections closed because of what came
	CutFrames       uint64 // connections that the other side has closed in the middle of a frame
	BadMessages     uint64 // requests and replies that could not be decoded
	UnknownMethods  uint64
	Refused         uint64 // connections refused, here or by the other side
	LateReplies     uint64 // to calls that were over
	HandlersFull    uint64 // requests refused because of HandlersMax
}

// Endpoint is a node's place in the network: it calls other nodes and serves
// their calls.
type Endpoint struct {
	rt        *Runtime
	id        NodeID
	instance  uint64 // tells it from others that had its name, or have it
	versions  versions
	network   Network
	options   Options
	links     map[NodeID]*link
	accepted  []*link
	peers     map[NodeID]*peer // those with which a connection stands
	contests  []*contest
	onPeer    []func(id NodeID, up bool)
	onRefused []func(*RefusedError)
	known     func(NodeID) bool
	methods   map[uint64]handler
	number    uint64
	stats     NetStats
	closed    bool
}

type handler struct {
	name  string
	serve func(ctx context.Context, from NodeID, payload []byte, b []byte, f *frame) (outgoing, error)
	empty func(reply bool) Message // to decode a request or a reply
}

// NewEndpoint returns an Endpoint. known tells which nodes may connect; nil
// allows all.
func NewEndpoint(r *Runtime, network Network, o Options, known func(NodeID) bool) *Endpoint {
	if known == nil {
		known = func(NodeID) bool { return true }
	}
	return &Endpoint{rt: r, id: r.id, instance: r.host.Uint64(), versions: spoken, network: network, options: o.withDefaults(), known: known,
		links: map[NodeID]*link{}, peers: map[NodeID]*peer{}, methods: map[uint64]handler{}}
}

// Listen begins to serve, after the methods have been registered with Handle.
func (e *Endpoint) Listen() {
	e.network.Listen(func(c env.Conn) env.Receiver {
		l := &link{e: e, accepted: true, state: linkGreeting, conn: c}
		e.accepted = append(e.accepted, l)
		e.rt.timers.set(&l.rest, l, e.rt.now+e.options.HandshakeTimeout)
		e.boundStrangers()
		return l
	})
}

// strangersMax bounds the connections that have not said yet whose they are.
const strangersMax = 64

// boundStrangers closes the oldest of too many strangers: the others of the cluster
// say who they are at once, so whoever has not is none of them, and must not keep them
// out.
func (e *Endpoint) boundStrangers() {
	var oldest *link
	strangers := 0
	for _, l := range e.accepted {
		if l.peer == 0 {
			strangers++
			if oldest == nil {
				oldest = l
			}
		}
	}
	if strangers > strangersMax {
		oldest.drop(ErrOverloaded)
	}
}

// Stats returns the counts as of now.
func (e *Endpoint) Stats() NetStats { return e.stats }

// Options returns the endpoint's bounds.
func (e *Endpoint) Options() Options { return e.options }

// Close closes all connections. Calls that wait fail with ErrClosed.
func (e *Endpoint) Close() {
	e.closed = true
	e.network.Close()
	e.loseAll()
	for _, c := range slices.Clone(e.contests) {
		e.dropContest(c)
	}
	for _, id := range slices.Sorted(maps.Keys(e.links)) {
		e.links[id].end(ErrClosed)
	}
	for _, l := range e.accepted {
		e.rt.timers.cancel(&l.rest)
		l.state = linkDown
	}
	e.accepted = nil
}

func (e *Endpoint) forget(l *link) {
	e.accepted = slices.DeleteFunc(e.accepted, func(x *link) bool { return x == l })
}

func (e *Endpoint) link(to NodeID) *link {
	l := e.links[to]
	if l == nil {
		l = &link{e: e, peer: to, calls: map[uint64]*call{}}
		e.links[to] = l
	}
	return l
}

// call is a request that waits for its reply.
type call struct {
	link   *link
	number uint64
	sent   bool
	over   bool
	timer  timer
	// finish is told the reply, or why there is none.
	finish func(f *frame, err error)
}

func (c *call) expire() { c.end(nil, context.DeadlineExceeded) }

func (c *call) end(f *frame, err error) {
	if c.over {
		return
	}
	c.over = true
	delete(c.link.calls, c.number)
	c.link.e.rt.timers.cancel(&c.timer)
	c.finish(f, err)
}

// reply is the arrival of a reply or a failure.
func (e *Endpoint) reply(l *link, f *frame) {
	c := l.calls[f.number]
	if c == nil {
		e.stats.LateReplies++
		return
	}
	if f.kind == frameFailure {
		c.end(nil, remoteError(l.peer, f))
		return
	}
	c.end(f, nil)
}

// failCalls ends the calls of a link whose connection has ended.
func (e *Endpoint) failCalls(l *link, err error) {
	for _, n := range slices.Sorted(maps.Keys(l.calls)) {
		c := l.calls[n]
		why := ErrUnreachable
		if e.closed {
			why = ErrClosed
		} else if c.sent {
			why = ErrConnClosed
		}
		c.end(nil, fmt.Errorf("%w: node %d: %w", why, l.peer, err))
	}
}

// Method is a remote procedure that takes a *Req and returns a *Resp.
type Method[Req, Resp any] struct {
	number uint64
	name   string
	req    func(*Req) Message
	resp   func(*Resp) Message
}

// NewMethod describes a method by its number, which is what goes over the
// network, and its name, which is for traces. *Req and *Resp are Messages.
func NewMethod[Req, Resp any, Q interface {
	*Req
	Message
}, R interface {
	*Resp
	Message
}](number uint16, name string) Method[Req, Resp] {
	return Method[Req, Resp]{uint64(number), name,
		func(m *Req) Message { return Q(m) }, func(m *Resp) Message { return R(m) }}
}

// Handle makes an Endpoint serve a method. Each request is a task of its own
// that is named like the method; its context has the caller's deadline. The
// request, and what it is made of, is f's to keep.
func (m Method[Req, Resp]) Handle(e *Endpoint, f func(ctx context.Context, from NodeID, req *Req) (*Resp, error)) {
	e.methods[m.number] = handler{m.name, func(ctx context.Context, from NodeID, payload []byte, b []byte, reply *frame) (outgoing, error) {
		var req Req
		if err := Decode(payload, m.req(&req)); err != nil {
			e.stats.BadMessages++
			return outgoing{}, ErrBadMessage
		}
		resp, err := f(ctx, from, &req)
		if err == nil && resp == nil {
			err = fmt.Errorf("the handler of %s returned nothing", m.name)
		}
		if err != nil {
			return outgoing{}, err
		}
		return encodeFrame(b, reply, m.resp(resp)), nil
	}, func(reply bool) Message {
		if reply {
			return m.resp(new(Resp))
		}
		return m.req(new(Req))
	}}
}

// Start sends a request and returns the event of its reply. It never blocks. The
// event is lost with ErrOverloaded when the peer's outbox is full, with
// ErrUnreachable when there is no connection, which matches ErrRefused too if one of
// the two sides does not want one, with ErrConnClosed when it closed
// before the reply came, with ErrBadMessage when the reply cannot be decoded,
// with context.DeadlineExceeded when ctx's deadline has passed, and with a
// RemoteError when the handler failed.
func (m Method[Req, Resp]) Start(ctx context.Context, e *Endpoint, to NodeID, req *Req) *Value[*Resp] {
	s := scopeOf(ctx)
	r := e.rt
	v := newValue[*Resp](r, KindReply, m.name)
	v.from = to
	if e.closed {
		v.Fail(ErrClosed)
		return v
	}
	l := e.link(to)
	e.number++
	e.stats.Calls++
	deadline := r.now + e.options.CallTimeout
	if s.bounded {
		deadline = s.deadline
	}
	c := &call{link: l, number: e.number}
	c.finish = func(f *frame, err error) {
		if err == nil {
			resp := new(Resp)
			if err = Decode(f.keep(), m.resp(resp)); err == nil {
				v.Set(resp)
				return
			}
			e.stats.BadMessages++
			err = fmt.Errorf("%w: reply of node %d to %s", ErrBadMessage, to, m.name)
		}
		v.Fail(err)
	}
	f := frame{kind: frameRequest, number: c.number, method: m.number, timeout: uint64(max(1, (deadline-r.now)/time.Microsecond))}
	o := encodeFrame(l.buffer(), &f, m.req(req))
	o.call = c
	if o.bytes-headBytes > e.options.FrameBytesMax {
		v.Fail(fmt.Errorf("%w: %s of %d bytes", ErrBadFrame, m.name, o.bytes))
		return v
	}
	l.calls[c.number] = c
	endFrame(o.frame, o.more...)
	if err := l.send(o); err != nil {
		c.over = true
		delete(l.calls, c.number)
		v.Fail(err)
		return v
	}
	v.drop = func() { c.end(nil, ErrLost) }
	if v.state == Pending {
		r.timers.set(&c.timer, c, deadline)
	}
	return v
}

// Call is Start and Wait.
func (m Method[Req, Resp]) Call(ctx context.Context, e *Endpoint, to NodeID, req *Req) (*Resp, error) {
	v := m.Start(ctx, e, to, req)
	resp, err := v.Wait(ctx)
	if err != nil {
		v.Drop()
	}
	return resp, err
}

// Broadcast sends each node a request of its own and returns their votes, which
// are the replies. A node for which each returns nil is sent nothing: its vote
// is for the caller to add.
func (m Method[Req, Resp]) Broadcast(ctx context.Context, e *Endpoint, to []NodeID, each func(NodeID) *Req) *Votes[*Resp] {
	votes := NewVotes[*Resp](ctx, m.name, to)
	for _, id := range to {
		if req := each(id); req != nil {
			votes.addValue(id, m.Start(ctx, e, id, req))
		}
	}
	return votes
}

// serve handles a request in a task of its own.
func (e *Endpoint) serve(l *link, f *frame) {
	h, ok := e.methods[f.method]
	number := f.number
	switch {
	case !ok:
		e.stats.UnknownMethods++
		e.answer(l, number, outgoing{}, fmt.Errorf("%w %d", ErrUnknownMethod, f.method))
		return
	case l.handlers >= e.options.HandlersMax || e.rt.Rare("quorum: handlers full"):
		e.stats.HandlersFull++
		e.answer(l, number, outgoing{}, ErrOverloaded)
		return
	}
	l.handlers++
	payload := f.keep()
	timeout := time.Duration(min(f.timeout, uint64(maxTimeout/time.Microsecond))) * time.Microsecond
	from := l.peer
	e.rt.spawn(context.Background(), &e.rt.root, h.name, func(ctx context.Context) error {
		defer func() { l.handlers-- }()
		ctx.(*scope).limit(timeout)
		o, err := h.serve(ctx, from, payload, l.buffer(), &frame{kind: frameReply, number: number})
		e.answer(l, number, o, err)
		return nil
	})
}

// failureTextMax bounds what is told of a handler's error.
const failureTextMax = 1024

// maxTimeout is the longest deadline that a request can carry.
const maxTimeout = 24 * time.Hour

// answer sends the reply in o or the failure err, if the connection still
// stands.
func (e *Endpoint) answer(l *link, number uint64, o outgoing, err error) {
	if l.state != linkUp || e.closed {
		return
	}
	if err == nil && o.bytes-headBytes > e.options.FrameBytesMax {
		err = fmt.Errorf("%w: a reply of %d bytes", ErrBadFrame, o.bytes)
	}
	if err != nil {
		b := beginFrame(nil, &frame{kind: frameFailure, number: number, method: uint64(codeOf(err))})
		text := err.Error()
		b = append(b, text[:min(len(text), failureTextMax)]...)
		o = outgoing{frame: b, bytes: len(b)}
	}
	endFrame(o.frame, o.more...)
	if err := l.send(o); err != nil {
		l.drop(err)
	}
}
