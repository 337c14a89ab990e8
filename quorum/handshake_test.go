package quorum

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// refusals notes what OnRefused says.
func refusals(e *Endpoint) *[]RefusedError {
	var log []RefusedError
	e.OnRefused(func(r *RefusedError) { log = append(log, *r) })
	return &log
}

// vouching is a network whose certificates are all of one node.
type vouching struct {
	*pipeNet
	is NodeID
}

type vouchingConn struct {
	env.Conn
	is NodeID
}

func (c vouchingConn) Vouches(id NodeID) error {
	if id != c.is {
		return errBad
	}
	return nil
}

func (v vouching) Listen(accept func(env.Conn) env.Receiver) {
	v.pipeNet.Listen(func(c env.Conn) env.Receiver { return accept(vouchingConn{c, v.is}) })
}

// Who must not be connected is refused: both sides are told why, calls fail with that,
// none of them was carried out, and nobody tries without a pause.
func TestRefusals(t *testing.T) {
	for reason, spoil := range map[RefusalReason]func(p *pair){
		RefusedCluster: func(p *pair) { p.client.options.Cluster = ClusterID{8} },
		RefusedUnknown: func(p *pair) { p.server.known = func(NodeID) bool { return false } },
		RefusedSelf:    func(p *pair) { p.client.id = 2 },
		RefusedVersion: func(p *pair) { p.client.versions = versions{2, 3} },
		RefusedAddress: func(p *pair) { p.nets[3] = p.nets[2] },
		RefusedSettings: func(p *pair) {
			p.server.options.Settings, p.client.options.Settings = "durability disk", "durability memory"
		},
		RefusedIdentity: func(p *pair) { p.server.network = vouching{p.nets[2], 9}; p.server.Listen() },
	} {
		p := newPair(Options{Cluster: ClusterID{7}})
		spoil(p)
		to := NodeID(2)
		if reason == RefusedAddress {
			to = 3
		}
		p.play(t, func(ctx context.Context) {
			here, there := refusals(p.client), refusals(p.server)
			_, err := p.echo.Call(ctx, p.client, to, &echoReq{})
			wantErr(t, err, ErrRefused)
			wantErr(t, err, ErrUnreachable)
			if errors.Is(err, ErrUnknownNode) != (reason == RefusedUnknown) {
				t.Error(err)
			}
			var why *RefusedError
			if !errors.As(err, &why) || why.Reason != reason || why.Here || why.Node != to || len(why.Text) < 10 {
				t.Errorf("reason %d: %+v", reason, why)
			}
			_, err = p.echo.Call(ctx, p.client, to, &echoReq{}) // in the pause
			wantErr(t, err, ErrRefused)
			if len(*here) != 1 || len(*there) != 1 {
				t.Fatalf("reason %d: told %v and %v", reason, *here, *there)
			}
			if s := (*there)[0]; !s.Here || s.Reason != reason || s.Node != p.client.id || s.Text != why.Text {
				t.Errorf("reason %d: the refusing side is told %+v", reason, s)
			}
			for range 1000 { // for ten seconds
				_, err = p.echo.Call(ctx, p.client, to, &echoReq{})
				wantErr(t, err, ErrRefused)
				wantErr(t, Sleep(ctx, 10*time.Millisecond), nil)
			}
			if n := len(*there); n < 8 || n > 30 || p.served != 0 || p.server.Stats().Refused != uint64(n) || p.client.Stats().BadFrames != 0 || len(p.server.accepted) != 0 {
				t.Errorf("reason %d: %d attempts, %d served", reason, n, p.served)
			}
		})
	}
}

// What was refused once is taken in when the reason is gone.
func TestRefusedAndThenWelcome(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		known := p.server.known
		p.server.known = func(NodeID) bool { return false }
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, ErrUnknownNode)
		p.server.known = known
		wantErr(t, Sleep(ctx, time.Second), nil)
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
	})
}

