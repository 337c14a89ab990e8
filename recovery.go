package godwit

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/speculate"
)

// progressEvery is how often a long recovery says how far it is.
const progressEvery = 5 * time.Second

// recover brings back what the folder holds: the newest checkpoint, then the log
// behind it, and opens the log for writing.
func (db *DB) recover(streams []*wal.Stream) error {
	start := time.Now()
	from, found, err := db.replay(min(len(streams), runtime.GOMAXPROCS(0)))
	if err != nil {
		return err
	}
	// Only now, since an opening that fails changes nothing.
	if _, err := checkpoint.Cleanup(db.store.FS, db.store.checkpointDir()); err != nil {
		return err
	}
	db.replayedBytes = found.Bytes
	released := max(from, found.Watermark)
	db.gate.Advance(speculate.Point(released))
	if db.log, err = wal.Open(db.logOptions(streams), found); err != nil {
		return err
	}
	db.gate.OnWait = db.log.Hurry
	db.opened = time.Now()
	db.recoveryTook = db.opened.Sub(start)
	db.logger.Info("recovered", "folder", db.dir, "checkpoint", uint64(from), "log", found.Bytes, "dropped", found.Dropped, "released", uint64(released),
		"records", db.engine.Stats().Records, "took", db.recoveryTook)
	return nil
}

// replay brings the engine to the state of the newest checkpoint and the log
// behind it, with so many goroutines.
func (db *DB) replay(goroutines int) (from hlc.Timestamp, found *wal.Recovered, err error) {
	r := &replay{db: db, replayers: make([]*occ.Replayer, goroutines)}
	r.begin()
	defer r.end()
	if from, err = db.loadCheckpoint(r.replayers); err != nil {
		return 0, nil, err
	}
	if found, err = db.replayLog(r, from); err != nil {
		return 0, nil, err
	}
	return from, found, r.expectToFit()
}

// replay is a running recovery. Its memory has the bound that the database has: what
// the log deletes again is collected on the way.
type replay struct {
	db        *DB
	replayers []*occ.Replayer
	// due is the memory in use at which it is time to collect.
	due int64
}

const (
	// replayDueDivisor: garbage is collected when this part of the memory's limit is
	// in use, and when replayGrowthDivisor of it came to what was left of that.
	replayDueDivisor    = 2
	replayGrowthDivisor = 16
	// replayMemoryFactor is about how much memory the replay of so much log takes, if
	// its records are small.
	replayMemoryFactor = 2
)

func (r *replay) begin() {
	for i := range r.replayers {
		r.replayers[i] = r.db.engine.NewReplayer(i)
	}
	limit := r.db.arena.LimitBytes()
	r.due = max(limit/replayDueDivisor, r.db.arena.UsedBytes()+limit/replayGrowthDivisor)
}

func (r *replay) end() {
	for _, p := range r.replayers {
		p.Close()
	}
}

// collectDue tells whether to collect before so many bytes of log are replayed.
func (r *replay) collectDue(bytes int64) bool {
	return r.db.arena.UsedBytes()+replayMemoryFactor*bytes > r.due
}

// collect frees what the log up to applied has deleted again.
func (r *replay) collect(applied hlc.Timestamp) error {
	r.end()
	defer r.begin()
	next, known, err := r.db.readCatalog()
	if err != nil {
		return err
	}
	// A table that the catalog does not know is dropped, or is created by what is not
	// replayed yet, and then its number is not among those that were given.
	r.db.forgetTables(func(id occ.TableID) bool { return id.Number() < next && !known[id] })
	r.db.engine.CollectReplayed(applied)
	return nil
}

// expectToFit returns ErrMemoryFull if what is there in the end is more than the limit
// allows, and than the same data can take when it is put back in another order.
func (r *replay) expectToFit() error {
	limit := r.db.arena.LimitBytes()
	most := limit + limit/replayGrowthDivisor
	if r.db.arena.LiveBytes() <= most {
		return nil
	}
	if err := r.collect(hlc.Max); err != nil {
		return err
	}
	if live := r.db.arena.LiveBytes(); live > most {
		return fmt.Errorf("%w: there are %d bytes of data, the limit is %d", ErrMemoryFull, live, limit)
	}
	return nil
}

// loadCheckpoint loads the newest checkpoint and returns its timestamp, 0 if
// there is none.
func (db *DB) loadCheckpoint(replayers []*occ.Replayer) (hlc.Timestamp, error) {
	m, ok, err := checkpoint.Latest(db.store.FS, db.store.checkpointDir())
	if err != nil || !ok {
		return 0, err
	}
	if err := m.ExpectDatabase(db.store.id); err != nil {
		return 0, err
	}
	db.clock.Observe(m.Timestamp)
	total := m.Total()
	report := db.reportProgress("loading the checkpoint")
	err = image.Load(db.store.FS, db.store.checkpointDir(), &m, db.engine, replayers, func(bytes, _ int64) error {
		report(bytes, total.Bytes)
		return nil
	})
	if err != nil {
		return 0, err
	}
	db.lastCheckpoint.Store(&m)
	return m.Timestamp, nil
}

// apply applies the log records of one batch.
func (r *replay) apply(worker int, b *wal.Batch) error {
	p := r.replayers[worker]
	p.Begin()
	defer p.End()
	var w wal.Write
	reader := b.Read()
	for reader.Next() {
		for reader.NextWrite(&w) {
			t, err := r.db.engine.AddTable(occ.TableID(w.Table))
			if err != nil {
				return err
			}
			if w.Kind == wal.KindDelete {
				err = p.Delete(t, w.Key, reader.Timestamp())
			} else {
				err = p.Put(t, w.Key, w.Value, reader.Timestamp())
			}
			if err != nil {
				return fmt.Errorf("apply the log: %w", err)
			}
		}
	}
	return reader.Err()
}

// reportProgress returns a function that logs now and then how many bytes
// are done. It may be called by several goroutines.
func (db *DB) reportProgress(what string) func(done, total int64) {
	var mu sync.Mutex
	last := time.Now()
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) >= progressEvery {
			last = time.Now()
			db.logger.Info(what, "bytes", done, "of", total)
		}
	}
}
