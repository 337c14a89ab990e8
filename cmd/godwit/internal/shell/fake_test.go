package shell_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"
	"github.com/godwitdb/godwit/internal/dberr"
)

// state is the content of a fake: tables by name, values by key.
type state map[string]map[string]string

func (st state) clone() state {
	c := state{}
	for name, t := range st {
		c[name] = maps.Clone(t)
	}
	return c
}

// fake is a Store whose transactions work on a copy of everything, and conflict
// if anything at all was written meanwhile.
type fake struct {
	mu     sync.Mutex
	now    state
	hashed map[string]bool
	writes int // how many transactions have written

	backup   string            // what Backup writes
	restored map[string]string // what Restore read, by folder
	failWith error             // what Update returns, if set
	blocked  bool              // whether Update waits for its context to end
}

func newFake() *fake {
	return &fake{now: state{}, hashed: map[string]bool{}, restored: map[string]string{}, backup: "the data"}
}

func (f *fake) CreateTable(_ context.Context, name string, hashed bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[name] != nil {
		return fmt.Errorf("%w: table %q", dberr.ErrExists, name)
	}
	f.now[name] = map[string]string{}
	f.hashed[name] = hashed
	return nil
}

func (f *fake) DropTable(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[name] == nil {
		return fmt.Errorf("%w: %q", dberr.ErrNoTable, name)
	}
	delete(f.now, name)
	return nil
}

func (f *fake) Tables() []shell.Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []shell.Table
	for _, name := range slices.Sorted(maps.Keys(f.now)) {
		all = append(all, shell.Table{Name: name, Hashed: f.hashed[name]})
	}
	return all
}

func (f *fake) Update(ctx context.Context, fn func(shell.Tx) error) error {
	if f.blocked {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.failWith != nil {
		return f.failWith
	}
	for {
		f.mu.Lock()
		tx := &fakeTx{fake: f, data: f.now.clone(), writable: true}
		began := f.writes
		f.mu.Unlock()
		if err := fn(tx); err != nil {
			return err
		}
		f.mu.Lock()
		won := began == f.writes
		if won && tx.wrote {
			f.now = tx.data
			f.writes++
		}
		f.mu.Unlock()
		if won {
			return nil
		}
	}
}

func (f *fake) View(_ context.Context, fn func(shell.Tx) error) error {
	f.mu.Lock()
	tx := &fakeTx{fake: f, data: f.now.clone()}
	f.mu.Unlock()
	return fn(tx)
}

func (f *fake) Snapshot(context.Context) (shell.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &fakeSnapshot{fakeTx{fake: f, data: f.now.clone()}}, nil
}

func (f *fake) Checkpoint(context.Context) error { return nil }

func (f *fake) Backup(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, f.backup)
	return err
}

func (f *fake) Restore(_ context.Context, dir string, r io.Reader) error {
	all, err := io.ReadAll(r)
	f.restored[dir] = string(all)
	return err
}

func (f *fake) Stats() []shell.Stat { return []shell.Stat{{"transactions", fmt.Sprint(f.writes)}} }

type fakeSnapshot struct{ tx fakeTx }

func (s *fakeSnapshot) View(_ context.Context, fn func(shell.Tx) error) error { return fn(&s.tx) }
func (s *fakeSnapshot) Close()                                                {}

type fakeTx struct {
	fake     *fake
	data     state
	writable bool
	wrote    bool
	err      error
}

func (tx *fakeTx) table(name string) (map[string]string, error) {
	if t := tx.data[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %q", dberr.ErrNoTable, name)
}

func (tx *fakeTx) Get(table string, key []byte) ([]byte, error) {
	t, err := tx.table(table)
	if err != nil {
		return nil, err
	}
	value, ok := t[string(key)]
	if !ok {
		return nil, dberr.ErrNotFound
	}
	return []byte(value), nil
}

func (tx *fakeTx) Put(table string, key, value []byte) error {
	t, err := tx.table(table)
	if err != nil {
		return err
	}
	if !tx.writable {
		return dberr.ErrReadOnly
	}
	tx.wrote = true
	t[string(key)] = string(value)
	return nil
}

func (tx *fakeTx) Insert(table string, key, value []byte) error {
	if _, err := tx.Get(table, key); err == nil {
		return dberr.ErrExists
	}
	return tx.Put(table, key, value)
}

func (tx *fakeTx) Delete(table string, key []byte) error {
	t, err := tx.table(table)
	delete(t, string(key))
	tx.wrote = true
	return err
}

func (tx *fakeTx) DeleteRange(table string, from, to []byte) (int, error) {
	n := 0
	for key := range tx.Scan(table, shell.Range{From: from, To: to}) {
		n++
		if err := tx.Delete(table, key); err != nil {
			return n, err
		}
	}
	return n, tx.err
}

func (tx *fakeTx) Scan(table string, r shell.Range) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		t, err := tx.table(table)
		if err == nil && tx.fake.hashed[table] {
			err = dberr.ErrNoOrder
		}
		if err != nil {
			tx.err = err
			return
		}
		keys := slices.Sorted(maps.Keys(t))
		if r.Reverse {
			slices.Reverse(keys)
		}
		n := 0
		for _, k := range keys {
			key := []byte(k)
			if bytes.Compare(key, r.From) < 0 || r.To != nil && bytes.Compare(key, r.To) >= 0 {
				continue
			}
			if n++; r.Limit > 0 && n > r.Limit || !yield(key, []byte(t[k])) {
				return
			}
		}
	}
}

func (tx *fakeTx) Err() error { return tx.err }
