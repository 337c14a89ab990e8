package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

func TestProofFullDisk(t *testing.T) {
	forDurabilities(t, func(t *testing.T, d Durability) {
		f := faultfs.New(1)
		f.SetCapacity(3 << 20)
		o := onFaults(f)
		o.Durability = d
		db, err := Open(proofDir, o)
		must(t, err)
		l := startFaultLoad(t, db, 4, d == DurabilityBackground)
		for round := range 3 {
			// Writers are refused before they execute: nobody waits for room.
			l.await("refused", &l.refused)
			poll(t, func() error {
				if n := db.Stats().Waiting; n > 0 {
					return fmt.Errorf("%d wait", n)
				}
				return nil
			})
			must(t, l.readable())
			snap, err := db.Snapshot(t.Context())
			must(t, err)
			snap.Close()
			f.SetCapacity(int64(2*round+5) << 20) // and it goes on by itself
			l.await("released", &l.released)
		}
		f.SetCapacity(0)
		l.stop.Store(true)
		l.wg.Wait()
		poll(t, func() error { return db.Update(t.Context(), func(*Tx) error { return nil }) })
		for key, err := range l.outcome {
			if err != nil && !errors.Is(err, ErrDiskFull) {
				t.Fatalf("%s: %v", key, err)
			}
		}
		l.verify(mustDump(t, db))
		must(t, db.Close())
		o.fs = f.Crash(rand.New(rand.NewPCG(1, 1)))
		l.verify(mustDump(t, openDB(t, proofDir, o)))
	})
}

// A checkpoint makes room for the log.
func TestProofCheckpointEndsAFullDisk(t *testing.T) {
	f := faultfs.New(1)
	f.SetCapacity(4<<20 + 512<<10)
	// A disk that takes its time: the next segment is prepared meanwhile.
	slow := time.NewTicker(time.Millisecond / 2)
	defer slow.Stop()
	f.SetHook(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync && strings.HasSuffix(op.Name, ".seg") {
			<-slow.C // no wait for anything: the disk's own latency
		}
		return nil
	})
	db, err := Open(proofDir, onFaults(f))
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	put := func(i int) error {
		return db.Update(t.Context(), func(tx *Tx) error {
			return tx.Put(table, fmt.Append(nil, i%10), bytes.Repeat([]byte{'v'}, 9000))
		})
	}
	for range 3 {
		n := 0
		for ; ; n++ {
			if err := put(n); errors.Is(err, ErrDiskFull) {
				break
			} else if err != nil || n > 2000 {
				t.Fatal(n, err)
			}
		}
		must(t, db.Checkpoint(t.Context()))
		poll(t, func() error { return put(n) })
	}
	must(t, db.Close())
}

// fillDisk puts writes of the same few keys on a small disk until the log has
// taken many times its size, one every pace. It returns how many were refused.
func fillDisk(t *testing.T, pace time.Duration) (refused int) {
	const capacity, keys, valueBytes = 16 << 20, 100, 9000
	f := faultfs.New(1)
	f.SetCapacity(capacity)
	o := onFaults(f)
	db, err := Open(proofDir, o)
	must(t, err)
	table := mustTable(t, db, "t", Ordered)
	for n := 0; n < 8*capacity/valueBytes; {
		err := db.Update(t.Context(), func(tx *Tx) error {
			return tx.Put(table, fmt.Append(nil, n%keys), bytes.Repeat([]byte{byte('a' + n%26)}, valueBytes))
		})
		switch {
		case err == nil:
			n++
			pass(t.Context(), pace)
		case errors.Is(err, ErrDiskFull):
			refused++
			pass(t.Context(), 10*time.Millisecond)
		default:
			t.Fatal(err)
		}
	}
	want := mustDump(t, db)
	must(t, db.Close())
	o.fs = f.Crash(rand.New(rand.NewPCG(1, 1)))
	if d := want.diff(mustDump(t, openDB(t, proofDir, o))); d != "" {
		t.Error(d)
	}
	return refused
}

// Checkpoints keep the log from filling a disk that is large enough for the data.
func TestProofLogMakesRoomForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if n := fillDisk(t, 2*time.Millisecond); n > 0 {
			t.Errorf("%d writes were refused on a disk that has room", n)
		}
	})
}

