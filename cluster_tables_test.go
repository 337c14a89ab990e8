package godwit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/shard"
)

// TestClusterDropTable: a dropped table is gone on every replica, but for snapshots that were open, and its
// memory too; another one of its name has nothing of it, also after restarts.
func TestClusterDropTable(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("a")
	c.createTable("b")
	at := c.put("a", "key", []byte("old"))
	old, snapshots := map[NodeID]*Table{}, map[NodeID]*Snapshot{}
	for id, db := range c.nodes {
		s, err := db.SnapshotAtLeast(c.ctx, at)
		must(t, err)
		defer s.Close()
		snapshots[id] = s
		old[id], err = db.Table("a")
		must(t, err)
	}
	_, follower := c.follower()
	if err := follower.DropTable(c.ctx, "a"); !errors.Is(err, ErrNotLeader) {
		t.Errorf("on a follower: %v", err)
	}
	c.onLeader(func(db *DB) error { return db.DropTable(c.ctx, "a") })
	c.onLeader(func(db *DB) error {
		if err := db.DropTable(c.ctx, "a"); !errors.Is(err, ErrNoTable) {
			return fmt.Errorf("dropped again: %w", err)
		}
		return nil
	})
	at = c.put("b", "key", []byte("new"))
	for id, db := range c.nodes {
		s, err := db.SnapshotAtLeast(c.ctx, at)
		must(t, err)
		read := func(s *Snapshot) error {
			return s.View(c.ctx, func(tx *Tx) error { _, err := tx.Get(old[id], []byte("key")); return err })
		}
		if err := read(s); !errors.Is(err, ErrNoTable) {
			t.Errorf("node %d: %v", id, err)
		}
		s.Close()
		must(t, read(snapshots[id]))
		if _, err := db.Table("a"); !errors.Is(err, ErrNoTable) {
			t.Errorf("node %d: %v", id, err)
		}
		if all := db.Tables(); len(all) != 1 || all[0].Name() != "b" {
			t.Errorf("node %d has %v", id, all)
		}
		snapshots[id].Close()
		eventually(t, func() error { // the catalog has two rows
			if s := db.Stats(); s.Records != 3 {
				return fmt.Errorf("node %d has %d records", id, s.Records)
			}
			return nil
		})
	}
	c.onLeader(func(db *DB) error {
		for id := range c.nodes {
			if c.nodes[id] != db {
				continue
			}
			err := db.Update(c.ctx, func(tx *Tx) error { return tx.Put(old[id], []byte("key"), nil) })
			if !errors.Is(err, ErrNoTable) {
				return fmt.Errorf("a write to a dropped table: %w", err)
			}
		}
		return nil
	})
	c.createTable("a")
	at = c.put("a", "other", []byte("new"))
	for id := NodeID(1); id <= 3; id++ { // with a checkpoint, and without
		if id == 2 {
			must(t, c.nodes[id].Checkpoint(c.ctx))
		}
		c.stop(id)
		db := c.start(id, false)
		c.wantAt(db, at, "a", "other", "new")
		s, err := db.SnapshotAtLeast(c.ctx, at)
		must(t, err)
		if got, err := c.get(db, "a", "key", s.View); !errors.Is(err, ErrNotFound) {
			t.Errorf("node %d has %q of the old table: %v", id, got, err)
		}
		s.Close()
	}
}

