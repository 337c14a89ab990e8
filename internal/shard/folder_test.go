package shard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

func testDisk(fs *faultfs.FS, node quorum.NodeID) Disk {
	return Disk{FS: fs, Dir: "replica", Identity: Identity{Cluster: wal.DatabaseID{1}, Node: node}, SegmentBytes: 1 << 20}
}

// reopen opens a folder, looks at its checkpoint and closes it.
func reopen(d Disk) (*openedFolder, error) {
	f, err := openFolder(d, &Options{}, rand.New(rand.NewPCG(3, 4)))
	if err != nil {
		return nil, err
	}
	if f.manifest != nil {
		var problems error
		_, err := checkpoint.Check(d.FS, f.Path(folder.Checkpoint), checkpoint.DatabaseID(d.Identity.Cluster), func(err error) { problems = errors.Join(problems, err) }, nil)
		if err := errors.Join(err, problems); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	return f, f.close()
}

// crashes keeps file systems as they are after a power loss before each change.
type crashes struct {
	sync.Mutex
	rng *rand.Rand
	all []*faultfs.FS
	at  []string
}

// crashAll has crashes noted: of as many changes as are wanted.
func crashAll(fs *faultfs.FS, most int) *crashes {
	c := &crashes{rng: rand.New(rand.NewPCG(5, 6))}
	fs.SetHook(func(op faultfs.Op) error {
		c.Lock()
		defer c.Unlock()
		if op.Kind.Changes() && len(c.all) < most {
			c.all, c.at = append(c.all, fs.Crash(c.rng), fs.Clone()), append(c.at, op.String(), op.String())
		}
		return nil
	})
	return c
}

// TestCrashWhileFounded: a folder is founded in the end, wherever the attempts before it ended.
func TestCrashWhileFounded(t *testing.T) {
	fs := faultfs.New(1)
	c := crashAll(fs, 1000)
	if _, err := reopen(testDisk(fs, 1)); err != nil {
		t.Fatal(err)
	}
	fs.SetHook(nil)
	if len(c.all) < 10 {
		t.Fatalf("there were %d changes", len(c.all))
	}
	for i, fs := range c.all {
		if _, err := reopen(testDisk(fs, 1)); err != nil {
			t.Errorf("crash before %s: %v", c.at[i], err)
			continue
		}
		if _, err := reopen(testDisk(fs, 2)); !errors.Is(err, dberr.ErrForeignFolder) {
			t.Errorf("crash before %s: another node: %v", c.at[i], err)
		}
		if err := outlasts(fs, 1); err != nil {
			t.Errorf("crash before %s, opened, then a power loss: %v", c.at[i], err)
		}
	}
}

// outlasts tells whether a replica's folder that was opened opens again after a power loss,
// whatever that leaves of what was not synced. It was opened behind a crash that has synced
// nothing of what was done before.
func outlasts(fs *faultfs.FS, node quorum.NodeID) error {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 8 {
		after := fs.Crash(rng)
		f, err := reopen(testDisk(after, node))
		if err != nil {
			return fmt.Errorf("%w; it had %v", err, fs.Names())
		}
		if names := fs.Names(); f.manifest == nil && slices.Contains(names, filepath.Join("replica", folder.Checkpoint, checkpoint.ManifestFile)) {
			return fmt.Errorf("the checkpoint is gone, there were %v", names)
		}
	}
	return nil
}

// TestStrangeFolders: a folder that is not this replica's, or is damaged, is refused and
// stays as it is; the error says what is wrong with which file.
func TestStrangeFolders(t *testing.T) {
	whole := faultfs.New(1)
	if _, err := reopen(testDisk(whole, 1)); err != nil {
		t.Fatal(err)
	}
	name := func(n string) string { return filepath.Join("replica", n) }
	edit := func(n string, f func([]byte) []byte) func(fs *faultfs.FS) error {
		return func(fs *faultfs.FS) error {
			b, err := fs.ReadFile(name(n))
			if err != nil {
				return err
			}
			return fs.WriteFile(name(n), f(append([]byte(nil), b...)))
		}
	}
	remove := func(n string) func(fs *faultfs.FS) error {
		return func(fs *faultfs.FS) error { return fs.Remove(name(n)) }
	}
	garble := func(b []byte) []byte {
		for i := range b {
			b[i] ^= 0x40
		}
		return b
	}
	for _, test := range []struct {
		what   string
		change func(fs *faultfs.FS) error
		want   error
		says   string
	}{
		{"another file", func(fs *faultfs.FS) error {
			return errors.Join(fs.Remove(name(folder.IdentityFile)), fs.WriteFile(name("photo.jpg"), []byte("x")))
		}, nil, folder.IdentityFile},
		{"no identity", remove(folder.IdentityFile), nil, folder.IdentityFile},
		{"empty identity", edit(folder.IdentityFile, func([]byte) []byte { return nil }), dberr.ErrCorrupt, folder.IdentityFile},
		{"long identity", edit(folder.IdentityFile, func([]byte) []byte { return make([]byte, 10_000) }), dberr.ErrCorrupt, folder.IdentityFile},
		{"other identity", edit(folder.IdentityFile, func(b []byte) []byte { return []byte(strings.Replace(string(b), "node 1", "node 7", 1)) }), dberr.ErrCorrupt, folder.IdentityFile},
		{"newer", edit(folder.IdentityFile, func([]byte) []byte { return []byte("godwit data folder\nformat 5\nwho knows") }), dberr.ErrNewerFormat, "format 5"},
		{"before format 3", edit(folder.IdentityFile, func([]byte) []byte { return []byte("godwit replica folder\nformat 1\nwho knows") }), dberr.ErrOlderFormat, "empty folder"},
		{"garbled identity", edit(folder.IdentityFile, garble), dberr.ErrCorrupt, folder.IdentityFile},
		{"no ballot", remove(folder.Ballot), dberr.ErrCorrupt, folder.Ballot},
		{"garbled ballot", edit(folder.Ballot, garble), dberr.ErrCorrupt, folder.Ballot},
		{"no reach", remove(folder.Reach), dberr.ErrCorrupt, folder.Reach},
		{"garbled reach", edit(folder.Reach, garble), dberr.ErrCorrupt, folder.Reach},
		{"garbled manifest", func(fs *faultfs.FS) error {
			return errors.Join(fs.MkdirAll(name(folder.Checkpoint)), fs.WriteFile(filepath.Join(name(folder.Checkpoint), checkpoint.ManifestFile), []byte("garbage")))
		}, dberr.ErrCorrupt, checkpoint.ManifestFile},
	} {
		fs := whole.Clone()
		if err := test.change(fs); err != nil {
			t.Fatal(err)
		}
		before := fmt.Sprint(fs.Names())
		_, err := reopen(testDisk(fs, 1))
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.what, err)
		}
		if after := fmt.Sprint(fs.Names()); after != before {
			t.Errorf("%s: the files are %s, were %s", test.what, after, before)
		}
	}
}

