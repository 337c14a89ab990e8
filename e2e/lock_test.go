package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/godwitdb/godwit"
)

// hold is the role that opens a folder, writes one transaction, and keeps the
// folder open until its input ends.
func hold(c config, r *reporter) error {
	f, err := openFixture(c)
	if err != nil {
		return err
	}
	err = f.db.Update(context.Background(), func(tx *godwit.Tx) error { return f.write(tx, 1, 1, 0) })
	if err == nil {
		r.send(message{Kind: ready})
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	return errors.Join(err, f.db.Close())
}

// TestSecondProcess: while a process has a folder, no other gets it, and nothing
// is changed by trying; when it is gone, however it went, the next one does.
func TestSecondProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	holder := spawn(t, config{Role: "hold", Dir: dir})
	holder.await(ready)
	for range 3 {
		if db, err := godwit.Open(dir, nil); !errors.Is(err, godwit.ErrLocked) {
			t.Fatalf("a second process got %v, %v", db, err)
		}
	}
	holder.kill()
	holder.wait()

	db, err := godwit.Open(dir, nil)
	if err != nil {
		t.Fatalf("after the holder was killed: %v", err)
	}
	table, err := db.Table(ordered)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx *godwit.Tx) error {
		n, err := number(tx, table, key(1, 0))
		if n != 1 {
			t.Errorf("the holder's transaction left %d", n)
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
