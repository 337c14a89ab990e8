//go:build !race && !invariants

package benchcluster

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/internal/env"
)

// TestSessionsDoNotAllocate holds the leader's side of a transaction to no allocation.
// Rounds allocate, but there are many transactions in each.
func TestSessionsDoNotAllocate(t *testing.T) {
	const transactions = 4000
	config := ycsb.For(ycsb.PlusPlus)
	config.Records = 1000
	var listening net.ListenConfig
	l, err := listening.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Setup{ID: 1, Addrs: map[env.NodeID]string{1: l.Addr().String()}, Cluster: 1, Dir: t.TempDir(), Threads: 1, MemoryMiB: 256, Workload: Workload{YCSB: &config},
		Durability: durableInMemory, ElectionTimeout: 500 * time.Millisecond}
	r, err := startReplica(t.Context(), s, l, func(string, ...any) {}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	per, err := allocations(t.Context(), r, Workload{YCSB: &config}, transactions)
	if err != nil {
		t.Fatal(err)
	}
	if per > 0.5 {
		t.Errorf("%v allocations per transaction", per)
	}
}

func allocations(ctx context.Context, r *replica, spec Workload, transactions int) (float64, error) {
	e, _, err := r.awaitLead(ctx)
	if err != nil {
		return 0, err
	}
	w, err := spec.New()
	if err != nil {
		return 0, err
	}
	if err := w.Load(ctx, e, 1); err != nil {
		return 0, err
	}
	s, err := e.NewSession(0)
	if err != nil {
		return 0, err
	}
	worker, err := w.NewWorker(s, 0, 1, 1)
	if err != nil {
		return 0, err
	}
	run := func() {
		for range transactions {
			if _, _, rerr := worker.Run(); rerr != nil && !errors.Is(rerr, bench.ErrRollback) {
				err = errors.Join(err, rerr)
			}
		}
	}
	run() // buffers grow to their size
	per := testing.AllocsPerRun(1, run) / float64(transactions)
	return per, errors.Join(err, s.Close())
}
