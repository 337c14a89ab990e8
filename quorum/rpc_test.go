package quorum

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// echoReq and echoResp are the messages of the tests.
type echoReq struct {
	Text  string
	Delay uint64 // in milliseconds, before the reply
}

func (m *echoReq) Fields(c *Coder) { c.String(&m.Text); c.Uint(&m.Delay) }

type echoResp struct {
	Text string
	List []uint64
}

func (m *echoResp) Fields(c *Coder) {
	c.String(&m.Text)
	Slice(c, &m.List, func(x *uint64) { c.Uint(x) })
}

func echoMethod() Method[echoReq, echoResp] { return NewMethod[echoReq, echoResp](1, "echo") }

// pipeNet joins nodes on one testHost: what is written arrives when the host
// gets to it.
type pipeNet struct {
	host   *testHost
	id     NodeID
	nodes  map[NodeID]*pipeNet
	accept func(env.Conn) env.Receiver
	stuck  bool // what is written to this node is neither taken nor lost
	conns  []*pipeConn
}

type pipeConn struct {
	net   *pipeNet
	r     env.Receiver
	other *pipeConn
	over  bool
}

func (n *pipeNet) Listen(accept func(env.Conn) env.Receiver) { n.accept = accept }
func (n *pipeNet) Close() {
	n.accept = nil
	for _, c := range n.conns {
		c.Close()
	}
}

func (n *pipeNet) Dial(to NodeID, r env.Receiver) env.Conn {
	c := &pipeConn{net: n, r: r}
	n.conns = append(n.conns, c)
	n.host.Post(func() {
		peer := n.nodes[to]
		if peer == nil || peer.accept == nil {
			c.closed(errors.New("refused"))
			return
		}
		c.other = &pipeConn{net: peer, other: c}
		peer.conns = append(peer.conns, c.other)
		c.other.r = peer.accept(c.other)
		if !c.over {
			c.r.Connected()
		}
	})
	return c
}

func (c *pipeConn) closed(err error) {
	if !c.over {
		c.over = true
		c.r.Closed(err)
	}
}

func (c *pipeConn) Write(frames [][]byte) {
	data := bytes.Join(frames, nil)
	if c.other.net.stuck {
		return
	}
	c.net.host.Post(func() {
		if !c.other.over {
			// In two pieces, to see that they are put together.
			cut := len(data) / 3
			c.other.r.Received(data[:cut])
			if !c.other.over {
				c.other.r.Received(data[cut:])
			}
		}
		if !c.over {
			c.r.Written()
		}
	})
}

func (c *pipeConn) Close() {
	if c.over {
		return
	}
	c.over = true
	if c.other != nil {
		other := c.other
		c.net.host.Post(func() { other.closed(errors.New("closed by the other side")) })
	}
}

// pair is two nodes that can call each other; 2 serves echo.
type pair struct {
	host   *testHost
	r      *Runtime
	nets   map[NodeID]*pipeNet
	client *Endpoint
	server *Endpoint
	echo   Method[echoReq, echoResp]
	served int
}

func newPair(o Options) *pair {
	p := &pair{host: &testHost{}, nets: map[NodeID]*pipeNet{}, echo: echoMethod()}
	for id := NodeID(1); id <= 2; id++ {
		p.nets[id] = &pipeNet{host: p.host, id: id, nodes: p.nets}
	}
	// One loop serves for both nodes, under two names.
	p.r = NewRuntime(1, p.host)
	p.client = NewEndpoint(p.r, p.nets[1], o, nil)
	p.server = NewEndpoint(p.r, p.nets[2], o, func(id NodeID) bool { return id == 1 })
	p.server.id = 2
	p.echo.Handle(p.server, func(ctx context.Context, from NodeID, req *echoReq) (*echoResp, error) {
		p.served++
		if req.Text == "fail" {
			return nil, errBad
		}
		if req.Text == "nothing" {
			return nil, nil
		}
		if req.Text == "overload" {
			return nil, fmt.Errorf("much to do: %w", ErrOverloaded)
		}
		if req.Delay > 0 {
			if err := Sleep(ctx, time.Duration(req.Delay)*time.Millisecond); err != nil {
				return nil, err
			}
		}
		return &echoResp{Text: req.Text, List: []uint64{uint64(from), req.Delay}}, nil
	})
	p.server.Listen()
	return p
}

