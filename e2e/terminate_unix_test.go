//go:build unix

package e2e

import (
	"maps"
	"path/filepath"
	"syscall"
	"testing"
)

// TestTerminate: a process that is asked to end under load closes its database,
// and the next one finds everything that was acknowledged.
func TestTerminate(t *testing.T) {
	for _, background := range []bool{false, true} {
		p := &parent{t: t, dir: filepath.Join(t.TempDir(), "data"), expect: map[int]expectation{}}
		// With a clean end nothing may be lost in the background either, so
		// p.background stays false.
		for run := range 3 {
			p.open = nil
			child := spawn(t, config{Role: "load", Dir: p.dir, Seed: uint64(run), Run: uint64(run), Background: background, Expect: maps.Clone(p.expect)})
			p.runUntil(child, 500, func() {
				if err := child.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			})
			if !p.closed {
				t.Errorf("run %d, background %v: the child ended without closing the database", run, background)
			}
		}
		p.checkHistory()
		checkFolder(t, p.dir)
	}
}
