package godwit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
)

// The tests in the files proof_*_test.go are about what the whole database
// promises. Those that draw their course at random run a few seeds; the variable
// GODWIT_SOAK makes it that many times as many, and GODWIT_SEED makes it only
// the one seed (goroutines still run as they like, so try it a few times).

// proofDir is the data folder on file systems in memory.
const proofDir = "data/base"

// forSeeds runs test for n seeds: in a race build for a third of them, and for a sixth
// if the tests are to be short.
func forSeeds(t *testing.T, n int, test func(t *testing.T, seed uint64)) {
	t.Helper()
	switch {
	case testing.Short():
		n = (n + 5) / 6
	case raceBuild:
		n = (n + 2) / 3
	}
	first := uint64(1)
	if s := os.Getenv("GODWIT_SOAK"); s != "" {
		factor, err := strconv.Atoi(s)
		must(t, err)
		n *= factor
		first = rand.Uint64() >> 1 // what was run before is known to pass
	}
	if s := os.Getenv("GODWIT_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		must(t, err)
		first, n = seed, 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { test(t, seed) })
		if t.Failed() {
			return
		}
	}
}

// stride is how far apart the cases are that a race build tries, where opening a
// database is slow; others try all.
func stride(race int) int {
	if raceBuild {
		return race
	}
	return 1
}

// openBare opens a database like Open, without Validate: segments can be
// smaller than users may have them, so that small tests see many.
func openBare(dir string, o Options) (*DB, error) {
	o = o.withDefaults()
	db := newDB(dir, o)
	if err := db.open(); err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return db, nil
}

// onFaults are options for a small database on f.
func onFaults(f *faultfs.FS) *Options {
	return &Options{fs: f, MemoryLimit: MinMemoryLimit, LogSegmentBytes: 1 << 20, Workers: 2}
}

// content is what a database holds: table, key, value.
type content map[string]map[string]string

func (c content) clone() content {
	d := content{}
	for name, table := range c {
		d[name] = maps.Clone(table)
	}
	return d
}

// diff returns what is different in got, "" if nothing is.
func (c content) diff(got content) string {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		g, ok := got[name]
		if !ok {
			return fmt.Sprintf("table %s is missing", name)
		}
		for _, k := range slices.Sorted(maps.Keys(c[name])) {
			if v, ok := g[k]; !ok || v != c[name][k] {
				return fmt.Sprintf("table %s: %q is %.40q (%d bytes, there: %v), want %.40q (%d bytes)", name, k, v, len(v), ok, c[name][k], len(c[name][k]))
			}
		}
		for k, v := range g {
			if _, ok := c[name][k]; !ok {
				return fmt.Sprintf("table %s: %q should not be there: %.40q", name, k, v)
			}
		}
	}
	for name := range got {
		if c[name] == nil {
			return fmt.Sprintf("table %s should not be there", name)
		}
	}
	return ""
}

// dump returns what the database holds, in hashed tables too.
func dump(db *DB) (content, error) {
	snap, tables, err := db.snapshotAll(context.Background())
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	c := content{}
	for _, table := range tables[1:] { // the first is the catalog
		if c[table.name], err = rowsOf(snap, table); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// rowsOf returns what a snapshot has of a table.
func rowsOf(snap *occ.Snapshot, table *Table) (map[string]string, error) {
	rows := map[string]string{}
	err := image.WalkTable(context.Background(), snap, table.inner(), func(key, value []byte) error {
		k := string(key)
		if old, twice := rows[k]; twice && old != string(value) {
			return fmt.Errorf("table %s: %q is there twice, as %.40q and %.40q", table.name, k, old, value)
		}
		rows[k] = string(value)
		return nil
	})
	return rows, err
}

func mustDump(t testing.TB, db *DB) content {
	t.Helper()
	c, err := dump(db)
	must(t, err)
	return c
}

// diskContent returns all files of a file system, but for those that a lock
// makes.
func diskContent(t testing.TB, f *faultfs.FS) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range f.Names() {
		c, err := f.ReadFile(name)
		must(t, err)
		if len(c) > 0 {
			files[name] = c
		}
	}
	return files
}

func sameDisk(a, b map[string][]byte) error {
	var errs []error
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			errs = append(errs, fmt.Errorf("%s has changed: %d bytes, now %d", name, len(a[name]), len(b[name])))
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			errs = append(errs, fmt.Errorf("%s has been made, %d bytes", name, len(b[name])))
		}
	}
	return errors.Join(errs...)
}

// poll waits until check returns nil, and leaves the processor to others in
// between.
func poll(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for err := check(); err != nil; err = check() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}