func (p *pair) play(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	task := p.r.Go("test", func(ctx context.Context) error { f(ctx); return nil })
	p.host.run(p.r, time.Hour)
	if !task.Decided() || p.r.Stats().TasksNow != 0 {
		t.Fatalf("the test's task is done: %v; %d tasks", task.Decided(), p.r.Stats().TasksNow)
	}
	for id, l := range p.client.links {
		if len(l.calls) != 0 {
			t.Errorf("%d calls to node %d are left behind", len(l.calls), id)
		}
	}
	p.r.Kill()
}

func TestCalls(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		resp, err := p.echo.Call(ctx, p.client, 2, &echoReq{Text: "hello", Delay: 30})
		if err != nil || resp.Text != "hello" || fmt.Sprint(resp.List) != "[1 30]" {
			t.Error(resp, err)
		}
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{Text: "fail"})
		var remote *RemoteError
		if !errors.As(err, &remote) || remote.Node != 2 || remote.Text != "bad" {
			t.Error(err)
		}
		if _, err = p.echo.Call(ctx, p.client, 2, &echoReq{Text: "nothing"}); !errors.As(err, &remote) || !strings.Contains(remote.Text, "echo returned nothing") {
			t.Error(err)
		}
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{Text: "overload"})
		wantErr(t, err, ErrOverloaded)
		_, err = p.echo.Call(ctx, p.client, 9, &echoReq{})
		wantErr(t, err, ErrUnreachable)
		_, err = p.echo.Call(ctx, p.client, 9, &echoReq{})
		wantErr(t, err, ErrUnreachable)
		unknown := NewMethod[echoReq, echoResp](99, "unknown")
		_, err = unknown.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, ErrUnknownMethod)
		other := NewMethod[echoResp, echoResp](1, "other type") // its request is no echoReq
		_, err = other.Call(ctx, p.client, 2, &echoResp{Text: "x", List: []uint64{1, 2, 3}})
		wantErr(t, err, ErrBadMessage)
		wrong := NewMethod[echoReq, echoReq](1, "wrong reply type")
		_, err = wrong.Call(ctx, p.client, 2, &echoReq{Text: "y", Delay: 5})
		wantErr(t, err, ErrBadMessage)
	})
	if s := p.server.Stats(); s.UnknownMethods != 1 || s.BadMessages != 1 {
		t.Errorf("%+v", s)
	}
	if s := p.client.Stats(); s.BadMessages != 1 {
		t.Errorf("%+v", s)
	}
}

func TestDeadlineIsCarriedAlong(t *testing.T) {
	p := newPair(Options{CallTimeout: time.Minute})
	p.play(t, func(ctx context.Context) {
		var there time.Duration
		var bounded bool
		m := NewMethod[echoReq, echoResp](2, "deadline")
		m.Handle(p.server, func(ctx context.Context, _ NodeID, _ *echoReq) (*echoResp, error) {
			there, bounded = Remaining(ctx)
			return &echoResp{}, Sleep(ctx, time.Hour)
		})
		short, cancel := WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_, err := m.Call(short, p.client, 2, &echoReq{})
		wantErr(t, err, context.DeadlineExceeded)
		if there != 3*time.Second || !bounded {
			t.Error(there, bounded)
		}
		_, _ = m.Call(ctx, p.client, 2, &echoReq{})
		if there != time.Minute || !bounded {
			t.Error("the default is a deadline too:", there, bounded)
		}
	})
}

