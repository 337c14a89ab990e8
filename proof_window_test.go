package godwit

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/wal"
)

// The tests in this file run in a time of their own, so that they measure what the
// database waits for, whatever the machine does meanwhile.

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// slowSyncs makes every sync of a segment take as long as took says.
func slowSyncs(ctx context.Context, f *faultfs.FS, took func() time.Duration) {
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync && strings.HasSuffix(op.Name, ".seg") {
			pass(ctx, took())
		}
		return nil
	})
}

// windowLoad has clients count in keys of their own, and knows when each number
// was released.
type windowLoad struct {
	t       *testing.T
	fs      *faultfs.FS
	db      *DB
	table   *Table
	opts    *Options
	start   time.Time
	clients [4]windowClient
	rng     *rand.Rand
}

type windowClient struct {
	mu       sync.Mutex
	released []time.Duration // since the start; number n is the nth
}

func newWindowLoad(t *testing.T, interval time.Duration) *windowLoad {
	l := &windowLoad{t: t, fs: faultfs.New(1), start: time.Now(), rng: rand.New(rand.NewPCG(1, 8))}
	l.opts = onFaults(l.fs)
	l.opts.Durability, l.opts.SyncInterval = DurabilityBackground, interval
	db, err := Open(proofDir, l.opts)
	must(t, err)
	l.db, l.table = db, mustTable(t, db, "t", Hashed)
	must(t, db.log.Sync(t.Context()))
	return l
}

// work runs client c until ctx ends.
func (l *windowLoad) work(ctx context.Context, c int) {
	client := &l.clients[c]
	for n := uint64(1); ; n++ {
		err := l.db.Update(ctx, func(tx *Tx) error {
			return tx.Put(l.table, []byte{byte(c)}, binary.BigEndian.AppendUint64(nil, n))
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.t.Error(err)
			return
		}
		client.mu.Lock()
		client.released = append(client.released, time.Since(l.start))
		client.mu.Unlock()
		pass(ctx, time.Duration(200+37*c)*time.Microsecond)
	}
}

// loss is what a power loss took: when the first transaction that it took was
// released, and when the last one.
type loss struct {
	first, last time.Duration
	any         bool
}

// crash takes the power away from a copy of the disk, and returns what is gone.
func (l *windowLoad) crash() (lost loss) {
	l.t.Helper()
	var released [len(l.clients)][]time.Duration
	for c := range l.clients {
		l.clients[c].mu.Lock()
		released[c] = l.clients[c].released
		l.clients[c].mu.Unlock()
	}
	o := *l.opts
	o.fs = l.fs.Crash(l.rng)
	db, err := Open(proofDir, &o)
	must(l.t, err)
	rows := mustDump(l.t, db)["t"]
	must(l.t, db.Close())
	for c, times := range released {
		n := 0
		if v := rows[string([]byte{byte(c)})]; v != "" {
			n = int(binary.BigEndian.Uint64([]byte(v)))
		}
		if n >= len(times) {
			continue
		}
		if !lost.any || times[n] < lost.first {
			lost.first = times[n]
		}
		lost.last, lost.any = max(lost.last, times[len(times)-1]), true
	}
	return lost
}

// With a disk that answers, a power loss takes what was released in the last
// SyncInterval and the time of one sync; two, if a sync takes longer than that.
func TestProofLossWindow(t *testing.T) {
	for _, c := range []struct{ interval, sync time.Duration }{
		{10 * time.Millisecond, 2 * time.Millisecond},
		{100 * time.Millisecond, 10 * time.Millisecond},
		{time.Millisecond, 20 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(c.interval, " ", c.sync), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				l := newWindowLoad(t, c.interval)
				slowSyncs(ctx, l.fs, func() time.Duration { return c.sync })
				var clients sync.WaitGroup
				for id := range l.clients {
					clients.Go(func() { l.work(ctx, id) })
				}
				most := time.Duration(0)
				for range 120 / stride(4) {
					pass(ctx, 7*time.Millisecond+777*time.Microsecond)
					if lost := l.crash(); lost.any {
						most = max(most, time.Since(l.start)-lost.first)
					}
				}
				stop()
				clients.Wait()
				must(t, l.db.Close())
				window := max(c.interval, c.sync) + c.sync
				if t.Logf("lost up to %v of %v", most, window); most > window || most < window/2 {
					t.Errorf("the loss window is %v, stated is %v", most, window)
				}
			})
		})
	}
}

// A disk that stalls does not open the window without end: writers wait, and go
// on when it is well again.
func TestProofLossWindowOfAStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 20 * time.Millisecond
		stall := 5 * time.Minute
		if testing.Short() {
			stall = 20 * time.Second
		}
		ctx, stop := context.WithCancel(t.Context())
		l := newWindowLoad(t, interval)
		from := time.Since(l.start) + 200*time.Millisecond
		slowSyncs(ctx, l.fs, func() time.Duration {
			now := time.Since(l.start)
			if now >= from && now < from+stall {
				return from + stall - now
			}
			return time.Millisecond
		})
		var clients sync.WaitGroup
		for id := range l.clients {
			clients.Go(func() { l.work(ctx, id) })
		}
		most := time.Duration(0)
		for time.Since(l.start) < from+stall {
			if lost := l.crash(); lost.any {
				most = max(most, lost.last-lost.first)
			}
			pass(ctx, 10*time.Millisecond+time.Since(l.start)/10)
		}
		window := interval + wal.StallMax
		if t.Logf("lost up to %v of %v", most, window); most > window || most < window/2 {
			t.Errorf("the loss window is %v, stated is %v", most, window)
		}
		if err := l.db.View(t.Context(), func(tx *Tx) error { _, err := tx.Get(l.table, []byte{0}); return err }); err != nil {
			t.Error("a read while writers wait:", err)
		}
		went := func() (n int) {
			for c := range l.clients {
				l.clients[c].mu.Lock()
				n += len(l.clients[c].released)
				l.clients[c].mu.Unlock()
			}
			return n
		}
		before := went()
		pass(ctx, time.Second)
		if n := went() - before; n < 1000 {
			t.Errorf("%d transactions in the second after the disk was well again", n)
		}
		stop()
		clients.Wait()
		must(t, l.db.Close())
	})
}
