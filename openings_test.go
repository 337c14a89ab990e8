package godwit

import (
	"fmt"
	"testing"

	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// Each opening that writes begins a file of the log. Many short ones, which write
// far less than CheckpointBytes, leave few files and all data.
func TestOpeningsDoNotPileUpFiles(t *testing.T) {
	f := faultfs.New(1)
	o := onFaults(f)
	o.CheckpointBytes = 8 * o.LogSegmentBytes
	const openings = 2 * openingsMax
	most := 0
	for i := range openings {
		db, err := Open(proofDir, o)
		must(t, err)
		table, err := db.Table("t")
		if i == 0 {
			table = mustTable(t, db, "t", Ordered)
		} else {
			must(t, err)
		}
		must(t, db.Update(t.Context(), func(tx *Tx) error {
			keys := 0
			for range tx.Scan(table, Range{}) {
				keys++
			}
			if keys != i {
				t.Errorf("%d keys after %d openings", keys, i)
			}
			return tx.Put(table, fmt.Append(nil, i), nil)
		}))
		must(t, db.Close())
		names, err := f.List(db.store.logDir())
		must(t, err)
		most = max(most, len(names))
	}
	// Beside the segments, the one that is prepared and spares.
	if allowed := 2*8 + openingsMax + 2; most > allowed || most < openingsMax {
		t.Errorf("%d openings left up to %d files, expected at most %d", openings, most, allowed)
	}
}
