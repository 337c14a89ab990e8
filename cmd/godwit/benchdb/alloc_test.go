//go:build !race && !invariants

package benchdb_test

import (
	"errors"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchdb"
)

// TestProceduresDoNotAllocate holds the whole path of a transaction of each
// workload, the database included, to no allocation.
func TestProceduresDoNotAllocate(t *testing.T) {
	const transactions = 4000
	for _, w := range workloads(t) {
		e := open(t, godwit.DurabilityNone, benchdb.Procedures)
		if err := w.Load(t.Context(), e, 1); err != nil {
			t.Fatal(err)
		}
		s, err := e.NewSession(0)
		if err != nil {
			t.Fatal(err)
		}
		worker, err := w.NewWorker(s, 0, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		run := func() {
			for range transactions {
				if _, _, err := worker.Run(); err != nil && !errors.Is(err, bench.ErrRollback) {
					t.Fatal(w.Name(), err)
				}
			}
		}
		run() // buffers grow to their size
		// The database's own goroutines may allocate a little meanwhile.
		if per := testing.AllocsPerRun(1, run) / transactions; per > 0.005 {
			t.Errorf("%s: %v allocations per transaction", w.Name(), per)
		}
		s.Close()
	}
}
