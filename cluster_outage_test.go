package godwit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestClusterWithoutMajority: without a majority nobody is shown anything, and each call says what has
// become of it; when it is back everything goes on by itself.
func TestClusterWithoutMajority(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("t")
	c.put("t", "key", []byte("one"))
	old, db := c.leader()
	table, err := db.Table("t")
	must(t, err)
	for id := range c.nodes {
		if id != old {
			c.stop(id)
		}
	}
	briefly := func(do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(c.ctx, 20*time.Millisecond)
		defer cancel()
		return do(ctx)
	}
	read := func(tx *Tx) error { _, err := tx.Get(table, []byte("key")); return err }
	write := func(key string) func(*Tx) error {
		return func(tx *Tx) error { return tx.Put(table, []byte(key), []byte("two")) }
	}
	// As long as it believes to lead it executes, and so perhaps even a little later.
	var executed *Pending
	err = briefly(func(ctx context.Context) (err error) {
		executed, err = db.UpdateAsync(ctx, write("async"))
		return err
	})
	if err != nil && !errors.Is(err, ErrUnavailable) {
		t.Errorf("UpdateAsync: %v", err)
	}
	for leads := true; leads; {
		s, err := db.Status(c.ctx)
		must(t, err)
		leads = s.Leading
		ran := false
		err = briefly(func(ctx context.Context) error {
			return db.Update(ctx, func(tx *Tx) error { ran = true; return write("sync")(tx) })
		})
		if !errors.Is(err, ErrUnavailable) && !(ran && errors.Is(err, ErrOutcomeUnknown)) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update that ran: %v: %v", ran, err)
		}
		if err := briefly(func(ctx context.Context) error { return db.View(ctx, read) }); !errors.Is(err, ErrUnavailable) {
			t.Errorf("View: %v", err)
		}
		if executed != nil {
			if err := briefly(executed.Wait); !errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("Wait: %v", err)
			}
		}
	}
	never := func(*Tx) error { t.Error("it runs on who does not lead"); return nil }
	for what, do := range map[string]func(context.Context) error{
		"Update":      func(ctx context.Context) error { return db.Update(ctx, never) },
		"UpdateAsync": func(ctx context.Context) error { _, err := db.UpdateAsync(ctx, never); return err },
		"View":        func(ctx context.Context) error { return db.View(ctx, never) },
		"CreateTable": func(ctx context.Context) error { _, err := db.CreateTable(ctx, "new", Ordered); return err },
	} {
		if err := briefly(do); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := db.Transfer(c.ctx, old%3+1); !errors.Is(err, ErrNotLeader) {
		t.Errorf("Transfer: %v", err)
	}
	c.wantAt(db, 0, "t", "key", "one")

	waiting := make(chan error, 2)
	go func() { waiting <- db.Update(c.ctx, write("waits")) }()
	go func() { waiting <- db.View(c.ctx, read) }()
	for id := range c.dirs {
		if id != old {
			c.start(id, false)
		}
	}
	for range cap(waiting) {
		var not *NotLeaderError
		if err := <-waiting; err != nil && (!errors.As(err, &not) || not.Leader == 0) {
			t.Errorf("without a deadline, when a majority is back: %v", err)
		}
	}
	at := c.put("t", "key", []byte("three"))
	for _, db := range c.nodes {
		c.wantAt(db, at, "t", "key", "three")
	}
	if executed == nil {
		return
	}
	err = executed.Wait(c.ctx)
	c.onLeader(func(db *DB) error {
		_, rerr := c.get(db, "t", "async", db.View)
		if gone := errors.Is(rerr, ErrNotFound); !gone && rerr != nil {
			return rerr
		} else if (err == nil) == gone || err != nil && !errors.Is(err, ErrNotLeader) {
			t.Errorf("it was released: %v; it is gone: %v", err, gone)
		}
		return nil
	})
}

// TestClusterLeaderUnknown: the last of three replicas refers nobody to a leader that is gone.
func TestClusterLeaderUnknown(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("t")
	last, db := c.follower()
	for id := range c.nodes {
		if id != last {
			c.stop(id)
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, 3*time.Second)
	defer cancel()
	for {
		err := db.Update(ctx, func(*Tx) error { return nil })
		if errors.Is(err, ErrUnavailable) {
			break
		}
		if !errors.Is(err, ErrNotLeader) { // it has not noticed yet
			t.Fatal(err)
		}
	}
	eventually(t, func() error {
		if s, err := db.Status(c.ctx); err != nil || s.Leader != 0 || s.Leading {
			return fmt.Errorf("%+v, %w", s, err)
		}
		return nil
	})
}

// TestClusterCloseHandsOver: when the leader is closed, another one leads at once, and who waits for a
// transaction is told what has become of it.
func TestClusterCloseHandsOver(t *testing.T) {
	c := newTestCluster(t, 3, func(o *Options) { o.Cluster.ElectionTimeout = 3 * time.Second })
	c.createTable("t")
	old, db := c.leader()
	before, err := db.Status(c.ctx)
	must(t, err)
	table, err := db.Table("t")
	must(t, err)
	var writers sync.WaitGroup
	var released [4]int
	for w := range released {
		writers.Go(func() {
			for i := 0; ; i++ {
				err := db.Update(c.ctx, func(tx *Tx) error { return tx.Put(table, fmt.Append(nil, w, " ", i), nil) })
				switch {
				case err == nil:
					released[w]++
				case errors.Is(err, ErrNotLeader), errors.Is(err, ErrClosed): // nothing has happened
					return
				default:
					t.Errorf("a writer, while the leader is closed: %v", err)
					return
				}
			}
		})
	}
	for db.Stats().Committed < 100 {
		must(t, c.ctx.Err())
	}
	c.stop(old)
	writers.Wait()
	_, leads := c.leader()
	s, err := leads.Status(c.ctx)
	must(t, err)
	if s.Epoch <= before.Epoch {
		t.Errorf("epoch %d led to epoch %d", before.Epoch, s.Epoch)
	}
	c.onLeader(func(db *DB) error {
		table, err := db.Table("t")
		if err != nil {
			return err
		}
		return db.View(c.ctx, func(tx *Tx) error {
			for w, n := range released {
				for i := range n {
					if _, err := tx.Get(table, fmt.Append(nil, w, " ", i)); err != nil {
						return fmt.Errorf("%d %d was released: %w", w, i, err)
					}
				}
			}
			return nil
		})
	})
}

// TestClusterUpdateOutcomes: an Update that executes and is not released says that its outcome
// is unknown.
func TestClusterUpdateOutcomes(t *testing.T) {
	c := newTestCluster(t, 1, nil)
	c.createTable("t")
	_, db := c.leader()
	table, err := db.Table("t")
	must(t, err)
	for err == nil { // it may be released before anybody waits
		ctx, cancel := context.WithCancel(c.ctx)
		err = db.Update(ctx, func(tx *Tx) error {
			defer cancel()
			return tx.Put(table, []byte("key"), nil)
		})
	}
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	wrong := errors.New("wrong")
	if err := db.Update(c.ctx, func(*Tx) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	if _, err := db.CreateTable(c.ctx, "t", Hashed); !errors.Is(err, ErrExists) {
		t.Errorf("%v", err)
	}
	if _, err := db.Table("no such"); !errors.Is(err, ErrNoTable) {
		t.Errorf("%v", err)
	}
}