// TestClusterDropIsTakenBack: a leader that nobody follows drops a table; the next one, which has not
// heard of that, writes to it. The table comes back on the first one, as good as ever.
func TestClusterDropIsTakenBack(t *testing.T) {
	c := newTestCluster(t, 3, func(o *Options) { o.Cluster.ElectionTimeout = 2 * time.Second })
	c.createTable("t")
	c.put("t", "key", []byte("one"))
	id, db := c.leader()
	table, err := db.Table("t")
	must(t, err)
	peers := maps.Clone(c.peers)
	for other := range peers {
		if other != id {
			must(t, db.SetPeer(c.ctx, other, "127.0.0.1:1")) // nobody is there
			c.stop(other)
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Millisecond)
	defer cancel()
	if err := db.DropTable(ctx, "t"); !errors.Is(err, ErrOutcomeUnknown) {
		t.Logf("it was not dropped: %v", err) // on a busy machine it leads no more
	}
	c.peers[id] = "127.0.0.1:1"
	delete(c.nodes, id)
	for other := range peers {
		if other != id {
			c.start(other, false)
		}
	}
	at := c.put("t", "key", []byte("two"))
	c.nodes[id], c.peers = db, peers
	for on, n := range c.nodes {
		for to, addr := range peers {
			if on != to {
				must(t, n.SetPeer(c.ctx, to, addr))
			}
		}
	}
	c.wantAt(db, at, "t", "key", "two")
	for s, err := db.Status(c.ctx); !s.Leading; s, err = db.Status(c.ctx) {
		must(t, err)
		c.onLeader(func(leads *DB) error {
			if leads == db {
				return nil
			}
			_ = leads.Transfer(c.ctx, id) // it may have to catch up
			return nil
		})
	}
	must(t, db.Update(c.ctx, func(tx *Tx) error {
		if _, err := tx.Get(table, []byte("key")); err != nil {
			return err
		}
		return tx.Put(table, []byte("key"), []byte("three"))
	}))
	must(t, db.DropTable(c.ctx, "t"))
}

// TestClusterTablesStress: tables are made, written to and dropped by several clients while the lead changes,
// replicas restart and make checkpoints. In the end all have the same tables with the same in them, and
// memory for nothing else.
func TestClusterTablesStress(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c", "d"}
	// What each client does until it is told to stop: errors that say what others have done are none.
	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	var mu sync.RWMutex // nodes come and go with it locked
	onAny := func(node NodeID, f func(*DB) error) {
		mu.RLock()
		defer mu.RUnlock()
		err := f(c.nodes[node])
		for _, fine := range []error{nil, ErrExists, ErrNoTable, ErrNotLeader, ErrUnavailable, context.DeadlineExceeded, ErrOutcomeUnknown} {
			if errors.Is(err, fine) {
				return
			}
		}
		t.Error(err)
	}
	var clients sync.WaitGroup
	var drops atomic.Int64
	for client := range uint64(4) {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(3, client))
			for i := 0; !stopped(); i++ {
				ctx, cancel := context.WithTimeout(c.ctx, time.Second)
				name := names[rng.IntN(len(names))]
				onAny(NodeID(1+rng.IntN(3)), func(db *DB) error {
					switch what := rng.IntN(10); {
					case what == 0:
						err := db.DropTable(ctx, name)
						if err == nil {
							drops.Add(1)
						}
						return err
					case what <= 2:
						_, err := db.CreateTable(ctx, name, TableKind(1+rng.IntN(2)))
						return err
					}
					table, err := db.Table(name)
					if err != nil {
						return err
					}
					return db.Update(ctx, func(tx *Tx) error {
						return tx.Put(table, fmt.Append(nil, rng.IntN(50)), fmt.Append(nil, client, " ", i))
					})
				})
				cancel()
			}
		})
	}
	steps := 12
	if !testing.Short() {
		steps = 25
	}
	for range steps {
		id := NodeID(1 + rng.IntN(3))
		switch rng.IntN(4) {
		case 0:
			mu.Lock()
			c.stop(id)
			c.start(id, false)
			mu.Unlock()
		case 1:
			if err := c.nodes[id].Checkpoint(c.ctx); err != nil && !errors.Is(err, shard.ErrBusy) {
				t.Error(err)
			}
		default:
			_, db := c.leader()
			_ = db.Transfer(c.ctx, id) // to itself, or to one that is behind
		}
		at := c.nodes[id].Stats().Committed
		for wait := time.Now(); time.Since(wait) < 100*time.Millisecond && c.nodes[id].Stats().Committed < at+20; {
			select {
			case <-c.ctx.Done():
				t.Fatal(c.ctx.Err())
			case <-time.After(time.Millisecond):
			}
		}
	}
	close(stop)
	clients.Wait()
	if drops.Load() == 0 {
		t.Error("no table was dropped")
	}
	t.Logf("%d tables were dropped", drops.Load())
	c.createTable("last")
	at := c.put("last", "key", nil)
	want := map[string]string{}
	records := int64(0)
	for id, db := range c.nodes {
		s, err := db.SnapshotAtLeast(c.ctx, at)
		must(t, err)
		got := map[string]string{}
		for _, table := range db.Tables() {
			must(t, s.View(c.ctx, func(tx *Tx) error {
				if table.Kind() == Hashed {
					for i := range 50 {
						if v, err := tx.Get(table, fmt.Append(nil, i)); err == nil {
							got[fmt.Sprint(table.Name(), " ", i)] = string(v)
						}
					}
					return nil
				}
				for k, v := range tx.Scan(table, Range{}) {
					got[table.Name()+" "+string(k)] = string(v)
				}
				return nil
			}))
		}
		s.Close()
		if len(want) == 0 {
			want, records = got, int64(len(got)+len(db.Tables())+1)
		}
		if !maps.Equal(got, want) {
			t.Errorf("node %d has %d rows, another one %d: %v\n%v", id, len(got), len(want), got, want)
		}
		eventually(t, func() error {
			if s := db.Stats(); s.Records != records {
				return fmt.Errorf("node %d has %d records, %d are to be seen", id, s.Records, records)
			}
			return nil
		})
	}
}
