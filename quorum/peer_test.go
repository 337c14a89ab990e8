package quorum

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// peerLog notes what OnPeer says.
func peerLog(e *Endpoint) *[]string {
	var log []string
	e.OnPeer(func(id NodeID, up bool) { log = append(log, fmt.Sprintf("%d %v", id, up)) })
	return &log
}

// Both sides of a connection are told when it begins to stand and when it has ended,
// and who waits for the loss goes on at once.
func TestLossOfAPeerIsTold(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		atClient, atServer := peerLog(p.client), peerLog(p.server)
		if p.client.Connected(2) || Wait(ctx, p.client.Lost(2)) != nil {
			t.Error("no connection stands")
		}
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
		if !p.client.Connected(2) || !p.server.Connected(1) {
			t.Error("a connection stands")
		}
		lostThere, lostHere := p.server.Lost(1), p.client.Lost(2)
		before := p.r.Elapsed()
		for _, c := range p.nets[1].conns { // as the system does when the process dies
			c.Close()
		}
		wantErr(t, WaitFor(ctx, lostThere, time.Second), nil)
		if p.r.Elapsed() != before || p.server.Connected(1) {
			t.Errorf("noticed after %v; connected: %v", p.r.Elapsed()-before, p.server.Connected(1))
		}
		if lostHere.outcome() != Pending {
			t.Error("a connection that this side has closed is not lost by itself")
		}
		p.client.links[2].Closed(errBad)
		wantErr(t, WaitFor(ctx, lostHere, 0), nil)
		_, err = p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
		wantErr(t, WaitFor(ctx, p.server.Lost(1), time.Second), ErrTimeout)
		if want := "[2 true 2 false 2 true]"; fmt.Sprint(*atClient) != want {
			t.Errorf("the client heard %v, want %v", *atClient, want)
		}
		if want := "[1 true 1 false 1 true]"; fmt.Sprint(*atServer) != want {
			t.Errorf("the server heard %v, want %v", *atServer, want)
		}
	})
}

// A node is lost with the last of two connections, and only then.
func TestPeerIsLostWithItsLastConnection(t *testing.T) {
	p := newPair(Options{})
	p.echo.Handle(p.client, func(context.Context, NodeID, *echoReq) (*echoResp, error) { return &echoResp{}, nil })
	p.client.Listen()
	p.play(t, func(ctx context.Context) {
		// One loop stands for both nodes: who dials says that it is node 1. So these
		// are both connections of node 1 with itself.
		p.nets[1].nodes[1] = p.nets[1]
		log := peerLog(p.client)
		_, err := p.echo.Call(ctx, p.client, 1, &echoReq{})
		wantErr(t, err, nil)
		lost := p.client.Lost(1)
		p.client.accepted[0].end(errBad)
		if lost.outcome() != Pending || !p.client.Connected(1) {
			t.Error("one connection still stands")
		}
		p.client.links[1].drop(errBad)
		if lost.outcome() != Won || p.client.Connected(1) || fmt.Sprint(*log) != "[1 true 1 false]" {
			t.Error(lost.outcome(), *log)
		}
	})
}

// Who waits for a loss goes on when the Endpoint closes; nobody concludes anything.
func TestClosingTellsWhoWaitsForALoss(t *testing.T) {
	p := newPair(Options{})
	p.play(t, func(ctx context.Context) {
		_, err := p.echo.Call(ctx, p.client, 2, &echoReq{})
		wantErr(t, err, nil)
		log := peerLog(p.client)
		lost := p.client.Lost(2)
		p.client.Close()
		wantErr(t, WaitFor(ctx, lost, 0), nil)
		if len(*log) != 0 || len(p.client.peers) != 0 {
			t.Error(*log, len(p.client.peers))
		}
	})
}
