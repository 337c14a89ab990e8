package benchcluster

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/procedure"
)

func smallYCSB() Workload {
	c := ycsb.For(ycsb.PlusPlus)
	c.Records = 1000
	return Workload{YCSB: &c}
}

// TestClientsAreTold has clients run transactions on a replica, and hear of those that it
// refuses.
func TestClientsAreTold(t *testing.T) {
	var listening net.ListenConfig
	l, err := listening.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Setup{ID: 1, Addrs: map[env.NodeID]string{1: l.Addr().String()}, Cluster: 1, Dir: t.TempDir(), Threads: 1, MemoryMiB: 256,
		Workload: smallYCSB(), Durability: durableInMemory, ElectionTimeout: 500 * time.Millisecond}
	r, err := startReplica(t.Context(), s, l, t.Logf, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	e, _, err := r.awaitLead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := newClients(io.Discard)
	defer c.close()
	if err := c.start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	call := func(name string, request []byte) error {
		return c.rt.Run(t.Context(), "call", func(ctx context.Context) error {
			_, err := c.client.NewSession(ctx).Update(ctx, name, request)
			return err
		})
	}
	var rejected *procedure.RejectedError
	good := []byte{1, 2, 3, 4, 0}
	if err := call("ycsb++/read-modify-write", good); !errors.As(err, &rejected) {
		t.Errorf("without data: %v", err)
	}
	w, err := s.Workload.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Load(t.Context(), e, 1); err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string][]byte{"ycsb++/read": good, "ycsb++/read-modify-write": good[:4], "ycsb++/scan": good} {
		if err := call(name, request); !errors.As(err, &rejected) {
			t.Errorf("%s %x: %v", name, request, err)
		}
	}
	if err := call("ycsb++/read-modify-write", good); err != nil {
		t.Error(err)
	}
	result, err := c.drive(t.Context(), t.Context(), &RunOrder{Duration: 100 * time.Millisecond, Sessions: 8, Remote: true})
	if err != nil || result.Released == 0 || result.Released != result.Executed || result.Engine == "" {
		t.Fatalf("%+v, %v", result, err)
	}
	counts := c.workload.Counts()
	counts["writes"] += 4 // of the call above
	w.Expect(counts)
	if err := w.Check(t.Context(), e, 1); err != nil {
		t.Error(err)
	}
}

// TestCheckComparesWithWhatClientsWereTold holds that a member notices if they were told of
// more or less than there is.
func TestCheckComparesWithWhatClientsWereTold(t *testing.T) {
	e, err := benchshard.NewAlone(64<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{setup: &Setup{Workload: smallYCSB(), Threads: 1}, host: loner{e}}
	defer func() {
		if err := m.host.Close(); err != nil {
			t.Error(err)
		}
	}()
	w, err := m.setup.Workload.New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bench.Measure(t.Context(), e, w, bench.Config{Sessions: 1, Duration: 10 * time.Millisecond}, nil); err != nil {
		t.Fatal(err)
	}
	for more, wrong := range map[uint64]bool{0: false, 1: true, ^uint64(0): true} {
		counts := maps.Clone(w.Counts())
		counts["writes"] += more
		r, err := m.check(t.Context(), &CheckOrder{Counts: counts})
		if err != nil || (r.Wrong != "") != wrong {
			t.Errorf("%d more: %v, %+v", int64(more), err, r)
		}
	}
}