// Writers that are faster than the look at the space fill the disk, and go on
// without any help.
func TestProofFullDiskHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if fillDisk(t, 0) == 0 {
			t.Error("the disk was never full")
		}
	})
}

// If segments are too small for the workers, a transaction may have to wait for room.
// A checkpoint that finds some releases it.
func TestProofCheckpointReleasesWhatHasNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := faultfs.New(1)
		o := onFaults(f)
		o.LogSegmentBytes = 32 << 10
		db, err := openBare(proofDir, *o)
		must(t, err)
		table := mustTable(t, db, "t", Ordered)
		put := func(key string, bytes int) error {
			return db.Update(ctx, func(tx *Tx) error { return tx.Put(table, []byte(key), make([]byte, bytes)) })
		}
		must(t, put("before", 1))
		synctest.Wait() // until the next segment is prepared
		f.SetHook(func(op faultfs.Op) error {
			grows := strings.HasSuffix(op.Name, ".seg") && op.Offset >= o.LogSegmentBytes
			if op.Kind == faultfs.OpWrite && (grows || strings.Contains(op.Name, "spare-")) {
				return syscall.ENOSPC
			}
			return nil
		})
		var waits sync.WaitGroup
		waits.Go(func() {
			if err := put("large", 60_000); err != nil {
				t.Errorf("the large transaction: %v", err)
			}
		})
		synctest.Wait()
		if n := db.Stats().Waiting; n != 1 {
			t.Fatalf("%d wait for room", n)
		}
		if err := put("after", 1); !errors.Is(err, ErrDiskFull) {
			t.Errorf("a write without room: %v", err)
		}
		if err := db.View(ctx, func(tx *Tx) error { _, err := tx.Get(table, []byte("before")); return err }); err != nil {
			t.Errorf("a read without room: %v", err)
		}
		must(t, db.Checkpoint(ctx))
		waits.Wait()
		left := *onFaults(nil)
		left.fs = f.Crash(rand.New(rand.NewPCG(1, 1)))
		rows := mustDump(t, openDB(t, proofDir, &left))["t"]
		if len(rows["large"]) != 60_000 || len(rows["before"]) != 1 {
			t.Errorf("after a power loss there are %d and %d bytes", len(rows["large"]), len(rows["before"]))
		}
		f.SetHook(nil)
		poll(t, func() error { return put("after", 1) })
		must(t, db.Close())
		left.fs = f.Crash(rand.New(rand.NewPCG(2, 1)))
		if rows := mustDump(t, openDB(t, proofDir, &left))["t"]; len(rows) != 3 {
			t.Errorf("%d rows at the end", len(rows))
		}
	})
}

// A checkpoint that has no room fails with the same error and leaves nothing
// behind that would take more.
func TestProofCheckpointOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faultfs.New(1)
		db, err := openBare(proofDir, *onFaults(f))
		must(t, err)
		table := mustTable(t, db, "t", Ordered)
		must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("k"), make([]byte, 2<<20)) }))
		pass(t.Context(), time.Second) // until the log rests and its next segment is prepared
		used := f.UsedBytes()
		f.SetCapacity(used + 1<<20)
		if err := db.Checkpoint(t.Context()); !errors.Is(err, ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a checkpoint without room: %v", err)
		}
		synctest.Wait() // for one that the full disk has had made at the same time
		if now := f.UsedBytes(); now != used {
			t.Errorf("%d bytes are in use, before the failure %d", now, used)
		}
		f.SetCapacity(0)
		must(t, db.Checkpoint(t.Context()))
		must(t, db.Close())
	})
}

