package shard

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/wal"
)

// damage turns over a bit of every file of a folder that matches, at an offset.
func damage(t *testing.T, fs *faultfs.FS, pattern string, at int64) {
	t.Helper()
	n := 0
	for _, name := range fs.Names() {
		if ok, _ := filepath.Match(filepath.Join("replica", pattern), name); ok {
			if err := fs.FlipBit(name, at, 2); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if n == 0 {
		t.Fatalf("nothing matches %s: %v", pattern, fs.Names())
	}
}

// untilCaughtUp opens a member again until it has what was executed.
func (c *cluster) untilCaughtUp(id int, last *Executed) *node {
	c.t.Helper()
	for range 4 {
		n := c.start(c.options.Group.Members.Voters[id-1])
		err := waitEndOr(c.t, n, func(ctx context.Context) error { return n.Applied(ctx, last.TS) })
		if err == nil {
			return n
		}
		if !errors.Is(err, ErrRestart) {
			c.t.Fatal(err)
		}
		n.stop()
	}
	c.t.Fatal("opened again and again")
	return nil
}

// TestDamagedLog: a replica opens with a damaged log and has the rounds from the others.
func TestDamagedLog(t *testing.T) {
	c := newCluster(t, 3)
	nodes := []*node{c.start(1), c.start(2), c.start(3)}
	l := leader(t, nodes...)
	for i := range 50 {
		l.mustPut(fmt.Sprint(i), []byte("x"))
	}
	i := slices.IndexFunc(nodes, func(n *node) bool { return n != l })
	nodes[i].stop()
	damage(t, c.disks[nodes[i].rt.Node()], "log/*1.seg", 4*4096+10)
	last := l.mustPut("last", []byte("y"))
	n := c.untilCaughtUp(i+1, &last)
	if got := n.get("last", &last); string(got) != "y" {
		t.Errorf("last is %q", got)
	}
	if got := n.get("1", &last); string(got) != "x" {
		t.Errorf("1 is %q", got)
	}
	n.must(func(context.Context) error { return n.Group().Status().Damaged })
}

// TestDamagedAndDiscarded: a replica finds a round that it has to apply damaged when the others have
// a checkpoint of that, and the round no more. It fetches the checkpoint.
func TestDamagedAndDiscarded(t *testing.T) {
	c := newCluster(t, 3)
	nodes := []*node{c.start(1), c.start(2), c.start(3)}
	l := leader(t, nodes...)
	for i := range 20 {
		l.mustPut(fmt.Sprint(i), make([]byte, 10_000))
	}
	damaged := slices.IndexFunc(nodes, func(n *node) bool { return n != l })
	for i, n := range nodes {
		for first := wal.RoundNumber(1); i != damaged && first < 10; {
			x := l.mustPut("filler", nil)
			n.must(func(ctx context.Context) error { return n.Applied(ctx, x.TS) })
			n.must(n.Checkpoint)
			n.must(func(context.Context) error { first = n.Group().Status().First; return nil })
		}
	}
	last := l.mustPut("last", []byte("y"))
	n := nodes[damaged]
	n.must(func(ctx context.Context) error { return n.Applied(ctx, last.TS) })
	n.stop()
	damage(t, c.disks[n.rt.Node()], "log/*1.seg", 8*4096+100) // in a value: the first rounds take a block each
	n = c.untilCaughtUp(damaged+1, &last)
	if got := n.get("7", &last); len(got) != 10_000 {
		t.Errorf("7 has %d bytes", len(got))
	}
	n.must(func(context.Context) error { return n.Group().Status().Damaged })
}

// TestRefill: a replica with a damaged checkpoint is refused; with Refill it has another's,
// wherever a crash comes.
func TestRefill(t *testing.T) {
	for _, what := range []string{"checkpoint/*/*", "checkpoint/" + checkpoint.ManifestFile} {
		c := newCluster(t, 3)
		nodes := []*node{c.start(1), c.start(2), c.start(3)}
		l := leader(t, nodes...)
		for i := range 20 {
			l.mustPut(fmt.Sprint(i), make([]byte, 10_000))
		}
		discardLog(t, l)
		i := slices.IndexFunc(nodes, func(n *node) bool { return n != l })
		for first := wal.RoundNumber(1); first == 1; {
			x := l.mustPut("filler", nil)
			nodes[i].must(func(ctx context.Context) error { return nodes[i].Applied(ctx, x.TS) })
			nodes[i].must(nodes[i].Checkpoint)
			nodes[i].must(func(context.Context) error { first = nodes[i].Group().Status().First; return nil })
		}
		id := nodes[i].rt.Node()
		nodes[i].stop()
		damage(t, c.disks[id], what, 60)
		last := l.mustPut("last", []byte("y"))
		if n, err := c.open(id); !errors.Is(err, dberr.ErrCorrupt) {
			if err == nil {
				n.stop()
			}
			t.Fatalf("%s: opened: %v", what, err)
		}
		c.refill = true
		crashed := crashAll(c.disks[id], 300)
		n := c.untilCaughtUp(i+1, &last)
		if got := n.get("7", &last); len(got) != 10_000 {
			t.Errorf("%s: 7 has %d bytes", what, len(got))
		}
		n.stop()
		c.disks[id].SetHook(nil)
		for i, fs := range crashed.all {
			d := testDisk(fs, id)
			d.Refill = true
			if _, err := reopen(d); err != nil {
				t.Errorf("%s: crash before %s: %v", what, crashed.at[i], err)
			}
		}
	}
}

// TestRefillAlone: the only member of a group does not give up what nobody else has.
func TestRefillAlone(t *testing.T) {
	c := newCluster(t, 1)
	n := c.start(1)
	leader(t, n)
	discardLog(t, n)
	n.stop()
	c.refill = true
	damage(t, c.disks[1], "checkpoint/*/*", 60)
	before := fmt.Sprint(c.disks[1].Names())
	if _, err := c.open(1); !errors.Is(err, dberr.ErrCorrupt) || !strings.Contains(err.Error(), "only member") {
		t.Errorf("%v", err)
	}
	if after := fmt.Sprint(c.disks[1].Names()); after != before || !strings.Contains(after, folder.Checkpoint) {
		t.Errorf("the files are %s, were %s", after, before)
	}
}
