package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
)

// snapshotsMax and snapshotsTime bound how long TestSnapshotsUnderLoad looks.
const (
	snapshotsMax  = 3000
	snapshotsTime = 5 * time.Second
)

// TestSnapshotsUnderLoad opens one snapshot after the other under the load that
// TestKill makes, tables that come and go included. Each shows whole transactions
// only.
//
// The garbage collection used to ask first which snapshots were open, and then
// freed versions that had been kept for one opened in between. Under this load
// that showed within the first few hundred snapshots.
func TestSnapshotsUnderLoad(t *testing.T) {
	c := config{Dir: filepath.Join(t.TempDir(), "data"), Background: true}
	f, err := openFixture(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	unheard := newReporter(io.Discard)
	var tasks sync.WaitGroup
	start := func(task func() error) {
		tasks.Go(func() {
			if err := task(); err != nil {
				t.Error(err)
			}
		})
	}
	start(func() error { return f.replaceTables(ctx, c, unheard, 0) })
	for client := 1; client < writers; client++ {
		start(func() error { return f.writeAsync(ctx, c, unheard, client, 0) })
	}
	for client := range listClients {
		start(func() error { return f.appendToLists(ctx, c, unheard, client) })
	}
	end := time.Now().Add(snapshotsTime)
	for n := 0; n < snapshotsMax && time.Now().Before(end) && !t.Failed(); n++ {
		f.checkSnapshot(t, n)
	}
	stop()
	tasks.Wait()
	if err := f.db.Close(); err != nil {
		t.Error(err)
	}
}

// checkSnapshot checks what the clients have written as a new snapshot shows it.
func (f *fixture) checkSnapshot(t *testing.T, n int) {
	t.Helper()
	snapshot, err := f.db.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	var said bytes.Buffer
	err = snapshot.View(t.Context(), func(tx *godwit.Tx) error {
		_, err := f.verifyClients(tx, config{}, newReporter(&said))
		return err
	})
	if err != nil {
		t.Errorf("snapshot %d: %v", n, err)
	}
	for line := range bytes.Lines(said.Bytes()) {
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		t.Errorf("snapshot %d: %s", n, m.Text)
	}
}
