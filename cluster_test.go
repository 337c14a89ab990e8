package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/quorum"
)

// testCluster is a group of replicas in this process, which talk over TCP.
type testCluster struct {
	t         *testing.T
	ctx       context.Context
	id        ClusterID
	peers     map[NodeID]string
	dirs      map[NodeID]string
	listeners map[NodeID]net.Listener
	nodes     map[NodeID]*DB
	edit      func(*Options)
}

// newTestCluster starts the first members of a group.
func newTestCluster(t *testing.T, members int, edit func(*Options)) *testCluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := &testCluster{t: t, ctx: ctx, id: NewClusterID(), peers: map[NodeID]string{}, dirs: map[NodeID]string{},
		listeners: map[NodeID]net.Listener{}, nodes: map[NodeID]*DB{}, edit: edit}
	for i := range members {
		c.place(NodeID(i + 1))
	}
	for id := range c.dirs {
		c.start(id, false)
	}
	return c
}

// place gives a node an address and a folder.
func (c *testCluster) place(id NodeID) {
	c.t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(c.ctx, "tcp", "127.0.0.1:0")
	must(c.t, err)
	c.t.Cleanup(func() { _ = l.Close() })
	c.listeners[id], c.peers[id], c.dirs[id] = l, l.Addr().String(), c.t.TempDir()
}

func (c *testCluster) options(id NodeID, join bool) *Options {
	o := &Options{MemoryLimit: 64 << 20, LogSegmentBytes: 1 << 20, Workers: 2,
		Cluster: &Cluster{ID: c.id, Node: id, Peers: c.peers, Join: join, Listener: c.listeners[id], ElectionTimeout: time.Second}}
	if c.edit != nil {
		c.edit(o)
	}
	return o
}

func (c *testCluster) start(id NodeID, join bool) *DB {
	c.t.Helper()
	db, err := Open(c.dirs[id], c.options(id, join))
	must(c.t, err)
	c.listeners[id], c.nodes[id] = nil, db
	c.t.Cleanup(func() { must(c.t, db.Close()) })
	return db
}

func (c *testCluster) stop(id NodeID) {
	c.t.Helper()
	must(c.t, c.nodes[id].Close())
	delete(c.nodes, id)
}

