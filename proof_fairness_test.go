package godwit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// attemptsBound is how many attempts a long transaction may take among short ones:
// the 25 until it is favoured at the latest, and as many again for a machine that
// lets it stand still for longer than it was promised.
const attemptsBound = 50

// attempting counts attempts, and gives up when there are too many.
func attempting(ctx context.Context) (context.Context, *int, func()) {
	ctx, cancel := context.WithCancel(ctx)
	n := new(int)
	return ctx, n, func() {
		if *n++; *n > attemptsBound {
			cancel()
		}
	}
}

// writersOf runs a few goroutines that move amounts between keys, which come and go
// with that, until the function that it returns is called. That one tells how often
// they did.
func writersOf(t *testing.T, db *DB, table *Table, keys int) (stop func() int64) {
	t.Helper()
	var stopped atomic.Bool
	var moved atomic.Int64
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 5))
			from, to := make([]byte, 8), make([]byte, 8)
			for !stopped.Load() {
				binary.BigEndian.PutUint64(from, uint64(rng.IntN(2*keys)))
				binary.BigEndian.PutUint64(to, uint64(rng.IntN(2*keys)))
				err := db.Update(context.Background(), func(tx *Tx) error {
					amount, err := tx.Get(table, from)
					if errors.Is(err, ErrNotFound) {
						return nil
					}
					if err == nil && tx.Insert(table, to, amount) == nil {
						err = tx.Delete(table, from)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				moved.Add(1)
			}
		})
	}
	return func() int64 {
		stopped.Store(true)
		wg.Wait()
		return moved.Load()
	}
}

