package sim

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/quorum"
)

// diskJob runs a job on a node of its own and returns its error.
func diskJob(t *testing.T, set func(n *Node), job func(files env.FS) error) (*Node, error) {
	t.Helper()
	w := New(1, nil)
	t.Cleanup(w.Close)
	err := errors.New("the job has not ended")
	n := w.AddNode(1, func(n *Node) {
		files := n.FS()
		n.Runtime().Go("main", func(ctx context.Context) error {
			err = quorum.Wait(ctx, quorum.Disk(ctx, "job", func() error { return job(files) }))
			return nil
		})
	})
	set(n)
	n.Start()
	if failed := w.Run(time.Minute); failed != nil {
		t.Fatal(failed)
	}
	return n, err
}

func writeAndSync(files env.FS) error {
	f, err := files.Create("x")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte("a"), 4096), 1<<16); err != nil {
		return err
	}
	return f.Sync()
}

func TestDiskFaults(t *testing.T) {
	if n, err := diskJob(t, func(n *Node) {}, writeAndSync); err != nil || n.Files().Count(faultfs.OpSync) != 1 {
		t.Errorf("a healthy disk: %v", err)
	}
	if _, err := diskJob(t, func(n *Node) { n.Disk.FailSync = 1 }, writeAndSync); err == nil {
		t.Error("a sync that fails has not")
	}
	if _, err := diskJob(t, func(n *Node) { n.Files().SetCapacity(8192) }, writeAndSync); !env.IsDiskFull(err) {
		t.Errorf("a full disk: %v", err)
	}
	n, err := diskJob(t, func(n *Node) { n.Exposed = func() (string, int) { return "x", 0 }; n.Misdirect() }, writeAndSync)
	if b, _ := n.Files().ReadFile("x"); err != nil || len(b) >= 1<<16 {
		t.Errorf("a misdirected write: %v, %d bytes", err, len(b))
	}
	if n, err := diskJob(t, func(n *Node) { n.Disk.CrashChance = 1 }, writeAndSync); n.Up() || err == nil {
		t.Error("the node lives on")
	}
}

func TestDiskTakesItsTime(t *testing.T) {
	var took time.Duration
	n, err := diskJob(t, func(n *Node) {
		n.Disk = Disk{WriteDelay: time.Millisecond, SyncDelay: 10 * time.Millisecond, StallChance: 1, StallTime: time.Second}
	}, func(files env.FS) error { return writeAndSync(files) })
	if err != nil {
		t.Fatal(err)
	}
	took = n.disk
	if want := 3*time.Second + 12*time.Millisecond; took < want || took > want+10*time.Millisecond {
		t.Errorf("create, write and sync took %v, want %v", took, want)
	}
}

// Clocks of a node drift and jump; timers go by the one that does not jump.
func TestClocks(t *testing.T) {
	w := New(1, nil)
	defer w.Close()
	var woken time.Duration
	var wall time.Time
	n := w.AddNode(1, func(n *Node) {
		n.Runtime().Go("main", func(ctx context.Context) error {
			before := n.Runtime().Host().Now()
			err := quorum.Sleep(ctx, 10*time.Second)
			woken, wall = w.Now(), before
			return err
		})
	})
	n.SetDrift(2)
	n.Start()
	pass(t, w, time.Second)
	n.JumpClock(-time.Hour)
	pass(t, w, time.Minute)
	if woken < 5*time.Second || woken > 5*time.Second+time.Millisecond {
		t.Errorf("a clock that runs twice as fast woke its task after %v", woken)
	}
	if d := n.host.Now().Sub(wall); d > -50*time.Minute {
		t.Errorf("the wall clock went by %v", d)
	}
}

// A paused node does nothing, and then goes on.
func TestPause(t *testing.T) {
	w := New(1, nil)
	defer w.Close()
	ticks := 0
	n := w.AddNode(1, func(n *Node) {
		n.Runtime().Go("main", func(ctx context.Context) error {
			for quorum.Sleep(ctx, time.Millisecond) == nil {
				ticks++
			}
			return nil
		})
	})
	n.Start()
	pass(t, w, 100*time.Millisecond)
	before := ticks
	n.Pause(time.Second)
	pass(t, w, time.Second-time.Millisecond)
	if ticks > before+1 || before < 50 {
		t.Errorf("%d ticks before and %d after a second's pause", before, ticks)
	}
	pass(t, w, 100*time.Millisecond)
	if ticks < before+50 {
		t.Error("it does not go on")
	}
}
