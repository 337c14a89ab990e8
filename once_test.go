package godwit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/godwitdb/godwit/internal/once"
)

// addOnce adds one to a counter, and answers what it is then.
func addOnce(ctx context.Context, db *DB, q Request) (uint64, error) {
	t, err := db.Table("counters")
	if err != nil {
		return 0, err
	}
	answer, err := db.UpdateOnce(ctx, q, func(tx *Tx) ([]byte, error) {
		var n uint64
		switch v, err := tx.Get(t, []byte("n")); {
		case err == nil:
			n = binary.BigEndian.Uint64(v)
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
		if err := tx.Put(t, []byte("n"), binary.BigEndian.AppendUint64(nil, n+1)); err != nil {
			return nil, err
		}
		return tx.Get(t, []byte("n")) // good until the function returns
	})
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(answer), nil
}

// TestUpdateOnce: a request is carried out once, also after the database was closed, was made anew from a
// backup, or has become a replica.
func TestUpdateOnce(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	db, err := Open(dir, small())
	must(t, err)
	mustTable(t, db, "counters", Ordered)
	want := func(db *DB, q Request, n uint64) {
		t.Helper()
		if got, err := addOnce(ctx, db, q); err != nil || got != n {
			t.Errorf("%+v: %d, want %d: %v", q, got, n, err)
		}
	}
	want(db, Request{7, 1}, 1)
	want(db, Request{7, 1}, 1)
	want(db, Request{8, 1}, 2)
	want(db, Request{7, 5}, 3)
	wrong := errors.New("wrong")
	for says, f := range map[error]func() ([]byte, error){
		ErrSuperseded: func() ([]byte, error) { _, err := addOnce(ctx, db, Request{7, 1}); return nil, err },
		wrong: func() ([]byte, error) {
			return db.UpdateOnce(ctx, Request{7, 6}, func(*Tx) ([]byte, error) { return []byte("x"), wrong })
		},
		ErrTooLarge: func() ([]byte, error) {
			return db.UpdateOnce(ctx, Request{7, 6}, func(*Tx) ([]byte, error) { return make([]byte, AnswerBytesMax+1), nil })
		},
	} {
		if answer, err := f(); !errors.Is(err, says) || answer != nil {
			t.Errorf("%v, %v, want %v", answer, err, says)
		}
	}
	if _, err := db.UpdateOnce(ctx, Request{Number: 1}, func(*Tx) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("a request of nobody")
	}
	want(db, Request{7, 6}, 4)
	must(t, db.Checkpoint(ctx))
	want(db, Request{7, 7}, 5) // in the log only
	must(t, db.Close())

	db = openDB(t, dir, small())
	want(db, Request{7, 7}, 5)
	want(db, Request{8, 1}, 2)
	if all := db.Tables(); len(all) != 1 {
		t.Errorf("the tables are %v", all)
	}
	var backup bytes.Buffer
	must(t, db.Backup(ctx, &backup))
	must(t, db.Close())
	restored := t.TempDir()
	must(t, Restore(ctx, restored, &backup))
	db = openDB(t, restored, small())
	want(db, Request{7, 7}, 5)
	want(db, Request{7, 8}, 6)
	id := db.ID()
	must(t, db.Close())
	if report, err := Check(ctx, restored); err != nil || len(report.Problems) > 0 {
		t.Errorf("%+v, %v", report, err)
	}

	o := small()
	o.Cluster = &Cluster{ID: id, Node: 1, Peers: map[NodeID]string{1: "127.0.0.1:0"}}
	db = openDB(t, restored, o)
	want(db, Request{7, 8}, 6)
	want(db, Request{7, 9}, 7)
	backup.Reset()
	must(t, db.Backup(ctx, &backup))
	again := t.TempDir()
	must(t, Restore(ctx, again, &backup))
	want(openDB(t, again, small()), Request{7, 9}, 7)
}

// TestUpdateOnceForgets: of more clients than are to be remembered those go that have been silent for
// longest.
func TestUpdateOnceForgets(t *testing.T) {
	o := small()
	o.ClientsMax, o.Durability = 16, DurabilityNone
	db := openDB(t, "", o)
	mustTable(t, db, "counters", Ordered)
	for i := range uint64(100) {
		_, err := addOnce(t.Context(), db, Request{i + 1, 1})
		must(t, err)
	}
	eventually(t, func() error {
		s, err := db.engine.OpenSnapshot()
		must(t, err)
		defer s.Close()
		clients := 0
		must(t, once.Each(s, db.engine.TableByID(once.TableID()), func([]byte, uint64) bool { clients++; return true }))
		if clients > 16+16/8 {
			return fmt.Errorf("%d clients are remembered", clients)
		}
		return nil
	})
	for client, want := range map[uint64]uint64{100: 100, 1: 101} {
		if got, err := addOnce(t.Context(), db, Request{client, 1}); err != nil || got != want {
			t.Errorf("client %d: %d, want %d: %v", client, got, want, err)
		}
	}
}

// TestClusterUpdateOnce: requests that are sent until they are answered, while leaders change, are carried
// out once each.
func TestClusterUpdateOnce(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("counters")
	send := func(number uint64) (n uint64) {
		t.Helper()
		c.onLeader(func(db *DB) (err error) {
			n, err = addOnce(c.ctx, db, Request{7, number})
			return err
		})
		return n
	}
	const requests = 9
	for i := uint64(1); i <= requests; i++ {
		id, db := c.leader()
		sent := make(chan error, 1)
		go func() { _, err := addOnce(c.ctx, db, Request{7, i}); sent <- err }()
		if i%3 == 0 {
			c.stop(id)
		}
		if err := <-sent; err != nil && i%3 != 0 && !errors.Is(err, ErrNotLeader) {
			t.Fatal(err)
		}
		if n := send(i); n != i {
			t.Fatalf("request %d: the counter is %d", i, n)
		}
		if i%3 == 0 {
			c.start(id, false)
		}
	}
	_, db := c.follower()
	if _, err := db.UpdateOnce(c.ctx, Request{7, requests}, func(*Tx) ([]byte, error) { return nil, nil }); !errors.Is(err, ErrNotLeader) {
		t.Errorf("on a follower: %v", err)
	}
}

// TestRemember: a transaction of any kind remembers a request with what else it does, or neither.
func TestRemember(t *testing.T) {
	db, err := Open(t.TempDir(), small())
	must(t, err)
	defer func() { must(t, db.Close()) }()
	counters := mustTable(t, db, "counters", Ordered)
	var kept *Tx
	add := func(q Request, fails error) (answer []byte, err error) {
		p, err := db.UpdateAsync(t.Context(), func(tx *Tx) error {
			kept = tx
			found, ok, err := db.Recall(tx, q)
			if answer = found; err != nil || ok {
				return err
			}
			answer = append([]byte("after "), q.key()...)
			if err := errors.Join(tx.Put(counters, q.key(), answer), db.Remember(tx, q, answer)); err != nil {
				return err
			}
			return fails
		})
		if err != nil {
			return nil, err
		}
		return answer, p.Wait(t.Context())
	}
	wrong := errors.New("wrong")
	if _, err := add(Request{7, 1}, wrong); !errors.Is(err, wrong) {
		t.Errorf("a transaction that fails ended with %v", err)
	}
	for range 2 {
		if got, err := add(Request{7, 1}, nil); err != nil || string(got) != "after 7-1" {
			t.Errorf("the answer is %q, %v", got, err)
		}
	}
	if got, err := addAgain(t.Context(), db, Request{7, 1}); err != nil || string(got) != "after 7-1" {
		t.Errorf("UpdateOnce answers %q, %v", got, err)
	}
	if _, err := add(Request{7, 2}, nil); err != nil {
		t.Error(err)
	}
	if _, err := add(Request{7, 1}, nil); !errors.Is(err, ErrSuperseded) {
		t.Errorf("an old request ended with %v", err)
	}
	if _, _, err := db.Recall(kept, Request{7, 2}); !errors.Is(err, ErrTxDone) {
		t.Errorf("Recall in a transaction that has ended: %v", err)
	}
	if err := db.Remember(kept, Request{}, nil); err == nil {
		t.Error("a client 0 was remembered")
	}
}

func (q Request) key() []byte { return fmt.Appendf(nil, "%d-%d", q.Client, q.Number) }

// addAgain asks for a request that was carried out.
func addAgain(ctx context.Context, db *DB, q Request) ([]byte, error) {
	return db.UpdateOnce(ctx, q, func(*Tx) ([]byte, error) { return nil, errors.New("it was run again") })
}
