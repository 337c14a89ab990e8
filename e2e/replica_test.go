package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// replicaConfig is a replica of a group.
type replicaConfig struct {
	Node    quorum.NodeID
	Cluster byte
	Addrs   map[quorum.NodeID]string // of all members, the own one too
}

func (c *replicaConfig) cluster() wal.DatabaseID { return wal.DatabaseID{c.Cluster, 1} }

func (c *replicaConfig) members() (m stream.Members) {
	for id := range quorum.NodeID(len(c.Addrs)) {
		m.Voters = append(m.Voters, id+1)
	}
	return m
}

// withReplica opens a replica's folder, calls f while it takes part, and gives it back.
func withReplica(dir string, c *replicaConfig, refused func(*quorum.RefusedError), f func(rt *quorum.Runtime, r *shard.Replica) error) (err error) {
	a, err := arena.New(64 << 20)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", c.Addrs[c.Node])
	if err != nil {
		return err
	}
	rt, stop := quorum.Start(c.Node)
	tcp := env.NewTCP(rt.Host(), c.Addrs, l)
	var e *quorum.Endpoint
	var r *shard.Replica
	ended := make(chan error, 1)
	err = rt.Run(context.Background(), "open", func(ctx context.Context) error {
		e = quorum.NewEndpoint(rt, tcp, quorum.Options{Cluster: quorum.ClusterID(c.cluster())}, nil)
		e.OnRefused(refused)
		d := shard.Disk{FS: env.OS(), Dir: dir, Identity: shard.Identity{Cluster: c.cluster(), Node: c.Node}, SegmentBytes: 1 << 20}
		r, err = shard.Open(ctx, e, d, shard.Options{Arena: a, Workers: 1, Group: stream.Options{Members: c.members()}})
		if err != nil {
			return err
		}
		e.Listen()
		rt.Go("replica", func(ctx context.Context) error {
			err := r.Run(ctx)
			ended <- err
			return err
		})
		return nil
	})
	if err != nil {
		_ = l.Close() // nobody has listened
	} else {
		err = f(rt, r)
		select {
		case e := <-ended:
			err = errors.Join(err, e) // by itself
		default:
		}
	}
	rt.Post(e.Close)
	stop()
	tcp.Wait()
	if r != nil {
		err = errors.Join(err, r.Close())
	}
	return err
}

// member is the role that has a replica take part until its input ends. It says when a
// leader is there, and if another node refuses it.
func member(c config, r *reporter) error {
	told := func(e *quorum.RefusedError) { r.send(message{Kind: refused, Text: e.Error()}) }
	return withReplica(c.Dir, c.Replica, told, func(rt *quorum.Runtime, s *shard.Replica) error {
		r.send(message{Kind: opened})
		rt.Post(func() {
			rt.Go("await leader", func(ctx context.Context) error {
				for s.Group().Status().Leader == 0 {
					if err := quorum.Sleep(ctx, 10*time.Millisecond); err != nil {
						return err
					}
				}
				r.send(message{Kind: ready})
				return nil
			})
		})
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
}

// contents returns what is in a folder, but the lock.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == folder.Lock {
			return err
		}
		b, err := os.ReadFile(path)
		all.WriteString(path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// freeAddrs returns addresses that nobody listens at.
func freeAddrs(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		var listen net.ListenConfig
		l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// TestReplicaFolderIsRefused: a replica's folder that is in use, of another cluster or node, no
// replica's or by a newer version is refused for that reason, and stays as it is.
func TestReplicaFolderIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "replica")
	addrs := freeAddrs(t, 2)
	own := &replicaConfig{Node: 1, Cluster: 7, Addrs: map[quorum.NodeID]string{1: addrs[0]}}
	open := func(node quorum.NodeID, cluster byte, want error) {
		t.Helper()
		before := contents(t, dir)
		c := &replicaConfig{Node: node, Cluster: cluster, Addrs: map[quorum.NodeID]string{node: addrs[1]}}
		err := withReplica(dir, c, func(*quorum.RefusedError) {}, func(*quorum.Runtime, *shard.Replica) error { return nil })
		if !errors.Is(err, want) {
			t.Errorf("node %d of cluster %d: %v, want %v", node, cluster, err, want)
		}
		if contents(t, dir) != before {
			t.Errorf("node %d of cluster %d has changed the folder", node, cluster)
		}
	}
	holder := spawn(t, config{Role: "member", Dir: dir, Replica: own})
	holder.await(ready)
	c := &replicaConfig{Node: 1, Cluster: 7, Addrs: map[quorum.NodeID]string{1: addrs[1]}}
	if err := withReplica(dir, c, func(*quorum.RefusedError) {}, nil); !errors.Is(err, godwit.ErrLocked) {
		t.Errorf("a second process got it: %v", err)
	}
	holder.kill()
	holder.wait()

	open(1, 8, godwit.ErrForeignFolder)
	open(2, 7, godwit.ErrForeignFolder)
	if db, err := godwit.Open(dir, nil); !errors.Is(err, godwit.ErrForeignFolder) {
		t.Errorf("an embedded database got it: %v, %v", db, err)
	}
	identity := filepath.Join(dir, folder.IdentityFile)
	text, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	for newer, want := range map[string]error{"godwit data folder\nformat 99\nwho knows\n": godwit.ErrNewerFormat, string(text[:len(text)/2]): godwit.ErrCorrupt} {
		if err := os.WriteFile(identity, []byte(newer), 0o600); err != nil {
			t.Fatal(err)
		}
		open(1, 7, want)
	}
	if err := os.WriteFile(identity, text, 0o600); err != nil {
		t.Fatal(err)
	}
	again := spawn(t, config{Role: "member", Dir: dir, Replica: own})
	again.await(ready)
	if err := again.input.Close(); err != nil {
		t.Fatal(err)
	}
	again.wait()
}

// TestImpostorsAreRefused: a process that has the name of a node which is there, or is of another
// cluster, is told so and gets nothing; the group goes on.
func TestImpostorsAreRefused(t *testing.T) {
	dir, addrs := t.TempDir(), freeAddrs(t, 4)
	members := map[quorum.NodeID]string{1: addrs[0], 2: addrs[1]}
	var group []*child
	for id := range quorum.NodeID(2) {
		group = append(group, spawn(t, config{Role: "member", Dir: filepath.Join(dir, fmt.Sprint(1+id)), Replica: &replicaConfig{Node: 1 + id, Cluster: 7, Addrs: members}}))
	}
	for _, p := range group {
		p.await(ready)
	}
	for i, cluster := range []byte{7, 8} {
		c := &replicaConfig{Node: 2, Cluster: cluster, Addrs: map[quorum.NodeID]string{1: members[1], 2: addrs[2+i]}}
		p := spawn(t, config{Role: "member", Dir: filepath.Join(dir, fmt.Sprint("impostor", i)), Replica: c})
		m := p.await(refused)
		if want := []string{"another process", "cluster"}[i]; !strings.Contains(m.Text, want) {
			t.Errorf("refused: %s", m.Text)
		}
		p.kill()
		p.wait()
	}
	for _, p := range group {
		if err := p.input.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range group {
		p.wait()
	}
}