// leader waits until a node leads.
func (c *testCluster) leader() (NodeID, *DB) {
	c.t.Helper()
	for {
		for id, db := range c.nodes {
			if s, err := db.Status(c.ctx); err == nil && s.Leading {
				return id, db
			}
		}
		select {
		case <-c.ctx.Done():
			c.t.Fatal("nobody leads")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// follower returns a node that does not lead.
func (c *testCluster) follower() (NodeID, *DB) {
	c.t.Helper()
	leader, _ := c.leader()
	for id, db := range c.nodes {
		if id != leader {
			return id, db
		}
	}
	c.t.Fatal("there is no follower")
	return 0, nil
}

// onLeader does something on the leader, again if another one takes its place.
func (c *testCluster) onLeader(f func(*DB) error) {
	c.t.Helper()
	for {
		_, db := c.leader()
		if err := f(db); !errors.Is(err, ErrNotLeader) {
			must(c.t, err)
			return
		}
	}
}

func (c *testCluster) createTable(name string) {
	c.t.Helper()
	c.onLeader(func(db *DB) error {
		_, err := db.CreateTable(c.ctx, name, Ordered)
		if errors.Is(err, ErrExists) {
			err = nil // by a leader that was deposed before it could say so
		}
		return err
	})
}

// put writes a key and returns when that is released.
func (c *testCluster) put(table, key string, value []byte) (at Timestamp) {
	c.t.Helper()
	c.onLeader(func(db *DB) error {
		t, err := db.Table(table)
		if err != nil {
			return err
		}
		p, err := db.UpdateAsync(c.ctx, func(tx *Tx) error { return tx.Put(t, []byte(key), value) })
		if err != nil {
			return err
		}
		at = p.Timestamp()
		return p.Wait(c.ctx)
	})
	return at
}

// get reads a key in a view or a snapshot.
func (c *testCluster) get(db *DB, table, key string, view func(context.Context, func(*Tx) error) error) (string, error) {
	t, err := db.Table(table)
	if err != nil {
		return "", err
	}
	var value []byte
	err = view(c.ctx, func(tx *Tx) error {
		v, err := tx.Get(t, []byte(key))
		value = bytes.Clone(v)
		return err
	})
	return string(value), err
}

// wantAt expects a value on a replica that has everything up to a timestamp.
func (c *testCluster) wantAt(db *DB, at Timestamp, table, key, want string) {
	c.t.Helper()
	s, err := db.SnapshotAtLeast(c.ctx, at)
	must(c.t, err)
	defer s.Close()
	if s.Timestamp() < at {
		c.t.Errorf("a snapshot at %d, at least %d was asked for", s.Timestamp(), at)
	}
	if got, err := c.get(db, table, key, s.View); err != nil || got != want {
		c.t.Errorf("%q, want %q: %v", got, want, err)
	}
}

// TestCluster: what the leader has released is on every replica, survives the leader, and is
// there when that comes back. Who does not lead says who does.
func TestCluster(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("t")
	at := c.put("t", "key", []byte("one"))
	for _, db := range c.nodes {
		c.wantAt(db, at, "t", "key", "one")
	}
	id, follower := c.follower()
	for what, err := range map[string]error{
		"View":         follower.View(c.ctx, func(*Tx) error { return nil }),
		"Update":       follower.Update(c.ctx, func(*Tx) error { return nil }),
		"Transfer":     follower.Transfer(c.ctx, id),
		"RemoveMember": follower.RemoveMember(c.ctx, id),
	} {
		var not *NotLeaderError
		if !errors.As(err, &not) || not.Leader == 0 || not.Leader == id || not.Addr != c.peers[not.Leader] {
			t.Errorf("%s of a follower: %v", what, err)
		}
	}
	if s, err := follower.NewSession(); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a session of a follower: %v, %v", s, err)
	}
	old, _ := c.leader()
	c.stop(old)
	at = c.put("t", "key", []byte("two"))
	c.onLeader(func(db *DB) error {
		got, err := c.get(db, "t", "key", db.View)
		if err == nil && got != "two" {
			t.Errorf("the leader reads %q", got)
		}
		return err
	})
	c.wantAt(c.start(old, false), at, "t", "key", "two")
}

// TestClusterMembers: members come and go, also the leader, and a node that joins has it all.
func TestClusterMembers(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("t")
	at := c.put("t", "key", []byte("one"))
	c.place(4)
	joined := c.start(4, true)
	for id, db := range c.nodes {
		if id != 4 {
			must(t, db.SetPeer(c.ctx, 4, c.peers[4]))
		}
	}
	wantRemoved := func(want bool) {
		t.Helper()
		c.leader()
		if removed, err := joined.Removed(c.ctx); err != nil || removed != want {
			t.Errorf("node 4 was removed: %v, %v, want %v", removed, err, want)
		}
	}
	wantRemoved(false) // it waits to become a member
	c.onLeader(func(db *DB) error { return db.AddMember(c.ctx, 4) })
	wantRemoved(false)
	c.wantAt(joined, at, "t", "key", "one")
	c.onLeader(func(db *DB) error { return db.Transfer(c.ctx, 4) })
	must(t, joined.AwaitLeading(c.ctx))
	must(t, joined.RemoveMember(c.ctx, 1))
	s, err := joined.Status(c.ctx)
	must(t, err)
	if want := []NodeID{2, 3, 4}; !slices.Equal(s.Members, want) || !s.Leading || s.Node != 4 || s.Leader != 4 || len(s.Learners) > 0 {
		t.Errorf("%+v, the members should be %v", s, want)
	}
	c.put("t", "key", []byte("two"))
	if err := joined.AddMember(c.ctx, 5); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("a node without an address: %v", err)
	}
	c.place(5)
	must(t, c.listeners[5].Close())
	must(t, joined.SetPeer(c.ctx, 5, c.peers[5]))
	short, cancel := context.WithTimeout(c.ctx, 200*time.Millisecond)
	defer cancel()
	if err := joined.AddMember(short, 5); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, quorum.ErrUnreachable) || !strings.Contains(err.Error(), "node 5") {
		t.Errorf("a node that is down: %v", err)
	}
}

