package clients

import (
	"bufio"
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probe writes one key again and again until ctx is done, and keeps when writes
// were acknowledged.
type probe struct {
	sync.Mutex
	acked []time.Time
}

func (p *probe) run(ctx context.Context, s *server) {
	for pause(ctx, time.Millisecond) {
		p.connection(ctx, s)
	}
}

// connection writes over one connection until it breaks. It uses no library:
// what they wait before they connect again is not the server's.
func (p *probe) connection(ctx context.Context, s *server) {
	conn, err := s.dial(ctx)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for pause(ctx, time.Millisecond) {
		_ = conn.SetDeadline(time.Now().Add(probeTimeout))
		if _, err := io.WriteString(conn, "*3\r\n$3\r\nSET\r\n$5\r\nprobe\r\n$1\r\nx\r\n"); err != nil {
			return
		}
		if reply, err := in.ReadString('\n'); err != nil || reply != "+OK\r\n" {
			return
		}
		p.Lock()
		p.acked = append(p.acked, time.Now())
		p.Unlock()
	}
}

// gap returns the longest time without an acknowledged write from one moment to
// another.
func (p *probe) gap(from, to time.Time) time.Duration {
	p.Lock()
	defer p.Unlock()
	var longest time.Duration
	last := from
	for _, at := range p.acked {
		if at.After(from) && at.Before(to) {
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return max(longest, to.Sub(last))
}

// under runs the load while the leader is killed again and again, and reports how
// long clients waited for each kill. The load has to end when ctx is done.
func (s *server) under(t *testing.T, load func(ctx context.Context)) {
	t.Helper()
	duration, every := *forFlag, *everyFlag
	if testing.Short() {
		duration, every = 8*time.Second, 3*time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	probes := make([]probe, len(s.nodes))
	var all sync.WaitGroup
	for i := range probes { // each begins with another node
		all.Go(func() { probes[i].run(ctx, &server{nodes: slices.Concat(s.nodes[i:], s.nodes[:i])}) })
	}
	all.Go(func() { load(ctx) })
	var kills []time.Time
	ends := time.Now().Add(duration)
	for next := time.Now().Add(every); s.canFail() && ends.Sub(next) >= every && pause(ctx, time.Until(next)); next = next.Add(every) {
		kills = append(kills, time.Now())
		t.Logf("killing at %s", time.Now().Format(time.StampMilli))
		s.fault(t)
	}
	<-ctx.Done()
	all.Wait()
	acked := 0
	var gaps []time.Duration
	for i := range probes {
		acked += len(probes[i].acked)
		for _, at := range kills {
			to := at.Add(every)
			if to.After(ends) {
				to = ends
			}
			gaps = append(gaps, probes[i].gap(at, to))
		}
	}
	if len(gaps) == 0 {
		return
	}
	slices.Sort(gaps)
	percentile := func(p int) time.Duration { return gaps[(len(gaps)-1)*p/100].Round(time.Millisecond) }
	t.Logf("%d kills, seen by %d clients each: unavailable p50 %v p90 %v p99 %v max %v; %d of their writes acknowledged",
		len(kills), len(probes), percentile(50), percentile(90), percentile(99), percentile(100), acked)
	if limit := *limitFlag; limit > 0 && percentile(99) > limit {
		t.Errorf("unavailable for %v, more than %v", percentile(99), limit)
	}
}

// counts are what clients of a load know of their operations.
type counts struct{ acked, unknown atomic.Int64 }