// A disconnect while a reply is awaited is an error of the call, at once. (The
// original decodes an empty reply.)
func TestDisconnectWhileAReplyIsAwaited(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		votes := NewVotes[*echoResp](ctx, "v", []NodeID{2})
		reply := p.echo.Start(ctx, p.client, 2, &echoReq{Text: "x", Delay: 60_000})
		votes.addValue(2, reply)
		rule := votes.Majority(nil)
		wantErr(t, Sleep(ctx, time.Second), nil)
		p.server.accepted[0].drop(errBad)
		wantErr(t, WaitFor(ctx, rule, time.Second), ErrLost)
		resp, err := reply.Wait(ctx)
		wantErr(t, err, ErrConnClosed)
		if resp != nil || p.served != 1 {
			t.Error(resp, p.served)
		}
		// The next call dials again.
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{Text: "again"})
		wantErr(t, err, nil)
	})
}

// A peer that has stopped costs its bound and blocks nobody.
func TestStoppedPeerCostsItsBound(t *testing.T) {
	for _, o := range []Options{{OutboxMessagesMax: 50}, {OutboxBytesMax: 5000}} {
		p := newPair(o)
		p.play(t, func(ctx context.Context) {
			_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
			wantErr(t, err, nil)
			p.nets[2].stuck = true
			before := p.r.Elapsed()
			refused := 0
			for range 1000 {
				v := p.echo.Start(ctx, p.client, 2, &echoReq{Text: strings.Repeat("x", 100)})
				if errors.Is(v.Err(), ErrOverloaded) {
					refused++
				}
				wantErr(t, Yield(ctx), nil)
			}
			l := p.client.links[2]
			o := p.client.options
			if l.messages() > o.OutboxMessagesMax || l.bytes > o.OutboxBytesMax || refused < 900 || p.r.Elapsed() != before {
				t.Errorf("%d messages, %d bytes, %d refused, took %v", l.messages(), l.bytes, refused, p.r.Elapsed()-before)
			}
			if n := p.client.Stats().OutboxFull; n != uint64(refused) {
				t.Errorf("%d counted", n)
			}
		})
	}
}

// Calls that are dropped before they were written are not sent.
func TestDroppedCallsAreNotSent(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		votes := p.echo.Broadcast(ctx, p.client, []NodeID{2, 1}, func(id NodeID) *echoReq {
			if id == 1 {
				return nil
			}
			return &echoReq{Text: "x"}
		})
		votes.Drop()
		wantErr(t, Sleep(ctx, time.Second), nil)
		if p.served != 0 || votes.In() != 1 {
			t.Errorf("%d served, %d votes", p.served, votes.In())
		}
	})
}

// A message beyond the bound is an error of its call, both ways, and costs nobody
// else the connection.
func TestOversizedMessages(t *testing.T) {
	p := newPair(Options{FrameBytesMax: 1000})
	p.play(t, func(ctx context.Context) {
		large := NewMethod[echoReq, echoResp](2, "large")
		large.Handle(p.server, func(context.Context, NodeID, *echoReq) (*echoResp, error) {
			return &echoResp{Text: strings.Repeat("x", 1000)}, nil
		})
		other := p.echo.Start(ctx, p.client, 2, &echoReq{Text: "other", Delay: 500})
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{Text: strings.Repeat("x", 1000)})
		wantErr(t, err, ErrBadFrame)
		var remote *RemoteError
		if _, err = large.Call(ctx, p.client, 2, &echoReq{}); !errors.As(err, &remote) {
			t.Error(err)
		}
		_, err = other.Wait(ctx)
		wantErr(t, err, nil)
		if p.served != 1 || len(p.server.accepted) != 1 {
			t.Errorf("%d served, %d connections", p.served, len(p.server.accepted))
		}
	})
}