// The highest version that both sides speak is used; what a later version has added to
// a hello is not looked at.
func TestVersionsAreNegotiated(t *testing.T) {
	for _, c := range []struct{ here, there, want versions }{
		{versions{1, 1}, versions{1, 1}, versions{1, 1}},
		{versions{1, 4}, versions{2, 3}, versions{3, 3}},
		{versions{3, 7}, versions{1, 5}, versions{5, 5}},
	} {
		p := newPair(Options{})
		p.client.versions, p.server.versions = c.here, c.there
		p.play(t, func(ctx context.Context) {
			_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
			wantErr(t, err, nil)
			if a, b := p.client.links[2].version, p.server.accepted[0].version; a != c.want.lowest || b != a {
				t.Errorf("%v and %v use %d and %d", c.here, c.there, a, b)
			}
		})
	}
	// Who knows nothing of settings, or has none, has none that are wrong.
	p := newPair(Options{Cluster: ClusterID{7}, Settings: "durability disk"})
	p.play(t, func(ctx context.Context) {
		m := helloOf(1)
		m.versions.highest = 9
		b := Encode(beginFrame(nil, &frame{kind: frameHello, number: 1}), &m)
		w := &whoever{hello: sealFrame(endFrame(append(b, "and more"...)), 0)}
		w.conn = p.nets[1].Dial(2, w)
		wantErr(t, Sleep(ctx, time.Second), nil)
		if w.answer.kind != frameWelcome || w.closed {
			t.Errorf("answered by %d, closed: %v", w.answer.kind, w.closed)
		}
		w.conn.Close()
	})
}

