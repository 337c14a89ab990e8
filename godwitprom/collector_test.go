package godwitprom_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/godwitprom"
)

func TestCollector(t *testing.T) {
	metrics := godwitprom.New("test")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	db, err := godwit.Open(t.TempDir(), &godwit.Options{MemoryLimit: 64 << 20, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	metrics.Watch(db)
	table, err := db.CreateTable(t.Context(), "t", godwit.Ordered)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		err := db.Update(t.Context(), func(tx *godwit.Tx) error { return tx.Put(table, []byte("k"), []byte("v")) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	values := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); len(l) != 1 || l[0].GetValue() != "test" {
				t.Errorf("%s has labels %v", f.GetName(), l)
			}
			switch {
			case m.GetHistogram() != nil:
				values[f.GetName()] = float64(m.GetHistogram().GetSampleCount())
			case m.GetCounter() != nil:
				values[f.GetName()] = m.GetCounter().GetValue()
			default:
				values[f.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	for name, atLeast := range map[string]float64{
		"godwit_transactions_committed_total": 11, "godwit_release_seconds": 10, "godwit_log_sync_seconds": 1,
		"godwit_log_synced_bytes_total": 4096, "godwit_records": 1, "godwit_memory_used_bytes": 1 << 16,
		"godwit_checkpoint_seconds": 1, "godwit_checkpoint_bytes": 100, "godwit_log_disk_bytes": 4096,
	} {
		if got, ok := values[name]; !ok || got < atLeast {
			t.Errorf("%s = %v, want at least %v", name, got, atLeast)
		}
	}
	for name := range values {
		if !strings.HasPrefix(name, "godwit_") {
			t.Errorf("%s has another prefix", name)
		}
	}
	metrics.Watch(nil)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Gather(); err != nil {
		t.Errorf("after the database is closed: %v", err)
	}
}
