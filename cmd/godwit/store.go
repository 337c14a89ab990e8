package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"reflect"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"
)

// store shows a database to the shell. Tables go by their names.
type store struct{ db *godwit.DB }

func (s store) CreateTable(ctx context.Context, name string, hashed bool) error {
	kind := godwit.Ordered
	if hashed {
		kind = godwit.Hashed
	}
	_, err := s.db.CreateTable(ctx, name, kind)
	return err
}

func (s store) DropTable(ctx context.Context, name string) error { return s.db.DropTable(ctx, name) }

func (s store) Tables() []shell.Table {
	all := s.db.Tables()
	list := make([]shell.Table, len(all))
	for i, t := range all {
		list[i] = shell.Table{Name: t.Name(), Hashed: t.Kind() == godwit.Hashed}
	}
	return list
}

func (s store) Update(ctx context.Context, f func(shell.Tx) error) error {
	return s.db.Update(ctx, s.in(f))
}

func (s store) View(ctx context.Context, f func(shell.Tx) error) error {
	return s.db.View(ctx, s.in(f))
}

func (s store) Snapshot(ctx context.Context) (shell.Snapshot, error) {
	snapshot, err := s.db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return storeSnapshot{s, snapshot}, nil
}

func (s store) Checkpoint(ctx context.Context) error          { return s.db.Checkpoint(ctx) }
func (s store) Backup(ctx context.Context, w io.Writer) error { return s.db.Backup(ctx, w) }

func (s store) Restore(ctx context.Context, dir string, r io.Reader) error {
	return godwit.Restore(ctx, dir, r)
}

func (s store) Stats() []shell.Stat { return flatten("", reflect.ValueOf(s.db.Stats())) }

// flatten lists the fields of a struct of figures, those of structs in it under
// both names.
func flatten(prefix string, v reflect.Value) []shell.Stat {
	var list []shell.Stat
	for field, value := range v.Fields() {
		name := prefix + field.Name
		var text string
		switch v := value.Interface().(type) {
		case time.Time:
			if text = "never"; !v.IsZero() {
				text = v.Format(time.RFC3339)
			}
		case nil: // an error that is not there
			text = "none"
		default:
			if value.Kind() == reflect.Struct {
				list = append(list, flatten(name+".", value)...)
				continue
			}
			text = fmt.Sprint(v)
		}
		list = append(list, shell.Stat{Name: name, Value: text})
	}
	return list
}

// in makes a transaction's function for the shell one for the database.
func (s store) in(f func(shell.Tx) error) func(*godwit.Tx) error {
	return func(tx *godwit.Tx) error { return f(&storeTx{db: s.db, tx: tx}) }
}

// storeSnapshot is a snapshot for the shell.
type storeSnapshot struct {
	store    store
	snapshot *godwit.Snapshot
}

func (s storeSnapshot) View(ctx context.Context, f func(shell.Tx) error) error {
	return s.snapshot.View(ctx, s.store.in(f))
}

func (s storeSnapshot) Close() { s.snapshot.Close() }

// storeTx is a transaction for the shell.
type storeTx struct {
	db  *godwit.DB
	tx  *godwit.Tx
	err error // of finding the table of the last Scan
}

func (t *storeTx) Get(table string, key []byte) ([]byte, error) {
	in, err := t.db.Table(table)
	if err != nil {
		return nil, err
	}
	return t.tx.Get(in, key)
}

func (t *storeTx) Put(table string, key, value []byte) error {
	in, err := t.db.Table(table)
	if err != nil {
		return err
	}
	return t.tx.Put(in, key, value)
}

func (t *storeTx) Insert(table string, key, value []byte) error {
	in, err := t.db.Table(table)
	if err != nil {
		return err
	}
	return t.tx.Insert(in, key, value)
}

func (t *storeTx) Delete(table string, key []byte) error {
	in, err := t.db.Table(table)
	if err != nil {
		return err
	}
	return t.tx.Delete(in, key)
}

func (t *storeTx) DeleteRange(table string, from, to []byte) (int, error) {
	in, err := t.db.Table(table)
	if err != nil {
		return 0, err
	}
	return t.tx.DeleteRange(in, from, to)
}

func (t *storeTx) Scan(table string, r shell.Range) iter.Seq2[[]byte, []byte] {
	in, err := t.db.Table(table)
	if t.err = err; err != nil {
		return func(func([]byte, []byte) bool) {}
	}
	if in.Kind() == godwit.Hashed {
		// The database would end the transaction for that.
		t.err = godwit.ErrNoOrder
		return func(func([]byte, []byte) bool) {}
	}
	return t.tx.Scan(in, godwit.Range{From: r.From, To: r.To, Reverse: r.Reverse, Limit: r.Limit})
}

func (t *storeTx) Err() error {
	if t.err != nil {
		return t.err
	}
	return t.tx.Err()
}
