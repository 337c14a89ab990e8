package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/godwitdb/godwit"
)

const (
	// insideVariable marks the process that may mount.
	insideVariable = "GODWIT_E2E_INSIDE"
	diskBytes      = 48 << 20
	// reserveBytes is what a file takes that is removed to make room again.
	reserveBytes = 16 << 20
	// What a transaction of churn writes: churnKeys keys, together churnBytes. So
	// TestSmallDisk writes five times what its disk holds.
	churnBytes = 80_000
	churnKeys  = 20
)

// TestFullDisk fills a small disk of its own. It runs in a process that has its
// own view of what is mounted, which needs no privileges where users may make
// namespaces.
func TestFullDisk(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		runInside(t)
		return
	}
	disk := smallDisk(t)
	reserve := filepath.Join(disk, "reserve")
	takeReserve := func() {
		t.Helper()
		if err := os.WriteFile(reserve, make([]byte, reserveBytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	takeReserve()

	// Until it is full, and beyond, in one process.
	dir := filepath.Join(disk, "data")
	p := &parent{t: t, dir: dir, expect: map[int]expectation{}, open: nil}
	child := spawn(t, config{Role: "fill", Dir: dir})
	for m := (message{}); m.Kind != refused; {
		m = p.mustTake(child)
	}
	if err := os.Remove(reserve); err != nil {
		t.Fatal(err)
	}
	full := p.expect[1].Acked
	for p.expect[1].Acked < full+10 {
		p.mustTake(child)
	}
	child.kill()
	p.drain(child)

	// Full again, and killed while it is. The next one finds the disk full.
	child = spawn(t, config{Role: "fill", Dir: dir, Expect: p.expect})
	for m := (message{}); m.Kind != refused; {
		m = p.mustTake(child)
	}
	child.kill()
	p.drain(child)
	if db, err := godwit.Open(dir, nil); err == nil {
		if err := db.Close(); err != nil && !errors.Is(err, godwit.ErrDiskFull) {
			t.Errorf("close on a full disk: %v", err)
		}
	} else if !errors.Is(err, godwit.ErrDiskFull) {
		t.Errorf("open on a full disk: %v", err)
	}
	checkFolder(t, dir)

	// With room again, everything is there. Growing the disk makes it.
	if err := unix.Mount("godwit-e2e", disk, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", 4*diskBytes)); err != nil {
		t.Fatal(err)
	}
	child = spawn(t, config{Role: "load", Dir: dir, Expect: p.expect, Seed: 1, Run: 1})
	p.runUntil(child, 100, child.kill)
	p.checkHistory()
	checkFolder(t, dir)
}

// smallDisk mounts a disk of diskBytes until the end of the test.
func smallDisk(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	if err := unix.Mount("godwit-e2e", disk, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// TestSmallDisk writes the same keys again and again, as fast as it can, until the
// log has taken many times the size of the disk. Checkpoints make room, without
// any help, and the database is killed and opened again on the way.
func TestSmallDisk(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		runInside(t)
		return
	}
	dir := filepath.Join(smallDisk(t), "data")
	const rounds, perRound = 3, 1000
	p := &parent{t: t, dir: dir, expect: map[int]expectation{}}
	for range rounds {
		child := spawn(t, config{Role: "churn", Dir: dir, Expect: p.expect})
		p.runUntil(child, perRound, child.kill)
		checkFolder(t, dir)
	}
	if p.acked < rounds*perRound {
		t.Errorf("%d transactions were acknowledged", p.acked)
	}
}

// churn is the role that writes the same keys again and again. A transaction
// writes churnBytes.
func churn(c config, r *reporter) error {
	db, err := godwit.Open(c.Dir, &godwit.Options{LogSegmentBytes: 4 << 20, MemoryLimit: 512 << 20})
	if err != nil {
		return err
	}
	table, err := openTable(db, "churn", godwit.Ordered)
	if err != nil {
		return err
	}
	last := uint64(0)
	err = db.View(context.Background(), func(tx *godwit.Tx) (err error) {
		last, err = number(tx, table, key(0, 0))
		for i := range churnKeys {
			if n, nerr := number(tx, table, key(0, uint64(i))); n != last {
				r.wrong("key %d is of transaction %d, key 0 of %d", i, n, last)
			} else if nerr != nil {
				return nerr
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if want := c.Expect[0]; last < want.Acked || last > want.Started && want.Started > 0 {
		r.wrong("transaction %d is the last one there; acknowledged up to %d, begun up to %d", last, want.Acked, want.Started)
	}
	r.send(message{Kind: ready})
	for n := last + 1; ; {
		r.send(message{Kind: started, Number: n})
		err := db.Update(context.Background(), func(tx *godwit.Tx) error {
			for i := range churnKeys {
				value := binary.BigEndian.AppendUint64(make([]byte, 0, churnBytes/churnKeys), n)
				if err := tx.Put(table, key(0, uint64(i)), value[:cap(value)]); err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case err == nil:
			r.send(message{Kind: acked, Number: n})
			n++
		case !errors.Is(err, godwit.ErrDiskFull) || errors.Is(err, godwit.ErrOutcomeUnknown):
			return fmt.Errorf("transaction %d: %w", n, err)
		}
	}
}

// runInside runs the test again in a process that may mount.
func runInside(t *testing.T) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	} else {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS // also keeps our mounts from spreading
		cmd.SysProcAttr.Cloneflags = 0
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
}

// fill is the role that checks what is there and then writes, one transaction
// after the other. When the disk is full it reports that once, checks that
// everything can still be read, and goes on trying until it is killed.
func fill(c config, r *reporter) error {
	f, err := openFixture(c)
	if err != nil {
		return err
	}
	last, err := f.verify(c, r)
	if err != nil {
		return err
	}
	r.send(message{Kind: ready})
	told := false
	for n := last[1] + 1; ; {
		r.send(message{Kind: started, Client: 1, Number: n})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := f.db.Update(ctx, func(tx *godwit.Tx) error { return f.write(tx, 1, n, 2) })
		cancel()
		switch {
		case err == nil:
			r.send(message{Kind: acked, Client: 1, Number: n})
			n++
		case errors.Is(err, godwit.ErrDiskFull):
			if !told {
				told = true
				f.readAll(r)
				r.send(message{Kind: refused, Text: err.Error()})
			}
		default:
			return fmt.Errorf("transaction %d: %w", n, err)
		}
	}
}

// readAll reads the whole database.
func (f *fixture) readAll(r *reporter) {
	err := f.db.View(context.Background(), func(tx *godwit.Tx) error {
		for range tx.Scan(f.ordered, godwit.Range{}) {
			continue
		}
		return tx.Err()
	})
	if err != nil {
		r.wrong("nothing can be read from a database whose disk is full: %v", err)
	}
}