// A reply to a call that was given up is counted and dropped.
func TestStragglersAreDropped(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		reply := p.echo.Start(ctx, p.client, 2, &echoReq{Delay: 1000})
		wantErr(t, WaitFor(ctx, reply, 100*time.Millisecond), ErrTimeout)
		reply.Drop()
		wantErr(t, reply.Err(), ErrLost)
		wantErr(t, Sleep(ctx, 2*time.Second), nil)
		if s := p.client.Stats(); p.served != 1 || s.LateReplies != 1 || reply.Get() != nil {
			t.Errorf("%d served, %+v, %v", p.served, s, reply.Get())
		}
	})
}

func TestHandlersAreBounded(t *testing.T) {
	p := newPair(Options{HandlersMax: 3})
	p.play(t, func(ctx context.Context) {
		var replies []*Value[*echoResp]
		for range 5 {
			replies = append(replies, p.echo.Start(ctx, p.client, 2, &echoReq{Delay: 1000}))
		}
		for i, v := range replies {
			_, err := v.Wait(ctx)
			if i < 3 {
				wantErr(t, err, nil)
			} else {
				wantErr(t, err, ErrOverloaded)
			}
		}
	})
}

// whoever is a Receiver that says something and waits for the end.
type whoever struct {
	conn   env.Conn
	hello  []byte
	then   []byte                   // behind the handshake, if it is answered by a welcome
	seal   func(seed uint32) []byte // makes then
	closed bool
	answer frame // to the hello
}

func (w *whoever) Connected() {
	if len(w.hello) > 0 {
		w.conn.Write([][]byte{w.hello})
	}
}

func (w *whoever) Received(data []byte) {
	if w.answer.kind != 0 {
		return
	}
	w.then = append(w.then, data...)
	f, n, _ := readFrame(w.then, 0, handshakeBytesMax)
	if f.kind == 0 {
		return
	}
	w.answer, w.then = f, w.then[n:]
	var m welcome
	if f.kind == frameWelcome && decodeSome(f.payload, &m) == nil && w.seal != nil {
		w.conn.Write([][]byte{w.seal(frameSeed(whoeverNonce, m.nonce))})
	}
}

func (w *whoever) Written()     {}
func (w *whoever) Closed(error) { w.closed = true }

const whoeverNonce = 99

// helloOf is a good hello to node 2 of cluster 7.
func helloOf(from NodeID) hello {
	return hello{versions: spoken, cluster: ClusterID{7}, to: 2, instance: 5, nonce: whoeverNonce}
}

func helloFrame(from uint64, m hello) []byte {
	return sealFrame(endFrame(Encode(beginFrame(nil, &frame{kind: frameHello, number: from}), &m)), 0)
}

// meet lets somebody connect to node 2 of cluster 7 and say that he is node 1.
func (p *pair) meet(seal func(seed uint32) []byte) *whoever {
	w := &whoever{hello: helloFrame(1, helloOf(1)), seal: seal}
	w.conn = p.nets[1].Dial(2, w)
	return w
}

