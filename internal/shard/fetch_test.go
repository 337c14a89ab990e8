package shard

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// discardLog makes checkpoints until the leader's log does not begin with round 1.
func discardLog(t *testing.T, n *node) {
	t.Helper()
	for i := 0; ; i++ {
		n.mustPut("filler", []byte{byte(i)})
		n.must(n.Checkpoint)
		var first wal.RoundNumber
		n.must(func(context.Context) error { first = n.Group().Status().First; return nil })
		if first > 1 {
			return
		}
		if i > 100 {
			t.Fatal("the log stays whole")
		}
	}
}

// TestBlankReplicaJoins: a replica whose leader has discarded the log fetches a checkpoint,
// and after any crash on the way, and opened again, has all data. Opening is all it takes.
func TestBlankReplicaJoins(t *testing.T) {
	c := newCluster(t, 4)
	c.options.Group.Members.Voters = []quorum.NodeID{1}
	n1 := c.start(1)
	leader(t, n1)
	for i := range 50 {
		n1.mustPut(fmt.Sprint(i), make([]byte, 10_000))
	}
	discardLog(t, n1)
	c.options.Group.Members.Voters = nil
	crashed, opened := crashAll(c.disks[4], 600), 0
	n4 := c.start(4)
	n1.must(func(ctx context.Context) error { return n1.Group().AddLearner(ctx, 4) })
	last := n1.mustPut("last", []byte("x"))
	for ; ; n4 = c.start(4) {
		opened++
		err := waitEndOr(t, n4, func(ctx context.Context) error { return n4.Applied(ctx, last.TS) })
		if err == nil {
			break
		}
		if !errors.Is(err, ErrRestart) || opened > 3 {
			t.Fatalf("opened %d times: %v", opened, err)
		}
		n4.stop()
	}
	if got := n4.get("last", &last); string(got) != "x" {
		t.Errorf("last is %q", got)
	}
	if got := n4.get("7", &last); len(got) != 10_000 {
		t.Errorf("7 has %d bytes", len(got))
	}
	if opened != 2 {
		t.Errorf("opened %d times", opened)
	}
	n4.stop()
	c.disks[4].SetHook(nil)
	kinds := map[bool]bool{}
	for i, fs := range crashed.all {
		f, err := reopen(testDisk(fs, 4))
		if err != nil {
			t.Errorf("crash before %s: %v", crashed.at[i], err)
			continue
		}
		kinds[f.manifest != nil] = true
		if err := outlasts(fs, 4); err != nil {
			t.Errorf("crash before %s, opened, then a power loss: %v", crashed.at[i], err)
		}
	}
	if len(kinds) != 2 {
		t.Errorf("crashes before and after the checkpoint is there: %v", kinds)
	}
}

// TestFetchUnderLoad: a blank replica gets its checkpoint while the others write so much that
// they would make one after the other.
func TestFetchUnderLoad(t *testing.T) {
	c := newCluster(t, 3)
	c.options.Group.Members.Voters = []quorum.NodeID{1, 2}
	c.options.CheckpointBytes = 256 << 10
	piece := time.NewTicker(12 * time.Millisecond) // for a second
	defer piece.Stop()
	slow := func(op faultfs.Op) error {
		if op.Kind == faultfs.OpWrite && strings.Contains(op.Name, folder.Incoming) {
			<-piece.C
		}
		return nil
	}
	var mu sync.Mutex
	var failed []string
	c.options.Group.Logf = func(format string, args ...any) {
		if strings.HasPrefix(format, "no checkpoint") {
			mu.Lock()
			failed = append(failed, fmt.Sprintf(format, args...))
			mu.Unlock()
		}
	}
	nodes := []*node{c.start(1), c.start(2)}
	l := leader(t, nodes...)
	for i := range 400 {
		x, err := l.put(fmt.Sprint(i), make([]byte, 50_000))
		if err == nil {
			err = x.Wait(t.Context())
		}
		if err != nil { // a busy machine may change leaders
			l = leader(t, nodes...)
		}
	}
	for _, n := range nodes {
		n.must(func(ctx context.Context) error {
			for n.Group().Status().First <= 1 {
				if err := quorum.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		})
	}
	over := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		every := time.NewTicker(10 * time.Millisecond) // a checkpoint is due every half a second
		defer every.Stop()
		for {
			select {
			case <-over:
				return
			case <-every.C:
				_, _ = l.put("busy", make([]byte, 5000))
			}
		}
	})
	c.options.Group.Members.Voters = nil
	opened := 0
	c.disks[3].SetHook(slow)
	n3 := c.start(3)
	l.must(func(ctx context.Context) error { return l.Group().AddLearner(ctx, 3) })
	last := l.mustPut("last", []byte("x"))
	for ; ; n3 = c.start(3) {
		opened++
		err := waitEndOr(t, n3, func(ctx context.Context) error { return n3.Applied(ctx, last.TS) })
		if err == nil {
			break
		}
		if !errors.Is(err, ErrRestart) {
			t.Fatalf("opened %d times: %v", opened, err)
		}
		n3.stop()
	}
	close(over)
	load.Wait()
	// One may be under way when the first piece is asked for.
	if opened != 2 || len(failed) > 3 {
		t.Errorf("opened %d times; %q", opened, failed)
	}
}

