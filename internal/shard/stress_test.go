package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/quorum"
)

// TestStress: goroutines count up on whichever replica leads, while leaders are deposed,
// checkpoints are made, snapshots are read everywhere, and a replica loses its disk and
// joins again. Each counter is in the end what it was told to be certain to be.
func TestStress(t *testing.T) {
	lasts := 3 * time.Second
	if testing.Short() {
		lasts = 500 * time.Millisecond
	}
	c := newCluster(t, 3)
	c.options.PendingBytesMax = 256 << 10
	s := &stress{c: c, t: t, over: make(chan struct{})}
	for i := range s.nodes {
		s.nodes[i].Store(c.start(quorum.NodeID(i + 1)))
	}
	leader(t, s.all()...)
	for i := range 4 {
		s.tasks.Go(func() { s.count(uint64(i)) })
	}
	s.tasks.Go(s.read)
	s.tasks.Go(s.checkpoint)
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		before := s.certain.Load()
		s.depose()
		for deadline := time.Now().Add(20 * time.Second); s.certain.Load() < before+100; {
			if time.Now().After(deadline) {
				t.Fatalf("no progress: %+v", s.statuses())
			}
			leader(t, s.all()...)
		}
	}
	close(s.over)
	s.tasks.Wait()
	s.check()
}

const countersEach = 4 // of a goroutine

type stress struct {
	t       *testing.T
	c       *cluster
	nodes   [3]atomic.Pointer[node]
	over    chan struct{}
	tasks   sync.WaitGroup
	certain atomic.Uint64
	counts  [4][countersEach]uint64 // of what is certain
	maybe   [4][countersEach]uint64 // of what nobody knows
}

func (s *stress) all() (nodes []*node) {
	for i := range s.nodes {
		nodes = append(nodes, s.nodes[i].Load())
	}
	return nodes
}

func (s *stress) statuses() (text string) {
	for _, n := range s.all() {
		_ = n.on(func(context.Context) error {
			text += fmt.Sprintf("n%d: %+v, released %d, next %d, moving %v\n", n.rt.Node(), n.Group().Status(), n.Released(), n.applier.next, n.moving)
			return nil
		})
	}
	return text
}

func (s *stress) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// count counts in counters of its own, all of which a transaction reads and one of which it
// changes, and in one that is everybody's.
func (s *stress) count(me uint64) {
	key := func(i int) []byte { return binary.BigEndian.AppendUint64([]byte("own"), me*countersEach+uint64(i)) }
	for n := 0; !s.isOver(); n++ {
		at := s.nodes[n%len(s.nodes)].Load()
		l, err := at.Leading()
		if err != nil {
			continue
		}
		for ; !s.isOver(); n++ {
			i := n % countersEach
			table := testTable(s.t, at)
			var sum [countersEach]uint64
			x, err := at.Execute(context.Background(), func(tx *occ.Tx) error {
				for j := range sum {
					v, err := tx.Get(table, key(j))
					if err != nil && !errors.Is(err, occ.ErrNotFound) {
						return err
					}
					sum[j] = number(v)
				}
				shared, err := tx.Get(table, []byte("all"))
				if err != nil && !errors.Is(err, occ.ErrNotFound) {
					return err
				}
				if err := tx.Put(table, []byte("all"), binary.BigEndian.AppendUint64(nil, number(shared)+1)); err != nil {
					return err
				}
				return tx.Put(table, key(i), binary.BigEndian.AppendUint64(nil, sum[i]+1))
			})
			if errors.Is(err, ErrNotLeader) {
				break
			}
			if err == nil {
				err = x.Wait(context.Background())
			}
			switch {
			case err == nil:
				s.counts[me][i]++
				s.certain.Add(1)
				// What it has read was certain, too.
				for j := range sum {
					now := sum[j]
					if j == i {
						now++
					}
					if now < s.counts[me][j] || now > s.counts[me][j]+s.maybe[me][j] {
						s.t.Errorf("counter %d of %d is %d, %d are certain and %d unknown", j, me, now, s.counts[me][j], s.maybe[me][j])
						return
					}
				}
			case errors.Is(err, ErrDropped):
			case errors.Is(err, ErrStopped), errors.Is(err, occ.ErrClosed):
				s.maybe[me][i]++
			default:
				s.t.Errorf("count: %v", err)
				return
			}
			if now, err := at.Leading(); err != nil || now != l {
				break
			}
		}
	}
}

