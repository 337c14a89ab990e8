// Package godwitprom shows a Godwit database to Prometheus.
//
//	metrics := godwitprom.New("orders")
//	db, err := godwit.Open(dir, &godwit.Options{Metrics: metrics})
//	...
//	metrics.Watch(db)
//	prometheus.MustRegister(metrics)
//
// All metrics are named godwit_*, units are seconds and bytes, and the label db is
// the name given to New.
package godwitprom

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitdb/godwit"
)

// Collector is both the godwit.Metrics of a database and the
// prometheus.Collector that shows them, with the database's Stats.
type Collector struct {
	db       atomic.Pointer[godwit.DB]
	gauges   []stat
	released prometheus.Histogram
	synced   prometheus.Histogram
	bytes    prometheus.Counter
	made     prometheus.Histogram
}

// stat is one figure of godwit.Stats.
type stat struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*godwit.Stats) float64
}

// New returns a collector for a database that is labelled name.
func New(name string) *Collector {
	labels := prometheus.Labels{"db": name}
	histogram := func(name, help string, first float64, count int) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(first, 2, count),
		})
	}
	return &Collector{
		gauges:   stats(labels),
		released: histogram("godwit_release_seconds", "Time from the call of an update to its release.", 1e-6, 24),
		synced:   histogram("godwit_log_sync_seconds", "Time of a sync of the log.", 20e-6, 18),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "godwit_log_synced_bytes_total", Help: "Bytes of log made durable.", ConstLabels: labels}),
		made:     histogram("godwit_checkpoint_seconds", "Time of a checkpoint.", 0.01, 16),
	}
}

func stats(labels prometheus.Labels) []stat {
	var all []stat
	add := func(kind prometheus.ValueType, name, help string, read func(*godwit.Stats) float64) {
		all = append(all, stat{prometheus.NewDesc(name, help, nil, labels), kind, read})
	}
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	add(counter, "godwit_transactions_committed_total", "Transactions that wrote and executed.", func(s *godwit.Stats) float64 { return float64(s.Committed) })
	add(counter, "godwit_transaction_conflicts_total", "Attempts that had to be run again.", func(s *godwit.Stats) float64 { return float64(s.Conflicts) })
	add(counter, "godwit_transactions_favoured_total", "Attempts for which all other writers waited.", func(s *godwit.Stats) float64 { return float64(s.Favoured) })
	add(gauge, "godwit_waiting", "Callers that wait for a release.", func(s *godwit.Stats) float64 { return float64(s.Waiting) })
	add(gauge, "godwit_records", "Keys that exist.", func(s *godwit.Stats) float64 { return float64(s.Records) })
	add(gauge, "godwit_records_deleted", "Deleted keys that still take memory.", func(s *godwit.Stats) float64 { return float64(s.DeletedRecords) })
	add(gauge, "godwit_versions_old", "Replaced versions kept for snapshots.", func(s *godwit.Stats) float64 { return float64(s.OldVersions) })
	add(gauge, "godwit_snapshots", "Open snapshots.", func(s *godwit.Stats) float64 { return float64(s.Snapshots) })
	add(gauge, "godwit_snapshot_oldest_seconds", "Age of the oldest open snapshot.", func(s *godwit.Stats) float64 { return s.OldestSnapshot.Seconds() })
	add(gauge, "godwit_memory_limit_bytes", "Limit of the memory used.", func(s *godwit.Stats) float64 { return float64(s.MemoryLimitBytes) })
	add(gauge, "godwit_memory_used_bytes", "Memory of pages in use.", func(s *godwit.Stats) float64 { return float64(s.MemoryUsedBytes) })
	add(gauge, "godwit_memory_live_bytes", "Memory of objects.", func(s *godwit.Stats) float64 { return float64(s.MemoryLiveBytes) })
	add(gauge, "godwit_memory_retired_bytes", "Memory that waits for running transactions to end.", func(s *godwit.Stats) float64 { return float64(s.MemoryRetiredBytes) })
	add(counter, "godwit_log_rounds_total", "Rounds of group commit.", func(s *godwit.Stats) float64 { return float64(s.Log.Rounds) })
	add(counter, "godwit_log_written_bytes_total", "Bytes of log written, with headers and padding.", func(s *godwit.Stats) float64 { return float64(s.Log.WrittenBytes) })
	add(gauge, "godwit_log_pending_bytes", "Bytes of log executed and not yet written.", func(s *godwit.Stats) float64 { return float64(s.Log.PendingBytes) })
	add(gauge, "godwit_log_disk_bytes", "Size of the log's files.", func(s *godwit.Stats) float64 { return float64(s.Log.DiskBytes) })
	add(gauge, "godwit_log_failed", "1 if the log has failed and the database takes no writes.", func(s *godwit.Stats) float64 {
		if s.Log.Failed != nil {
			return 1
		}
		return 0
	})
	add(gauge, "godwit_checkpoint_timestamp_seconds", "When the newest checkpoint was made, 0 if there is none.", func(s *godwit.Stats) float64 {
		if s.Checkpoint.Created.IsZero() {
			return 0
		}
		return float64(s.Checkpoint.Created.UnixMilli()) / 1e3
	})
	add(gauge, "godwit_checkpoint_bytes", "Size of the newest checkpoint.", func(s *godwit.Stats) float64 { return float64(s.Checkpoint.Bytes) })
	return all
}

// Watch makes the collector show the Stats of db, which has to be open
// whenever metrics are collected; nil ends that.
func (c *Collector) Watch(db *godwit.DB) { c.db.Store(db) }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, s := range c.gauges {
		out <- s.desc
	}
	for _, m := range []prometheus.Collector{c.released, c.synced, c.bytes, c.made} {
		m.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	if db := c.db.Load(); db != nil {
		now := db.Stats()
		for _, s := range c.gauges {
			out <- prometheus.MustNewConstMetric(s.desc, s.kind, s.read(&now))
		}
	}
	for _, m := range []prometheus.Collector{c.released, c.synced, c.bytes, c.made} {
		m.Collect(out)
	}
}

// Released implements godwit.Metrics.
func (c *Collector) Released(latency time.Duration) { c.released.Observe(latency.Seconds()) }

// LogSynced implements godwit.Metrics.
func (c *Collector) LogSynced(latency time.Duration, bytes int64) {
	c.synced.Observe(latency.Seconds())
	c.bytes.Add(float64(bytes))
}

// Checkpointed implements godwit.Metrics.
func (c *Collector) Checkpointed(duration time.Duration, _ int64) { c.made.Observe(duration.Seconds()) }

var (
	_ godwit.Metrics       = (*Collector)(nil)
	_ prometheus.Collector = (*Collector)(nil)
)