// TestClusterRemovedIsCertain: who has lost its majority tells nobody that it was removed.
func TestClusterRemovedIsCertain(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	lead, _ := c.leader()
	removed, other := lead%3+1, (lead+1)%3+1
	c.onLeader(func(db *DB) error { return db.RemoveMember(c.ctx, removed) })
	for says := false; !says; { // a busy machine may take longer than an answer waits
		var err error
		says, err = c.nodes[removed].Removed(c.ctx)
		must(t, err)
	}
	c.stop(other)
	if says, err := c.nodes[removed].Removed(c.ctx); err != nil || says {
		t.Errorf("node %d was removed, says who has no majority: %v", removed, err)
	}
}

// TestClusterFetch: a node that was away for too long gets a checkpoint. It is opened again
// for that, and what was opened on it before ends or goes on.
func TestClusterFetch(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("t")
	at := c.put("t", "key", []byte("one"))
	id, behind := c.follower()
	must(t, func() error {
		s, err := behind.SnapshotAtLeast(c.ctx, at)
		if err != nil {
			return err
		}
		s.Close()
		return behind.Checkpoint(c.ctx) // what it has when it is started again
	}())
	c.stop(id)
	for i := range 3 { // a checkpoint keeps the log before the one before it
		for k := range 8 {
			c.put("t", fmt.Sprint(i, k), make([]byte, 256<<10))
		}
		for _, db := range c.nodes {
			must(t, db.Checkpoint(c.ctx))
		}
	}
	at = c.put("t", "key", []byte("two"))
	db := c.start(id, false)
	table, err := db.Table("t")
	must(t, err)
	c.wantAt(db, at, "t", "key", "two")
	s, err := db.SnapshotAtLeast(c.ctx, at)
	must(t, err)
	defer s.Close()
	if err := s.View(c.ctx, func(tx *Tx) error { _, err := tx.Get(table, []byte("key")); return err }); err != nil {
		t.Errorf("a table from before it was opened again: %v", err)
	}
}