func number(v []byte) uint64 {
	if len(v) == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// read reads from snapshots: the shared counter is never above or below the others' sum.
func (s *stress) read() {
	for n := 0; !s.isOver(); n++ {
		at := s.nodes[n%len(s.nodes)].Load()
		_, _, err := sums(at)
		if err != nil && !errors.Is(err, quorum.ErrClosed) && !errors.Is(err, occ.ErrRolledBack) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			s.t.Errorf("read: %v", err)
			return
		}
	}
}

// sums reads the counters from a snapshot.
func sums(at *node) (each []uint64, all uint64, err error) {
	err = at.on(func(ctx context.Context) error {
		snap, err := at.Snapshot(ctx, 0)
		if err != nil {
			return err
		}
		defer snap.Close()
		if err := quorum.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		tx, err := snap.Begin(ctx)
		if err != nil {
			return err
		}
		defer tx.End()
		table, err := at.Engine().AddTable(occ.MakeTableID(1, true))
		if err != nil {
			return err
		}
		sum := uint64(0)
		for i := range 4 * countersEach {
			v, err := tx.Get(table, binary.BigEndian.AppendUint64([]byte("own"), uint64(i)))
			if err != nil && !errors.Is(err, occ.ErrNotFound) {
				return err
			}
			each = append(each, number(v))
			sum += number(v)
		}
		v, err := tx.Get(table, []byte("all"))
		if err != nil && !errors.Is(err, occ.ErrNotFound) {
			return err
		}
		if all = number(v); all != sum {
			return fmt.Errorf("the counters are %v, their sum is said to be %d", each, all)
		}
		return nil
	})
	return each, all, err
}

func (s *stress) checkpoint() {
	for n := 0; !s.isOver(); n++ {
		at := s.nodes[n%len(s.nodes)].Load()
		_ = at.on(func(ctx context.Context) error {
			ctx, cancel := quorum.WithTimeout(ctx, time.Second)
			defer cancel()
			return at.Checkpoint(ctx)
		})
	}
}

// depose has another replica lead.
func (s *stress) depose() {
	l := leader(s.t, s.all()...)
	to := l.rt.Node()%3 + 1
	_ = l.on(func(ctx context.Context) error { return l.Group().Transfer(ctx, to) })
}

// caughtUp waits until a replica has everything up to ts. One that was left so far behind
// that it has fetched a checkpoint is opened again.
func (s *stress) caughtUp(i int, ts hlc.Timestamp) *node {
	for end := time.Now().Add(30 * time.Second); ; {
		n := s.nodes[i].Load()
		select {
		case err := <-n.ended:
			if !errors.Is(err, ErrRestart) {
				s.t.Fatalf("n%d has ended: %v", n.rt.Node(), err)
			}
			n.stop()
			s.nodes[i].Store(s.c.start(quorum.NodeID(i + 1)))
			continue
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := n.rt.Run(ctx, "catch up", func(ctx context.Context) error { return n.Applied(ctx, ts) })
		cancel()
		if err == nil {
			return n
		}
		if time.Now().After(end) {
			s.t.Fatalf("n%d does not get to %d: %v\n%s", n.rt.Node(), ts, err, s.statuses())
		}
	}
}

// check compares all replicas with what was told.
func (s *stress) check() {
	l := leader(s.t, s.all()...)
	x := l.mustPut("last", nil)
	for i := range s.nodes {
		n := s.caughtUp(i, x.TS)
		each, _, err := sums(n)
		if err != nil {
			s.t.Fatalf("n%d: %v\n%s", n.rt.Node(), err, s.statuses())
		}
		for i, got := range each {
			least := s.counts[i/countersEach][i%countersEach]
			if got < least || got > least+s.maybe[i/countersEach][i%countersEach] {
				s.t.Errorf("n%d: counter %d is %d, %d are certain", n.rt.Node(), i, got, least)
			}
		}
	}
	s.t.Logf("%d transactions", s.certain.Load())
}