func TestBadBytesCloseTheConnection(t *testing.T) {
	requestOf := func(seed uint32) []byte {
		return sealFrame(endFrame(beginFrame(nil, &frame{kind: frameRequest, number: 1, method: 1})), seed)
	}
	rot := func(f []byte, at int, to byte) []byte {
		f = bytes.Clone(f)
		f[at] = to
		return f
	}
	// edit makes what is around the byte fit: the mistake is the only one.
	edit := func(seed uint32, f []byte, at int, to byte) []byte {
		f = rot(f, at, to)
		if at >= headBytes {
			binary.LittleEndian.PutUint32(f[4:], crc32.Checksum(f[headBytes:], crcTable))
		}
		return sealFrame(f, seed)
	}
	join := func(f ...[]byte) []byte { return bytes.Join(f, nil) }
	good := helloFrame(1, helloOf(1))
	for name, send := range map[string][]byte{
		"no hello":           requestOf(0),
		"text of other kind": []byte("GET / HTTP/1.1\r\n\r\n"),
		"long before hello":  edit(0, edit(0, good, 0, 0), 1, 16), // the rest does not come
		"half a hello":       sealFrame(endFrame(append(beginFrame(nil, &frame{kind: frameHello, number: 1}), 1, 1)), 0),
		"before the welcome": join(good, good),
	} {
		p := newPair(Options{Cluster: ClusterID{7}})
		p.play(t, func(ctx context.Context) { closes(ctx, t, p, name, &whoever{hello: send}) })
	}
	for name, seal := range map[string]func(seed uint32) []byte{
		"two hellos":      func(seed uint32) []byte { return sealFrame(bytes.Clone(good), seed) },
		"a welcome":       func(seed uint32) []byte { return sealFrame(bareFrame(frameWelcome, 1).frame, seed) },
		"a reply":         func(seed uint32) []byte { return sealFrame(bareFrame(frameReply, 1).frame, seed) },
		"unknown kind":    func(seed uint32) []byte { return edit(seed, requestOf(seed), headBytes, 77) },
		"too long":        func(seed uint32) []byte { return edit(seed, requestOf(seed), 3, 255) },
		"too short":       func(seed uint32) []byte { return edit(seed, requestOf(seed), 0, 1) },
		"wrong checksum":  func(seed uint32) []byte { return edit(seed, requestOf(seed), 4, requestOf(seed)[4]+1) },
		"rotten length":   func(seed uint32) []byte { return rot(requestOf(seed), 1, 16) }, // the rest of it would never come
		"rotten body":     func(seed uint32) []byte { return rot(requestOf(seed), headBytes+2, requestOf(seed)[headBytes+2]+1) },
		"a byte too many": func(seed uint32) []byte { return join([]byte{'0'}, requestOf(seed)) },
		"number not ending": func(seed uint32) []byte {
			return sealFrame(endFrame(join(requestOf(seed)[:headBytes+1], bytes.Repeat([]byte{255}, 20))), seed)
		},
		"another connection": func(seed uint32) []byte { return requestOf(frameSeed(whoeverNonce, 12345)) },
		"the other way":      func(seed uint32) []byte { return requestOf(seed ^ 1) },
		"of a handshake":     func(seed uint32) []byte { return requestOf(0) },
	} {
		p := newPair(Options{Cluster: ClusterID{7}})
		p.play(t, func(ctx context.Context) {
			closes(ctx, t, p, name, &whoever{hello: good, seal: seal})
			closes(ctx, t, p, name+", behind a good one", &whoever{hello: good, seal: func(seed uint32) []byte { return join(requestOf(seed), seal(seed)) }})
			if p.served != 2 { // one of somebody else
				t.Errorf("%s: %d served", name, p.served)
			}
		})
	}
}

// closes lets somebody connect and wants his connection, and no other, to be closed
// because of what he says.
func closes(ctx context.Context, t *testing.T, p *pair, name string, w *whoever) {
	t.Helper()
	before := p.server.Stats().BadFrames
	w.conn = p.nets[1].Dial(2, w)
	wantErr(t, Sleep(ctx, time.Second), nil)
	if !w.closed {
		t.Errorf("%s: the connection lives", name)
	}
	if s := p.server.Stats(); s.BadFrames != before+1 || len(p.server.accepted) != 0 || s.Refused != 0 {
		t.Errorf("%s: %+v, %d connections", name, s, len(p.server.accepted))
	}
	_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
	wantErr(t, err, nil) // others are served
	p.client.links[2].drop(errBad)
	wantErr(t, Sleep(ctx, time.Second), nil)
}

