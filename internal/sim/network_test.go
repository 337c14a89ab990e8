package sim

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// pingPair is two nodes; 1 pings 2 once in a millisecond, with a timeout of ten.
type pingPair struct {
	t               *testing.T
	w               *World
	ok, served      int
	errs            []error
	client, serving *quorum.Endpoint
}

func newPingPair(t *testing.T, o quorum.Options) *pingPair {
	p := &pingPair{t: t, w: New(1, nil)}
	pings := quorum.NewMethod[ping, ping](1, "ping")
	p.w.AddNode(1, func(n *Node) {
		p.client = quorum.NewEndpoint(n.Runtime(), n.Network(), o, nil)
		e := p.client
		n.Runtime().Go("main", func(ctx context.Context) error {
			for {
				short, cancel := quorum.WithTimeout(ctx, 10*time.Millisecond)
				_, err := pings.Call(short, e, 2, &ping{1})
				cancel()
				if err == nil {
					p.ok++
				} else {
					p.errs = append(p.errs, err)
				}
				if err := quorum.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
		})
	}).Start()
	p.w.AddNode(2, func(n *Node) {
		p.serving = quorum.NewEndpoint(n.Runtime(), n.Network(), o, nil)
		pings.Handle(p.serving, func(context.Context, env.NodeID, *ping) (*ping, error) { p.served++; return &ping{2}, nil })
		p.serving.Listen()
	}).Start()
	return p
}

// during runs for a while and returns how many pings succeeded and were served.
func (p *pingPair) during(d time.Duration) (ok, served int) {
	p.t.Helper()
	o, s := p.ok, p.served
	p.errs = nil
	pass(p.t, p.w, d)
	return p.ok - o, p.served - s
}

func TestLinks(t *testing.T) {
	p := newPingPair(t, quorum.Options{RedialMax: 50 * time.Millisecond})
	w := p.w
	defer w.Close()
	if ok, _ := p.during(time.Second); ok < 400 || len(p.errs) > 1 {
		t.Errorf("healthy: %d pings, %v", ok, p.errs)
	}
	w.Block(2, 1, true) // one way: requests arrive, replies do not
	if ok, served := p.during(time.Second); ok > 1 || served < 80 {
		t.Errorf("blocked one way: %d pings, %d served", ok, served)
	}
	w.Heal()
	w.Partition([]env.NodeID{1}, []env.NodeID{2})
	if ok, served := p.during(time.Second); ok > 1 || served > 1 {
		t.Errorf("partitioned: %d pings, %d served", ok, served)
	}
	w.Heal()
	if ok, _ := p.during(time.Second); ok < 400 {
		t.Errorf("healed: %d pings", ok)
	}
	w.Link(1, 2).Double = 1
	if ok, served := p.during(time.Second); served < 2*ok-2 {
		t.Errorf("doubled: %d pings, %d served", ok, served)
	}
	w.Link(1, 2).Double = 0
	w.Link(1, 2).Loss = 0.5
	if ok, served := p.during(time.Second); ok < 30 || ok > 400 || served > 400 {
		t.Errorf("lossy: %d pings, %d served", ok, served)
	}
	w.Link(1, 2).Loss = 0
	w.Clog(1, 2, 500*time.Millisecond)
	if ok, _ := p.during(400 * time.Millisecond); ok > 1 {
		t.Errorf("clogged: %d pings", ok)
	}
	p.during(200 * time.Millisecond)
	w.Link(1, 2).BytesPerSecond = 2000
	if ok, _ := p.during(time.Second); ok > 200 {
		t.Errorf("slow: %d pings through 2,000 bytes per second", ok)
	}
	w.Link(1, 2).BytesPerSecond = 0
	p.during(5 * time.Second)
	w.Reset(1, 2)
	if ok, _ := p.during(time.Second); ok < 400 || len(p.errs) > 1 {
		t.Errorf("after a reset: %d pings, %v", ok, p.errs)
	}
}

func TestCrashesAreSeenOrNot(t *testing.T) {
	for _, power := range []bool{false, true} {
		p := newPingPair(t, quorum.Options{RedialMax: 20 * time.Millisecond})
		defer p.w.Close()
		p.during(time.Second)
		p.w.Node(2).Crash(power)
		p.during(100 * time.Millisecond)
		unreachable := false
		for _, err := range p.errs {
			unreachable = unreachable || errors.Is(err, quorum.ErrUnreachable)
		}
		if unreachable == power {
			t.Errorf("power lost %v: the other side notices: %v", power, unreachable)
		}
		p.w.Node(2).Start()
		p.during(time.Second)
		if ok, _ := p.during(time.Second); ok < 400 {
			t.Errorf("power lost %v: %d pings after the restart, %v", power, ok, p.errs[:min(3, len(p.errs))])
		}
	}
}

// A process that ends is lost with its connections; one whose power fails is not, as
// far as the others know, until they hear from it again.
func TestLossOfAPeerIsToldUnlessPowerIsLost(t *testing.T) {
	for _, power := range []bool{false, true} {
		p := newPingPair(t, quorum.Options{})
		defer p.w.Close()
		p.during(time.Second)
		var heard []bool
		p.client.OnPeer(func(id env.NodeID, up bool) { heard = append(heard, up) })
		lost := p.client.Lost(2)
		p.w.Node(2).Crash(power)
		p.during(5 * time.Millisecond)
		if n := len(heard); n != 0 == power || p.client.Connected(2) != power {
			t.Errorf("power lost %v: heard %v, connected: %v", power, heard, p.client.Connected(2))
		}
		p.w.Node(2).Start()
		p.during(5 * time.Second)
		if len(heard) != 2 || heard[0] || !heard[1] || lost.Err() != nil || !p.client.Connected(2) {
			t.Errorf("power lost %v: heard %v after the restart", power, heard)
		}
	}
}