// A welcome in a version that was not offered, or of somebody else, is none.
func TestWrongWelcomes(t *testing.T) {
	for name, say := range map[string][]byte{
		"version 9": sealFrame(endFrame(Encode(beginFrame(nil, &frame{kind: frameWelcome, number: 2}), &welcome{version: 9})), 0),
		"node 3":    sealFrame(endFrame(Encode(beginFrame(nil, &frame{kind: frameWelcome, number: 3}), &welcome{version: 1})), 0),
		"a reply":   sealFrame(bareFrame(frameReply, 1).frame, 0),
	} {
		p := newPair(Options{})
		p.play(t, func(ctx context.Context) {
			p.nets[2].accept = func(c env.Conn) env.Receiver { c.Write([][]byte{say}); return &whoever{conn: c} }
			_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
			wantErr(t, err, ErrUnreachable)
			if s := p.client.Stats(); s.BadFrames != 1 || p.client.Connected(2) {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

// A side that says nothing costs a bounded time, whether it was dialled or has come.
func TestHandshakesHaveADeadline(t *testing.T) {
	p := newPair(Options{HandshakeTimeout: 3 * time.Second})
	p.play(t, func(ctx context.Context) {
		w := &whoever{}
		w.conn = p.nets[1].Dial(2, w)
		wantErr(t, Sleep(ctx, 2900*time.Millisecond), nil)
		if w.closed || len(p.server.accepted) != 1 {
			t.Error("closed early")
		}
		wantErr(t, Sleep(ctx, 200*time.Millisecond), nil)
		if !w.closed || len(p.server.accepted) != 0 {
			t.Error("still open")
		}
		p.nets[2].accept = func(c env.Conn) env.Receiver { return &whoever{conn: c} }
		before := p.r.Elapsed()
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, ErrUnreachable)
		if took := p.r.Elapsed() - before; took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// rival is a second process with the client's name, on the same loop.
func (p *pair) rival(o Options) *Endpoint {
	p.nets[9] = &pipeNet{host: p.host, id: 9, nodes: p.nets}
	return NewEndpoint(p.r, p.nets[9], o, nil)
}

// Of two processes with one name the second is refused while the first is there.
func TestTwoProcessesWithOneName(t *testing.T) {
	p := newPair(Options{})
	second := p.rival(Options{})
	p.play(t, func(ctx context.Context) {
		here, there := refusals(second), refusals(p.server)
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
		lost := p.server.Lost(1)
		_, err = p.echo.Call(ctx, second, 2, &echoReq{})
		wantErr(t, err, ErrRefused)
		if len(*here) != 1 || len(*there) != 1 || (*there)[0].Reason != RefusedDuplicate || (*here)[0].Reason != RefusedDuplicate {
			t.Errorf("%v, %v", *here, *there)
		}
		if lost.outcome() != Pending || len(p.server.contests) != 0 {
			t.Error("the first one was disturbed")
		}
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
		// When it has gone, the second one is welcome.
		p.client.Close()
		wantErr(t, Sleep(ctx, 2*time.Second), nil)
		_, err = p.echo.Call(ctx, second, 2, &echoReq{})
		wantErr(t, err, nil)
		if lost.outcome() != Won {
			t.Error("the loss of the first one was not told")
		}
	})
}

// A process whose machine lost its power is not there any more, though its connection
// is: the one that follows it is welcome when it has not answered, or when its
// connection ends.
func TestProcessThatLostPowerIsReplaced(t *testing.T) {
	for _, reset := range []bool{false, true} {
		p := newPair(Options{})
		second := p.rival(Options{})
		p.play(t, func(ctx context.Context) {
			log := peerLog(p.server)
			_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
			wantErr(t, err, nil)
			p.nets[1].stuck = true // nothing gets to the first one any more
			before := p.r.Elapsed()
			reply := p.echo.Start(ctx, second, 2, &echoReq{})
			if reset {
				wantErr(t, Sleep(ctx, 50*time.Millisecond), nil)
				p.server.accepted[0].drop(errBad)
			}
			_, err = reply.Wait(ctx)
			wantErr(t, err, nil)
			took := p.r.Elapsed() - before
			if want := map[bool]time.Duration{false: probeTimeout, true: 50 * time.Millisecond}[reset]; took != want {
				t.Errorf("took %v, want %v", took, want)
			}
			if want := []string{"1 true", "1 false", "1 true"}; len(*log) != 3 || (*log)[1] != want[1] || len(p.server.contests) != 0 || len(p.server.accepted) != 1 {
				t.Error(*log, len(p.server.contests), len(p.server.accepted))
			}
		})
	}
}

// Who dials a node finds out too that another process has its name.
func TestDialledNodeHasTwoProcesses(t *testing.T) {
	p := newPair(Options{})
	second := p.rival(Options{}) // of node 2
	second.id = 2
	p.echo.Handle(p.client, func(context.Context, NodeID, *echoReq) (*echoResp, error) { return &echoResp{}, nil })
	p.client.Listen()
	p.play(t, func(ctx context.Context) {
		_, err := p.echo.Call(ctx, second, 1, &echoReq{}) // so node 1 knows one of them
		wantErr(t, err, nil)
		log := refusals(p.client)
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, ErrRefused)
		if len(*log) != 1 || !(*log)[0].Here || (*log)[0].Reason != RefusedDuplicate || p.served != 0 {
			t.Errorf("%v, %d served", *log, p.served)
		}
		_, err = p.echo.Call(ctx, second, 1, &echoReq{})
		wantErr(t, err, nil)
	})
}

// A blob goes out from where it is and comes back as bytes, whatever is around it; a
// frame that is large arrives in a buffer of its own.
func TestBlobs(t *testing.T) {
	p := newPair(Options{})
	m := NewMethod[blobs, blobs](5, "blobs")
	m.Handle(p.server, func(_ context.Context, _ NodeID, b *blobs) (*blobs, error) { return b, nil })
	p.play(t, func(ctx context.Context) {
		for _, size := range []int{0, 1, blobBytesMin - 1, blobBytesMin, largeBytesMin, 100_000, 3 << 20} {
			b := &blobs{A: make([]byte, size), Text: "between", B: make([]byte, size/4)}
			for i := range b.A {
				b.A[i] = byte(i * 7 >> 3)
			}
			got, err := m.Call(ctx, p.client, 2, b)
			wantErr(t, err, nil)
			if err == nil && (string(got.A) != string(b.A) || got.Text != b.Text || string(got.B) != string(b.B)) {
				t.Errorf("%d bytes come back as others", size)
			}
			o := encodeFrame(nil, &frame{kind: frameRequest}, b)
			if shared := len(o.more) > 0; shared != (size >= blobBytesMin) || shared && &o.more[0][0] != &b.A[0] {
				t.Errorf("%d bytes: shared %v", size, shared)
			}
		}
		if l := p.client.links[2]; l.bytes != 0 {
			t.Errorf("%d bytes are counted as under way", l.bytes)
		}
	})
}

type blobs struct {
	A, B []byte
	Text string
}

func (m *blobs) Fields(c *Coder) { c.Blob(&m.A); c.String(&m.Text); c.Blob(&m.B) }

func TestParseClusterID(t *testing.T) {
	id := ClusterID{1, 2, 0xfe, 15: 0xff}
	if got, err := ParseClusterID(id.String()); got != id || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "12", id.String() + "0", "x" + id.String()[1:]} {
		if got, err := ParseClusterID(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