// TestClusterSessionsAndBackups: sessions of a leader, statistics, and a backup of a follower
// that becomes an embedded database.
func TestClusterSessionsAndBackups(t *testing.T) {
	c := newTestCluster(t, 3, func(o *Options) { o.Durability = DurabilityMemory })
	c.createTable("t")
	var last Timestamp
	c.onLeader(func(db *DB) error {
		table, err := db.Table("t")
		if err != nil {
			return err
		}
		s, err := db.NewSession()
		if err != nil {
			return err
		}
		defer s.Close()
		var kept *Tx
		for i := range 100 {
			if last, err = s.Update(func(tx *Tx) error {
				kept = tx
				return tx.Put(table, fmt.Append(nil, i), []byte("x"))
			}); err != nil {
				return err
			}
		}
		if _, err := kept.Get(table, nil); !errors.Is(err, ErrTxDone) {
			t.Errorf("a Tx that was kept: %v", err)
		}
		if _, err := s.View(func(tx *Tx) error { _, err := tx.Get(table, []byte("99")); return err }); err != nil {
			return err
		}
		for s.Released() < last {
			select {
			case <-c.ctx.Done():
				return c.ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
		return nil
	})
	_, follower := c.follower()
	s, err := follower.SnapshotAtLeast(c.ctx, last)
	must(t, err)
	s.Close()
	var backup bytes.Buffer
	must(t, follower.Backup(c.ctx, &backup))
	if s := follower.Stats(); s.Records < 100 || s.Released < last {
		t.Errorf("%+v", s)
	}
	dir := t.TempDir()
	must(t, Restore(c.ctx, dir, &backup))
	db := openDB(t, dir, small())
	if got, err := c.get(db, "t", "99", db.View); err != nil || got != "x" {
		t.Errorf("%q, %v", got, err)
	}
	if all := follower.Tables(); len(all) != 1 || all[0].Name() != "t" {
		t.Errorf("%v", all)
	}
}

// TestClusterRefusals: options that do not fit, and folders of others, are refused with what is
// wrong.
func TestClusterRefusals(t *testing.T) {
	good := func() *Options {
		return &Options{MemoryLimit: 64 << 20, Cluster: &Cluster{ID: ClusterID{1}, Node: 1, Peers: map[NodeID]string{1: "127.0.0.1:0"}}}
	}
	for says, edit := range map[string]func(*Options){
		"Cluster.ID":              func(o *Options) { o.Cluster.ID = ClusterID{} },
		"Cluster.Node":            func(o *Options) { o.Cluster.Node = 0 },
		"address of node 2":       func(o *Options) { o.Cluster.Node = 2 },
		"node 0":                  func(o *Options) { o.Cluster.Peers[0] = "x" },
		"empty address":           func(o *Options) { o.Cluster.Peers[1] = "" },
		"Cluster.ElectionTimeout": func(o *Options) { o.Cluster.ElectionTimeout = time.Millisecond },
		"Cluster.TLS":             func(o *Options) { o.Cluster.TLS = &ClusterTLS{} },
		"replicated":              func(o *Options) { o.Durability = DurabilityBackground },
		"Options.Cluster":         func(o *Options) { o.Cluster, o.Durability = nil, DurabilityMemory },
	} {
		o := good()
		edit(o)
		if db, err := Open(t.TempDir(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", says, db, err)
		}
	}
	dir := t.TempDir()
	db, err := Open(dir, good())
	must(t, err)
	must(t, db.Close())
	for _, edit := range []func(*Options){
		func(o *Options) { o.Cluster.ID = ClusterID{2} },
		func(o *Options) { o.Cluster.Node, o.Cluster.Peers[2] = 2, "127.0.0.1:0" },
		func(o *Options) { o.Cluster = nil },
	} {
		o := good()
		edit(o)
		db, err := Open(dir, o)
		if !errors.Is(err, ErrForeignFolder) || !strings.Contains(err.Error(), "node 1") {
			t.Fatalf("%v, %v", db, err)
		}
		if strings.Count(err.Error(), dir) != 1 || strings.Contains(err.Error(), "shard") {
			t.Errorf("it does not say just once where: %v", err)
		}
	}
	embedded := filled(t)
	if db, err := Open(embedded, good()); !errors.Is(err, ErrForeignFolder) {
		t.Errorf("%v, %v in %s", db, err, folder.IdentityFile)
	}
	if err := openDB(t, t.TempDir(), small()).AwaitLeading(t.Context()); err == nil {
		t.Error("an embedded database leads")
	}
}

// awaitRefusal waits until a node says that a connection of its was refused.
func (c *testCluster) awaitRefusal(db *DB) {
	c.t.Helper()
	for {
		s, err := db.Status(c.ctx)
		must(c.t, err)
		if errors.Is(s.Refused, quorum.ErrRefused) {
			return
		}
		select {
		case <-c.ctx.Done():
			c.t.Fatal("nobody refuses")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestClusterSaysWhoIsRefused: who cannot have a majority because nodes refuse each other hears why.
func TestClusterSaysWhoIsRefused(t *testing.T) {
	c := newTestCluster(t, 2, func(o *Options) { o.Cluster.ID = ClusterID{byte(o.Cluster.Node)} })
	for id, db := range c.nodes {
		c.awaitRefusal(db)
		ctx, cancel := context.WithTimeout(c.ctx, 200*time.Millisecond)
		err := db.Update(ctx, func(*Tx) error { return nil })
		cancel()
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, quorum.ErrRefused) || !strings.Contains(err.Error(), "cluster") {
			t.Errorf("node %d: %v", id, err)
		}
	}
}

// TestClusterRefusesAnotherDurability: a replica that would acknowledge other things than its group
// wants to hear has no part in it, both sides say why, and the group goes on without it.
func TestClusterRefusesAnotherDurability(t *testing.T) {
	durability := DurabilityDisk
	c := newTestCluster(t, 3, func(o *Options) { o.Durability = durability })
	c.createTable("t")
	id, _ := c.follower()
	c.stop(id)
	durability = DurabilityMemory
	db := c.start(id, false)
	c.awaitRefusal(db)
	ctx, cancel := context.WithTimeout(c.ctx, 200*time.Millisecond)
	err := db.Update(ctx, func(*Tx) error { return nil })
	cancel()
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, quorum.ErrRefused) || !strings.Contains(err.Error(), "durability memory") || !strings.Contains(err.Error(), "durability disk") {
		t.Errorf("node %d: %v", id, err)
	}
	c.stop(id)
	_, leader := c.leader()
	c.awaitRefusal(leader)
	at := c.put("t", "key", []byte("value"))
	durability = DurabilityDisk
	c.wantAt(c.start(id, false), at, "t", "key", "value")
}

// TestClusterTwoNodesWithOneName: who takes the name of a node that is there is refused and hears why, also
// with a copy of its folder; the others go on, and nothing of theirs changes.
func TestClusterTwoNodesWithOneName(t *testing.T) {
	for _, copied := range []bool{false, true} {
		t.Run(fmt.Sprintf("copied=%t", copied), func(t *testing.T) {
			c := newTestCluster(t, 3, nil)
			c.createTable("t")
			at := c.put("t", "key", []byte("one"))
			id, _ := c.follower()
			c.wantAt(c.nodes[id], at, "t", "key", "one")
			c.stop(id)
			other := *c
			other.peers, other.dirs = maps.Clone(c.peers), maps.Clone(c.dirs)
			other.listeners, other.nodes = map[NodeID]net.Listener{}, map[NodeID]*DB{}
			other.place(id)
			if copied {
				must(t, os.CopyFS(other.dirs[id], os.DirFS(c.dirs[id])))
			}
			c.start(id, false)
			c.wantAt(c.nodes[id], at, "t", "key", "one")
			second := other.start(id, false)
			c.awaitRefusal(second)
			at = c.put("t", "key", []byte("two"))
			for _, db := range c.nodes {
				c.wantAt(db, at, "t", "key", "two")
			}
		})
	}
}

// TestClusterGrows: an embedded database becomes a replica with all that it had, and others join it.
func TestClusterGrows(t *testing.T) {
	for _, d := range []Durability{DurabilityDisk, DurabilityMemory} {
		t.Run(d.String(), func(t *testing.T) { clusterGrows(t, d) })
	}
}

func clusterGrows(t *testing.T, d Durability) {
	dir := filled(t)
	db, err := Open(dir, small())
	must(t, err)
	id := db.ID()
	must(t, db.Close())
	c := newTestCluster(t, 0, func(o *Options) { o.Durability = d })
	c.id = id
	for node := range NodeID(3) {
		c.place(node + 1)
	}
	c.dirs[1] = dir
	if db, err := Open(dir, c.options(1, true)); !errors.Is(err, ErrForeignFolder) {
		t.Fatalf("a node that joins with data: %v, %v", db, err)
	}
	c.place(1) // the listener was taken over
	c.dirs[1] = dir
	db = c.start(1, false)
	must(t, db.AwaitLeading(c.ctx))
	if s, err := db.Status(c.ctx); err != nil || !slices.Equal(s.Members, []NodeID{1}) {
		t.Errorf("%+v, %v", s, err)
	}
	want := strings.Repeat("v", 500)
	if got, err := c.get(db, "t", "000399", db.View); err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	for node := NodeID(2); node <= 3; node++ {
		c.start(node, true)
		must(t, db.AddMember(c.ctx, node))
	}
	at := c.put("t", "key", []byte("one"))
	for _, db := range c.nodes {
		c.wantAt(db, at, "t", "000000", want)
		c.wantAt(db, at, "t", "key", "one")
	}
	c.stop(1)
	if db, err := Open(dir, small()); !errors.Is(err, ErrForeignFolder) {
		t.Errorf("embedded again: %v, %v", db, err)
	}
}

// TestProofGrow: whenever a power loss interrupts it, what there was is there, in an embedded
// database or in a replica, and the next attempt succeeds.
func TestProofGrow(t *testing.T) {
	f, want := storedOnFaults(t, 1)
	identity := func(f *faultfs.FS) folder.Identity {
		held, err := folder.Hold(f, proofDir)
		must(t, err)
		id, err := held.Identify()
		must(t, err)
		must(t, held.Close())
		return id
	}
	id := identity(f)
	open := func(f *faultfs.FS) (*DB, error) {
		o := onFaults(f)
		o.LogSegmentBytes = 64 << 10
		o.Cluster = &Cluster{ID: id.ID, Node: 1, Peers: map[NodeID]string{1: "127.0.0.1:0"}}
		*o = o.withDefaults()
		db := newDB(proofDir, *o)
		return db, db.openReplicated()
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex // the hook is called by who reads and who writes
	var left []*faultfs.FS
	changes := 0
	f.SetHook(func(op faultfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.Changes() {
			switch changes++; changes % (6 * stride(2)) {
			case 0:
				left = append(left, f.Crash(rng))
			case 3:
				left = append(left, f.Clone())
			}
		}
		return nil
	})
	db, err := open(f)
	must(t, err)
	f.SetHook(nil)
	must(t, db.Close())
	embedded := 0
	for i, f := range append(left, f) {
		if identity(f).Node == 0 {
			embedded++
			must(t, tryOpen(t, fmt.Sprintf("interrupted %d", i), f, want))
		}
		db, err := open(f)
		must(t, err)
		got := content{}
		s, n, err := db.replica.snapshot(t.Context(), 0)
		must(t, err)
		tables, err := db.replica.tablesIn(t.Context(), n, s, nil)
		must(t, err)
		for _, table := range tables {
			got[table.name], err = rowsOf(s, table)
			must(t, err)
		}
		s.Close()
		if d := want.diff(got); d != "" {
			t.Errorf("interrupted %d: the replica has %s", i, d)
		}
		must(t, db.Close())
	}
	if embedded < 5 || embedded >= len(left) {
		t.Errorf("%d of %d were interrupted as embedded databases", embedded, len(left))
	}
}

// What a burst on the leader executes is released behind its end, and before that for who waits in it.
func TestClusterBurst(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.createTable("t")
	for i := range 20 {
		c.onLeader(func(db *DB) error {
			table, err := db.Table("t")
			if err != nil {
				return err
			}
			b := db.Burst()
			defer func() { b.End(i%2 == 0) }()
			if !b.Quick(0) {
				t.Error("its end is not quick")
			}
			var executed []*Pending
			for n := range 3 {
				p, err := db.UpdateAsync(c.ctx, func(tx *Tx) error { return tx.Put(table, []byte{byte(n)}, []byte{byte(i)}) })
				if err != nil {
					return err
				}
				executed = append(executed, p)
			}
			if i%3 == 0 { // it waits for what it has read, of which somebody else wants to be told
				p, err := db.UpdateAsync(c.ctx, func(tx *Tx) error { _, err := tx.Get(table, []byte{2}); return err })
				if err != nil {
					return err
				}
				if p.Asks() && !executed[2].Released() {
					t.Error("it waits for no more than an answer, though it has read what is not released")
				}
				executed = append(executed, p)
				_ = p.Done()
				if err := db.View(c.ctx, func(tx *Tx) error { _, err := tx.Get(table, []byte{2}); return err }); err != nil {
					return err
				}
			} else {
				b.End(i%2 == 0)
				b = db.Burst() // for the end
			}
			for _, p := range executed {
				if err := p.Wait(c.ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	_, db := c.follower()
	b := db.Burst() // there it is of no use
	b.End(true)
}
