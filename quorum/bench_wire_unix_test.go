//go:build unix

package quorum

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// bulk is a message that is nearly all payload.
type bulk struct{ Data []byte }

func (m *bulk) Fields(c *Coder) { c.Blob(&m.Data) }

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBroadcast sends payloads to two peers on loopback and waits for their
// replies, with four under way, as a leader does with its rounds. All three are in
// this process, so the processor's time is that of both ends.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { broadcast(b, size) })
	}
}

func broadcast(b *testing.B, size int) {
	peers := []NodeID{2, 3}
	addrs := map[NodeID]string{1: ""}
	m := NewMethod[bulk, bulk](1, "bulk")
	ctx := context.Background()
	var received int
	for _, id := range peers {
		r, stop := Start(id)
		defer stop()
		var e *Endpoint
		err := r.Run(ctx, "serve", func(context.Context) error {
			tcp, err := ListenTCP(r, map[NodeID]string{id: "127.0.0.1:0"})
			if err != nil {
				return err
			}
			addrs[id] = tcp.Addr()
			e = NewEndpoint(r, tcp, Options{}, nil)
			m.Handle(e, func(_ context.Context, _ NodeID, m *bulk) (*bulk, error) {
				if len(m.Data) != size {
					return nil, errBad
				}
				return &bulk{}, nil
			})
			e.Listen()
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = r.Run(ctx, "close", func(context.Context) error { e.Close(); return nil }) }()
	}
	r, stop := Start(1)
	defer stop()
	err := r.Run(ctx, "lead", func(ctx context.Context) error {
		tcp, err := ListenTCP(r, addrs)
		if err != nil {
			return err
		}
		e := NewEndpoint(r, tcp, Options{}, nil)
		defer e.Close()
		req := &bulk{Data: make([]byte, size)}
		b.ReportAllocs()
		b.SetBytes(int64(size * len(peers)))
		b.ResetTimer()
		began := processorTime()
		const window = 4
		var under []*Votes[*bulk]
		for i := range b.N + window {
			if i >= window && len(under) > 0 {
				votes := under[0]
				under = under[1:]
				if err := votes.Need(len(peers), nil).Wait(ctx); err != nil {
					return fmt.Errorf("%w: %w", err, votes.Errors())
				}
				received += len(peers)
			}
			if i < b.N {
				under = append(under, m.Broadcast(ctx, e, peers, func(NodeID) *bulk { return req }))
			}
		}
		used := processorTime() - began
		b.ReportMetric(float64(size*received)/1e6/used.Seconds(), "MB/cpu-s")
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