func load(t *testing.T, db *DB, table *Table, keys int) {
	t.Helper()
	const batch = 1000
	for at := 0; at < keys; at += batch {
		must(t, db.Update(t.Context(), func(tx *Tx) error {
			for i := at; i < min(at+batch, keys); i++ {
				if err := tx.Put(table, binary.BigEndian.AppendUint64(nil, uint64(2*i)), []byte("v")); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

// Long transactions get through among short ones that write to what they read: one
// that scans everything, and one that replaces everything besides. The short ones go
// on meanwhile.
func TestProofLongTransactionsDoNotStarve(t *testing.T) {
	keys := 100_000
	if raceBuild {
		keys = 10_000
	}
	for _, replace := range []bool{false, true} {
		t.Run(fmt.Sprint("replacing ", replace), func(t *testing.T) {
			db := openDB(t, "", &Options{Durability: DurabilityNone, MemoryLimit: 256 << 20, Workers: 2})
			table := mustTable(t, db, "t", Ordered)
			sums := mustTable(t, db, "sums", Hashed)
			load(t, db, table, keys)
			stop := writersOf(t, db, table, keys)
			defer stop()
			for i := range 4 {
				before := db.Stats().Committed
				ctx, attempts, count := attempting(t.Context())
				err := db.Update(ctx, func(tx *Tx) error {
					count()
					n := 0
					for k := range tx.Scan(table, Range{Reverse: i%2 == 1}) {
						n++
						if replace {
							if err := tx.Put(table, k, fmt.Append(nil, i)); err != nil {
								return err
							}
						}
					}
					if n != keys && tx.Err() == nil {
						return fmt.Errorf("%d keys, there are always %d", n, keys)
					}
					return tx.Put(sums, fmt.Append(nil, i), fmt.Append(nil, n))
				})
				if err != nil {
					t.Fatalf("after %d attempts: %v", *attempts, err)
				}
				t.Logf("%d attempts, beside %d other transactions", *attempts, db.Stats().Committed-before)
			}
			if stop() == 0 {
				t.Error("nobody wrote meanwhile")
			}
		})
	}
}

// starve makes attempts of a transaction fail until it is favoured: something writes
// to the key that they have read. It returns whether this is a favoured attempt.
func starve(db *DB, tx *Tx, table *Table, key string, favours uint64) (bool, error) {
	if _, err := tx.Get(table, []byte(key)); err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if db.Stats().Favoured > favours {
		return true, nil
	}
	return false, db.Update(context.Background(), func(tx *Tx) error { return tx.Put(table, []byte(key), []byte("v")) })
}

// A favoured transaction's function may wait for other transactions, in all the ways
// that there are: it is not favoured any more then, but nothing stands still.
func TestProofFavouredTransactionsWaitForOthers(t *testing.T) {
	put := func(db *DB, table *Table, key string) error {
		return db.Update(context.Background(), func(tx *Tx) error { return tx.Put(table, []byte(key), nil) })
	}
	for name, wait := range map[string]func(db *DB, table *Table) error{
		"nested": func(db *DB, table *Table) error { return put(db, table, "other") },
		"of another goroutine": func(db *DB, table *Table) error {
			done := make(chan error)
			go func() { done <- put(db, table, "other") }()
			return <-done
		},
		"in conflict with it": func(db *DB, table *Table) error {
			if db.Stats().Favoured > 3 {
				return nil // by then
			}
			return put(db, table, "contended")
		},
		"asynchronous": func(db *DB, table *Table) error {
			p, err := db.UpdateAsync(context.Background(), func(tx *Tx) error { return tx.Put(table, []byte("other"), nil) })
			if err != nil {
				return err
			}
			return p.Wait(context.Background())
		},
		"of a session": func(db *DB, table *Table) error {
			s, err := db.NewSession()
			if err != nil {
				return err
			}
			defer s.Close()
			_, err = s.Update(func(tx *Tx) error { return tx.Put(table, []byte("other"), nil) })
			return err
		},
		"of tables": func(db *DB, _ *Table) error {
			name := fmt.Sprint("u", db.Stats().Favoured)
			_, err := db.CreateTable(context.Background(), name, Ordered)
			return errors.Join(err, db.DropTable(context.Background(), name))
		},
		"a snapshot": func(db *DB, table *Table) error {
			s, err := db.Snapshot(context.Background())
			if err != nil {
				return err
			}
			defer s.Close()
			return s.View(context.Background(), func(tx *Tx) error {
				_, err := tx.Get(table, []byte("contended"))
				return err
			})
		},
		"one that is to be favoured too": func(db *DB, table *Table) error {
			favours := db.Stats().Favoured
			return db.Update(context.Background(), func(tx *Tx) error {
				_, err := starve(db, tx, table, "contended too", favours)
				return errors.Join(err, tx.Put(table, []byte("other"), nil))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, session := range []bool{false, true} {
				db := openDB(t, t.TempDir(), small())
				table := mustTable(t, db, "t", Ordered)
				attempts := 0
				run := func(tx *Tx) error {
					attempts++
					favoured, err := starve(db, tx, table, "contended", 0)
					if err != nil || !favoured || attempts > 100 {
						return errors.Join(err, tx.Put(table, []byte("mine"), nil))
					}
					return errors.Join(wait(db, table), tx.Put(table, []byte("mine"), nil))
				}
				if session {
					s, err := db.NewSession()
					must(t, err)
					_, err = s.Update(run)
					must(t, err)
					if s.Conflicts() != uint64(attempts-1) {
						t.Errorf("%d attempts, the session counts %d conflicts", attempts, s.Conflicts())
					}
					s.Close()
				} else {
					must(t, db.Update(t.Context(), run))
				}
				if attempts > 100 {
					t.Errorf("%d attempts", attempts)
				}
			}
		})
	}
}

// A favoured function that does not return holds nobody up for long: not writers, nor
// others that starve, nor releases, checkpoints and garbage collection.
func TestProofFavouredTransactionThatBlocks(t *testing.T) {
	db := openDB(t, t.TempDir(), small())
	table := mustTable(t, db, "t", Ordered)
	blocked, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		first := true
		ended <- db.Update(context.Background(), func(tx *Tx) error {
			favoured, err := starve(db, tx, table, "contended", 0)
			if favoured && first {
				first = false
				close(blocked)
				<-goOn
			}
			return errors.Join(err, tx.Put(table, []byte("mine"), nil))
		})
	}()
	<-blocked
	for range 20 {
		must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("contended"), nil) }))
	}
	favours := db.Stats().Favoured
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		_, err := starve(db, tx, table, "contended too", favours)
		return errors.Join(err, tx.Delete(table, []byte("other")))
	}))
	must(t, db.Checkpoint(t.Context()))
	eventually(t, func() error {
		if s := db.Stats(); s.DeletedRecords > 0 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	close(goOn)
	must(t, <-ended)
}

// A favour ends with the attempt, however that ends. In virtual time, in which only
// waiting takes time.
func TestProofFavoursEndWithTheirAttempts(t *testing.T) {
	failed := errors.New("failed")
	for name, end := range map[string]func(cancel func(), tx *Tx, table *Table) error{
		"panic":   func(func(), *Tx, *Table) error { panic("at the disco") },
		"goexit":  func(func(), *Tx, *Table) error { runtime.Goexit(); return nil },
		"error":   func(func(), *Tx, *Table) error { return failed },
		"context": func(cancel func(), _ *Tx, _ *Table) error { cancel(); return failed },
		"reads":   func(func(), *Tx, *Table) error { return nil },
		"writes":  func(_ func(), tx *Tx, table *Table) error { return tx.Put(table, []byte("k"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := memDB(t)
				table := mustTable(t, db, "t", Hashed)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var favoured bool
				var wg sync.WaitGroup
				wg.Go(func() {
					defer func() { _ = recover() }()
					_ = db.Update(ctx, func(tx *Tx) error {
						var err error
						if favoured, err = starve(db, tx, table, "contended", 0); err != nil || !favoured {
							return err
						}
						return end(cancel, tx, table)
					})
				})
				wg.Wait()
				if !favoured {
					t.Fatal("it was never favoured")
				}
				start := time.Now()
				must(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("k"), nil) }))
				if d := time.Since(start); d != 0 {
					t.Errorf("another transaction waited %v", d)
				}
			})
		})
	}
}

// Readers of a session get through, too: from a snapshot.
func TestProofSessionsViewsDoNotStarve(t *testing.T) {
	db := memDB(t)
	table := mustTable(t, db, "t", Ordered)
	s, err := db.NewSession()
	must(t, err)
	defer s.Close()
	attempts := 0
	ts, err := s.View(func(tx *Tx) error {
		if attempts++; attempts > attemptsBound {
			return errors.New("it starves")
		}
		for range tx.Scan(table, Range{}) {
		}
		return db.Update(context.Background(), func(tx *Tx) error {
			return tx.Put(table, fmt.Append(nil, attempts), nil)
		})
	})
	must(t, err)
	if attempts != viewAttemptsMax+1 || s.Conflicts() != viewAttemptsMax {
		t.Errorf("%d attempts, %d conflicts", attempts, s.Conflicts())
	}
	if ts == 0 || ts > Timestamp(db.clock.Last()) {
		t.Errorf("timestamp %d", ts)
	}
}
