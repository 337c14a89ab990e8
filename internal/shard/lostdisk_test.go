package shard

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// TestLostDisk: a replica that comes back with an empty folder does not elect, with one that
// has missed what it has acknowledged, a leader without that. It knows why, and counts again
// when it was removed and added.
func TestLostDisk(t *testing.T) {
	c := newCluster(t, 3)
	nodes := []*node{c.start(1), c.start(2), c.start(3)}
	old := leader(t, nodes...)
	at := func(i int) quorum.NodeID { return 1 + (old.rt.Node()+quorum.NodeID(i))%3 }
	lost, behind := nodes[at(0)-1], nodes[at(1)-1]
	behind.await(func() bool { return behind.Group().Status().Commit >= 2 }) // it knows which folders count
	behind.stop()
	x := old.mustPut("a", []byte("1"))
	old.stop()
	lost.stop()
	c.disks[at(0)] = faultfs.New(9)
	lost, behind = c.start(at(0)), c.start(at(1))
	var s stream.Status
	lost.await(func() bool { s = lost.Group().Status(); return s.OtherFolder || s.Leader != 0 })
	if s.Leader != 0 || s.Commit > 0 {
		t.Fatalf("the replica with the empty folder counts: %+v", s)
	}

	old = c.start(old.rt.Node())
	l := leader(t, old, behind)
	if got := l.get("a", &x); string(got) != "1" {
		t.Fatalf("what was acknowledged is %q", got)
	}
	for _, step := range []func(*stream.Group, context.Context, quorum.NodeID) error{(*stream.Group).Remove, (*stream.Group).AddLearner, (*stream.Group).Promote} {
		l.change(func(ctx context.Context, g *stream.Group) error { return step(g, ctx, at(0)) })
	}
	if l == behind {
		old.stop()
	} else {
		behind.stop()
	}
	x = l.mustPut("b", []byte("2")) // it counts now
	if a, b := lost.get("a", &x), lost.get("b", &x); string(a) != "1" || string(b) != "2" {
		t.Errorf("it has %q and %q", a, b)
	}
}

// await waits until something is true, which is asked in tasks of the node.
func (n *node) await(what func() bool) {
	n.c.t.Helper()
	n.must(func(ctx context.Context) error {
		for !what() {
			if err := quorum.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
}

// change has the leader change the members, as soon as it can.
func (n *node) change(f func(ctx context.Context, g *stream.Group) error) {
	n.c.t.Helper()
	n.must(func(ctx context.Context) error {
		for {
			err := f(ctx, n.Group())
			if !errors.Is(err, stream.ErrBusy) {
				return err
			}
			if err := quorum.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
	})
}
