package shard

import (
	"context"
	"sync"
	"testing"
)

// TestLongCommitPhaseKeepsTheLead: while a worker is in its commit phase for long, with a transaction of very many
// writes, the leader's loop waits neither for a round nor for a snapshot: a majority hears that it is there.
func TestLongCommitPhaseKeepsTheLead(t *testing.T) {
	c := newCluster(t, 3)
	l := leader(t, c.start(1), c.start(2), c.start(3))
	before := l.mustPut("before", nil)
	long := l.Engine().NewReplayer(0) // it occupies the worker's commit phase
	end := sync.OnceFunc(long.Close)
	t.Cleanup(end)
	meanwhile, err := l.put("meanwhile", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.must(l.Read)
	opened := make(chan error, 1)
	go func() {
		opened <- l.rt.Run(t.Context(), "snapshot", func(ctx context.Context) error {
			s, err := l.Snapshot(ctx, 0)
			if err == nil {
				s.Close()
			}
			return err
		})
	}()
	// Each asks a majority: the loop has come to the snapshot by then.
	for range 3 {
		l.must(l.Read)
	}
	end()
	if err := meanwhile.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if now, err := l.Leading(); now != before.Lead() {
		t.Errorf("the lead changed: %v", err)
	}
}