// A connection that ends in the middle of a frame, wherever that is, is counted, by
// who serves and by who waits for a reply; one that ends between two frames is not.
func TestConnectionsCutInAFrame(t *testing.T) {
	request := func(seed uint32) []byte {
		return sealFrame(endFrame(Encode(beginFrame(nil, &frame{kind: frameRequest, number: 1, method: 1}), &echoReq{Delay: 60_000})), seed)
	}
	inside := func(cut int, f []byte) uint64 {
		if cut == 0 || cut == len(f) {
			return 0
		}
		return 1
	}
	for cut := range len(request(0)) + 1 {
		p := newPair(Options{Cluster: ClusterID{7}})
		p.play(t, func(ctx context.Context) {
			w := p.meet(func(seed uint32) []byte { return request(seed)[:cut] })
			wantErr(t, Sleep(ctx, time.Second), nil)
			w.conn.Close()
			wantErr(t, Sleep(ctx, time.Second), nil)
			if s := p.server.Stats(); s.CutFrames != inside(cut, request(0)) || s.BadFrames != 0 || len(p.server.accepted) != 0 || p.r.Stats().TasksNow != 1 {
				t.Errorf("cut at %d: %+v, %d connections, %d tasks", cut, s, len(p.server.accepted), p.r.Stats().TasksNow)
			}
		})
	}
	reply := endFrame(append(beginFrame(nil, &frame{kind: frameReply, number: 77}), "nobody's"...))
	for cut := range len(reply) + 1 {
		p := newPair(Options{})
		p.play(t, func(ctx context.Context) {
			call := p.echo.Start(ctx, p.client, 2, &echoReq{Delay: 60_000})
			wantErr(t, Sleep(ctx, time.Second), nil)
			l := p.client.links[2]
			l.Received(sealFrame(reply, l.in)[:cut])
			p.server.accepted[0].drop(errBad)
			_, err := call.Wait(ctx)
			wantErr(t, err, ErrConnClosed)
			if s := p.client.Stats(); s.CutFrames != inside(cut, reply) || s.BadFrames != 0 {
				t.Errorf("cut at %d: %+v", cut, s)
			}
		})
	}
}

// Those who connect and say nothing do not keep out the nodes of the cluster.
func TestStrangersKeepNobodyOut(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		var silent []*whoever
		for range 2 * strangersMax {
			w := &whoever{}
			w.conn = p.nets[1].Dial(2, w)
			silent = append(silent, w)
		}
		wantErr(t, Sleep(ctx, time.Second), nil)
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
		for i, w := range silent { // the oldest go
			if w.closed != (i <= strangersMax) {
				t.Errorf("silent connection %d of %d is closed: %v", i, len(silent), w.closed)
			}
		}
	})
}

