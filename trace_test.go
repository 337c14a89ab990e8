package godwit

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// testTracer notes what it is told.
type testTracer struct {
	mu    sync.Mutex
	lives []*testLife
}

type testLife struct {
	tracer   *testTracer
	at       Timestamp
	attempts int
	told     []string
}

func (tr *testTracer) Follow(context.Context) Life {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	l := &testLife{tracer: tr}
	tr.lives = append(tr.lives, l)
	return l
}

func (l *testLife) note(what string) {
	l.tracer.mu.Lock()
	defer l.tracer.mu.Unlock()
	l.told = append(l.told, what)
}

func (l *testLife) Executed(at Timestamp, attempts int) {
	l.at, l.attempts = at, attempts
	l.note("executed")
}
func (l *testLife) Durable()       { l.note("durable") }
func (l *testLife) Released(error) { l.note("released") }

// last returns what the newest life was told.
func (tr *testTracer) last() (told []string, at Timestamp, attempts int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	l := tr.lives[len(tr.lives)-1]
	return slices.Clone(l.told), l.at, l.attempts
}

// TestTracer: who follows transactions hears of their lives in order, on a replica as in an embedded database.
func TestTracer(t *testing.T) {
	tracer := &testTracer{}
	t.Run("embedded", func(t *testing.T) {
		db, err := Open(t.TempDir(), &Options{MemoryLimit: 64 << 20, Tracer: tracer})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		table, err := db.CreateTable(t.Context(), "t", Ordered)
		if err != nil {
			t.Fatal(err)
		}
		must(t, tracer.follows(t, db, table))
		// One that is overtaken says how often it was run.
		first := true
		err = db.Update(t.Context(), func(tx *Tx) error {
			if _, err := tx.Get(table, []byte("k")); err != nil {
				return err
			}
			if first {
				first = false
				if err := db.Update(t.Context(), func(tx *Tx) error { return tx.Put(table, []byte("k"), []byte("other")) }); err != nil {
					t.Error(err)
				}
			}
			return tx.Put(table, []byte("k"), []byte("v"))
		})
		if err != nil {
			t.Fatal(err)
		}
		tracer.mu.Lock()
		defer tracer.mu.Unlock()
		if got := tracer.lives[len(tracer.lives)-2].attempts; got != 2 {
			t.Errorf("one that was overtaken was run %d times", got)
		}
	})
	t.Run("replica", func(t *testing.T) {
		c := newTestCluster(t, 3, func(o *Options) { o.Tracer = tracer })
		c.createTable("t")
		c.onLeader(func(db *DB) error {
			table, err := db.Table("t")
			if err != nil {
				return err
			}
			return tracer.follows(t, db, table)
		})
	})
}

// follows demands the lives of transactions. The error is the database's.
func (tr *testTracer) follows(t *testing.T, db *DB, table *Table) error {
	t.Helper()
	put := func(tx *Tx) error { return tx.Put(table, []byte("k"), []byte("v")) }
	for range 50 {
		if err := db.Update(t.Context(), put); err != nil {
			return err
		}
		if told, _, attempts := tr.last(); !slices.Equal(told, []string{"executed", "durable", "released"}) || attempts != 1 {
			t.Fatalf("an update is told %q, after %d attempts", told, attempts)
		}
		p, err := db.UpdateAsync(t.Context(), put)
		if err != nil {
			return err
		}
		if err := p.Wait(t.Context()); err != nil {
			return err
		}
		<-p.Done()
		if told, at, _ := tr.last(); !slices.Equal(told, []string{"executed", "durable", "released"}) || at != p.Timestamp() {
			t.Fatalf("an asynchronous update at %d is told %q at %d", p.Timestamp(), told, at)
		}
	}
	err := db.Update(t.Context(), func(tx *Tx) error { _, err := tx.Get(table, []byte("k")); return err })
	if err != nil {
		return err
	}
	if told, _, _ := tr.last(); !slices.Equal(told, []string{"executed", "released"}) {
		t.Errorf("what only reads is told %q", told)
	}
	return nil
}