// TestCrashWhileCheckpoint: at any time in a checkpoint a folder opens again, with all that
// the log had: what the checkpoint shows and the log behind it follow on each other.
func TestCrashWhileCheckpoint(t *testing.T) {
	c := newCluster(t, 1)
	n := c.start(1)
	leader(t, n)
	for i := range 20 {
		n.mustPut(fmt.Sprint(i), make([]byte, 1000))
	}
	n.must(n.Checkpoint)
	n.mustPut("x", nil)
	crashed := crashAll(c.disks[1], 400)
	discardLog(t, n)
	var last wal.RoundNumber
	n.must(func(context.Context) error { last = n.Group().Status().Last; return nil })
	n.stop()
	c.disks[1].SetHook(nil)
	bases := map[wal.RoundNumber]bool{}
	for i, fs := range crashed.all {
		f, err := reopen(testDisk(fs, 1))
		if err != nil {
			t.Errorf("crash before %s: %v", crashed.at[i], err)
			continue
		}
		bases[f.base.Number] = true
		if err := outlasts(fs, 1); err != nil {
			t.Errorf("crash before %s, opened, then a power loss: %v", crashed.at[i], err)
		}
		if f.base.Number == 0 || f.base.Number > last {
			t.Errorf("crash before %s: the checkpoint ends at round %d", crashed.at[i], f.base.Number)
		}
	}
	if len(bases) < 2 {
		t.Errorf("checkpoints after crashes end at %v", bases)
	}
}