func TestRealSockets(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addrs := map[NodeID]string{2: listener.Addr().String()}
	echo := echoMethod()
	server, stopServer := Start(2)
	client, stopClient := Start(1)
	serverNet := env.NewTCP(server.Host(), addrs, listener)
	clientNet := env.NewTCP(client.Host(), addrs, nil)
	var serving, calling *Endpoint
	var up = make(chan struct{})
	server.Post(func() {
		serving = NewEndpoint(server, serverNet, Options{}, nil)
		echo.Handle(serving, func(ctx context.Context, from NodeID, req *echoReq) (*echoResp, error) {
			return &echoResp{Text: req.Text}, Sleep(ctx, time.Duration(req.Delay)*time.Millisecond)
		})
		serving.Listen()
		close(up)
	})
	<-up
	err = client.Run(context.Background(), "client", func(ctx context.Context) error {
		calling = NewEndpoint(client, clientNet, Options{}, nil)
		var tasks []Event
		for i := range 50 {
			tasks = append(tasks, Go(ctx, "caller", func(ctx context.Context) error {
				for j := range 20 {
					text := strings.Repeat(fmt.Sprint(i, j), 1000)
					resp, err := echo.Call(ctx, calling, 2, &echoReq{Text: text})
					if err != nil {
						return err
					}
					if resp.Text != text {
						return errBad
					}
				}
				return nil
			}))
		}
		if err := Wait(ctx, And(tasks...)); err != nil {
			return err
		}
		reply := echo.Start(ctx, calling, 2, &echoReq{Delay: 60_000})
		wantErr(t, Sleep(ctx, 10*time.Millisecond), nil)
		server.Post(func() { serving.Close() })
		_, err := reply.Wait(ctx)
		wantErr(t, err, ErrConnClosed)
		_, err = echo.Call(ctx, calling, 2, &echoReq{})
		wantErr(t, err, ErrUnreachable)
		calling.Close()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stopClient()
	stopServer()
	clientNet.Wait()
	serverNet.Wait()
}

func FuzzReadFrame(f *testing.F) {
	f.Add(helloFrame(1, helloOf(1)), uint32(0))
	f.Add(sealFrame(endFrame(append(beginFrame(nil, &frame{kind: frameRequest, number: 300, method: 2, timeout: 1e6}), "payload"...)), 3), uint32(3))
	f.Fuzz(func(t *testing.T, b []byte, seed uint32) {
		x, n, err := readFrame(b, seed, 1<<16)
		if err != nil || n == 0 || n > len(b) {
			return
		}
		again := sealFrame(endFrame(append(beginFrame(nil, &x), x.payload...)), seed)
		y, m, err := readFrame(again, seed, 1<<16)
		if err != nil || m != len(again) || y.kind != x.kind || y.number != x.number || y.method != x.method ||
			y.timeout != x.timeout || !bytes.Equal(y.payload, x.payload) {
			t.Fatalf("%+v comes back as %+v, %v", x, y, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(nil, &echoResp{Text: "abc", List: []uint64{1, 1 << 40}}))
	f.Add([]byte{0, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again echoResp
		if Decode(b, &m) != nil {
			return
		}
		if err := Decode(Encode(nil, &m), &again); err != nil || fmt.Sprint(m) != fmt.Sprint(again) {
			t.Fatalf("%v comes back as %v, %v", m, again, err)
		}
	})
}

// Any bytes, at the server before, in and after a handshake and at the client instead
// of a reply: the node goes on. The last ones are sealed, else most would get no
// further than the check of their head.
func FuzzConnection(f *testing.F) {
	f.Add(append(beginFrame(nil, &frame{kind: frameRequest, number: 1, method: 1}), 1, 'x', 0))
	f.Add(append(beginFrame(nil, &frame{kind: frameReply, number: 1}), 1, 'x', 0))
	m := helloOf(1)
	f.Add(append(Encode(beginFrame(nil, &frame{kind: frameHello, number: 1}), &m), "of a later version"...))
	f.Add(Encode(beginFrame(nil, &frame{kind: frameWelcome, number: 2}), &welcome{1, 2, 3}))
	f.Add(Encode(beginFrame(nil, &frame{kind: frameRefusal, number: 2, method: 1}), &RefusedError{Text: "why"}))
	f.Add(bareFrame(frameProbe, 1).frame)
	f.Add(bareFrame(frameAlive, 1).frame)
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		sealed := func(seed uint32) []byte {
			if len(b) < headBytes {
				return b
			}
			return sealFrame(endFrame(bytes.Clone(b)), seed)
		}
		p := newPair(Options{FrameBytesMax: 1 << 12, Cluster: ClusterID{7}})
		p.play(t, func(ctx context.Context) {
			p.r.now++
			raw, stranger := &whoever{hello: b}, &whoever{hello: sealed(0)}
			raw.conn, stranger.conn = p.nets[1].Dial(2, raw), p.nets[1].Dial(2, stranger)
			w := p.meet(sealed)
			reply := p.echo.Start(ctx, p.client, 2, &echoReq{Delay: 5})
			wantErr(t, Sleep(ctx, time.Millisecond), nil)
			if l := p.client.links[2]; l.conn != nil {
				l.Received(sealed(l.in))
			}
			_ = Wait(ctx, reply) // its connection may have been closed
			for _, w := range []*whoever{raw, stranger, w} {
				w.conn.Close()
			}
			wantErr(t, Sleep(ctx, 3*time.Second), nil)
			_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
			wantErr(t, err, nil)
		})
	})
}