// A checkpoint has nothing that the log could still lose, as long as the log has
// room: it is not published before that is durable.
func TestProofCheckpointHoldsWhatIsDurable(t *testing.T) {
	forDurabilities(t, func(t *testing.T, d Durability) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			f := faultfs.New(1)
			o := onFaults(f)
			o.Durability = d
			db, err := Open(proofDir, o)
			must(t, err)
			table := mustTable(t, db, "t", Hashed)
			must(t, db.log.Sync(ctx))
			published := 0
			f.SetHook(func(op faultfs.Op) error {
				switch {
				case op.Kind == faultfs.OpSync && strings.HasSuffix(op.Name, ".seg"):
					pass(ctx, 3*time.Millisecond)
				case op.Kind == faultfs.OpRename && filepath.Base(op.To) == checkpoint.ManifestFile:
					published++
					at := db.log.Durable()
					text, err := f.ReadFile(op.Name)
					must(t, err)
					copied := faultfs.New(1)
					must(t, copied.WriteFile(filepath.Join("x", checkpoint.ManifestFile), text))
					m, ok, err := checkpoint.Latest(copied, "x")
					if err != nil || !ok || m.Timestamp > at {
						t.Errorf("a checkpoint at %d is published when the log is durable up to %d (%v, %v)", m.Timestamp, at, ok, err)
					}
				}
				return nil
			})
			for n := range 20 {
				_, err := db.UpdateAsync(ctx, func(tx *Tx) error { return tx.Put(table, fmt.Append(nil, n), nil) })
				must(t, err)
				must(t, db.Checkpoint(ctx))
			}
			if published != 20 {
				t.Errorf("%d checkpoints were published", published)
			}
			stop()
			must(t, db.Close())
		})
	})
}

// A transaction that the log has no room for is refused before anybody sees it, however
// large it is, and is in nobody's way; one that the disk has room for may be larger than
// a segment.
func TestProofLargeTransactionsOnAFullDisk(t *testing.T) {
	forDurabilities(t, func(t *testing.T, d Durability) {
		f := faultfs.New(1)
		f.SetCapacity(24 << 20)
		o := onFaults(f)
		o.Durability, o.CheckpointBytes = d, -1
		o.MemoryLimit = 128 << 20
		db, err := Open(proofDir, o)
		must(t, err)
		table := mustTable(t, db, "t", Ordered)
		want, refused := map[string]string{}, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for g := range 3 {
			wg.Go(func() {
				for i, kib := range []int{1, 900, 6000, 70, 3000, 12000, 1023, 1, 8000, 1, 1} {
					key, value := fmt.Sprintf("%d/%d", g, i), strings.Repeat(string(rune('a'+i)), kib<<10)
					err := db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte(key), []byte(value)) })
					mu.Lock()
					switch {
					case err == nil:
						want[key] = value
					case errors.Is(err, ErrDiskFull) && !errors.Is(err, ErrOutcomeUnknown):
						refused++
					default:
						t.Errorf("%s, %d KiB: %v", key, kib, err)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if refused < 3 || len(want) < 5 {
			t.Errorf("%d were refused, %d were not", refused, len(want))
		}
		verify := func(db *DB) {
			t.Helper()
			if diff := (content{"t": want}).diff(mustDump(t, db)); diff != "" {
				t.Fatal(diff)
			}
		}
		verify(db)
		must(t, db.log.Sync(t.Context())) // all that is visible has room
		o.fs = f.Crash(rand.New(rand.NewPCG(1, 1)))
		verify(openDB(t, proofDir, o))
		must(t, db.Close())
	})
}

// A drop that is refused leaves the table as it was.
func TestProofRefusedDropKeepsTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, db, put := roomy(t, 20)
		f.SetCapacity(1)
		for n := 0; ; n++ {
			if err := put(n); err != nil {
				if !errors.Is(err, ErrDiskFull) {
					t.Fatal(err)
				}
				break
			}
		}
		if err := db.DropTable(t.Context(), "t"); !errors.Is(err, ErrDiskFull) {
			t.Fatalf("dropped on a full disk: %v", err)
		}
		f.SetCapacity(0)
		table, err := db.Table("t")
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for err = ErrDiskFull; errors.Is(err, ErrDiskFull); {
			pass(ctx, time.Second)
			attempts := 0
			err = db.Update(ctx, func(tx *Tx) error {
				if attempts++; attempts > 100 {
					cancel() // it would be run again for ever
				}
				return tx.Put(table, nil, nil)
			})
		}
		must(t, err)
		must(t, db.DropTable(t.Context(), "t"))
		must(t, db.Close())
	})
}