// waitEndOr waits until f has succeeded, and returns why the replica has ended if that comes first.
func waitEndOr(t *testing.T, n *node, f func(ctx context.Context) error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- n.on(f) }()
	select {
	case err := <-done:
		if err == nil {
			return nil
		}
		select {
		case end := <-n.ended:
			return end
		case <-time.After(10 * time.Second):
			return err
		}
	case err := <-n.ended:
		return err
	}
}

// TestCheckpointOfUnknownEpoch: a replica that has got a checkpoint of an epoch it had not
// heard of counts as having heard of it: what a leader of an earlier epoch says is over.
func TestCheckpointOfUnknownEpoch(t *testing.T) {
	c := newCluster(t, 1)
	d := testDisk(c.disks[1], 1)
	if _, err := reopen(d); err != nil {
		t.Fatal(err)
	}
	base := groupBase{Base: wal.Base{Number: 40, Epoch: 9, Watermark: 100, Last: 100}, Members: stream.Members{Voters: []quorum.NodeID{1}}}
	attachment, err := base.encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := checkpoint.Begin(d.FS, filepath.Join(d.Dir, folder.Checkpoint), checkpoint.Options{
		Database: checkpoint.DatabaseID(d.Identity.Cluster), Timestamp: 100, Godwit: "test", Attachment: attachment})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	n := c.start(1)
	leader(t, n)
	n.mustPut("a", []byte("1"))
	n.must(func(context.Context) error {
		if s := n.Group().Status(); s.Epoch != 10 || s.First != 41 {
			t.Errorf("it leads epoch %d from round %d on", s.Epoch, s.First)
		}
		return nil
	})
}

// TestRestartForgetsNothing: a replica that has fetched a checkpoint votes at once when it
// is opened again, though the group acknowledges what it has received: it has ended on
// purpose, and nothing is lost.
func TestRestartForgetsNothing(t *testing.T) {
	c := newCluster(t, 3)
	c.options.Group.Durability = stream.Memory
	n1, n2, n3 := c.start(1), c.start(2), c.start(3)
	l := leader(t, n1, n2, n3)
	l.mustPut("0", nil)
	behind := []*node{n1, n2, n3}[l.rt.Node()%3]
	id := behind.rt.Node()
	behind.must(behind.Group().Retire)
	behind.stop()
	discardLog(t, l)
	last := l.mustPut("last", []byte("x"))
	behind = c.start(id)
	if err := waitEndOr(t, behind, func(ctx context.Context) error { return behind.Applied(ctx, last.TS) }); !errors.Is(err, ErrRestart) {
		t.Fatalf("it does not fetch a checkpoint: %v", err)
	}
	behind.stop()
	for _, n := range []*node{n1, n2, n3} {
		n.stop() // nobody tells it what it might lack
	}
	behind = c.start(id)
	behind.must(func(context.Context) error {
		if s := behind.Group().Status(); s.Recovering {
			t.Errorf("it does not vote: %+v", s)
		}
		return nil
	})
}
