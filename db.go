package godwit

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/speculate"
)

const (
	// maintainBusy and maintainIdle are how often garbage is looked after while
	// there is some and while there is none.
	maintainBusy = 2 * time.Millisecond
	maintainIdle = 100 * time.Millisecond
	// scavengeEvery is how often free memory is given back to the system.
	scavengeEvery = time.Second
	// prepareEvery is how often memory is got for growth to come.
	prepareEvery = 20 * time.Millisecond
	// clockEvery is how often the clock follows the wall.
	clockEvery = 50 * time.Millisecond
)

// DB is an open database. Its methods may be called from any number of
// goroutines.
type DB struct {
	dir    string
	opts   Options
	logger *slog.Logger

	arena   *arena.Arena
	clock   *hlc.Clock
	engine  *occ.Engine
	gate    speculate.Course // what is on the disk; its points are timestamps
	log     *wal.Log         // nil with DurabilityNone
	store   *store           // nil with DurabilityNone
	replica *replica         // not nil in one that is replicated; the others are nil then
	catalog knownTables
	clients clients

	checkpointing  gatekeeper // one checkpoint at a time
	checkpointRuns atomic.Bool
	lastCheckpoint atomic.Pointer[checkpoint.Manifest]
	// checkpointBytes is how much of the running checkpoint is written.
	// checkpointStuck: the last one found no room, so keeping some for the next one is
	// of no use.
	checkpointBytes atomic.Int64
	checkpointStuck atomic.Bool

	// replayedBytes is how much log the last recovery replayed, settledBytes how
	// much of that and of what was written since a checkpoint has made
	// superfluous.
	replayedBytes int64
	settledBytes  atomic.Int64

	// attach, if not nil, gives checkpoints their attachment.
	attach func(hlc.Timestamp) (string, error)

	recoveryTook time.Duration
	opened       time.Time // when recovery had ended

	sessions atomic.Uint32 // how many were made

	closing sync.Once
	closed  chan struct{} // closed when Close has begun
	closeOK error
	tasks   sync.WaitGroup
}

// Open opens the database in the folder dir, and makes it if there is none. It
// returns when everything that was released before is there again. A nil opts
// means all defaults.
//
// ErrLocked: the folder is open already. ErrHalfRestored: a restore to it was not
// finished. ErrCorrupt: stored data is damaged; the CorruptionError names file and
// offset, and nothing was changed. ErrForeignFolder: the folder is of another node or
// cluster, or an embedded database's if it is a replica that is opened, or the other way.
func Open(dir string, opts *Options) (*DB, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	o := opts.withDefaults()
	switch {
	case o.Durability == DurabilityNone && dir != "":
		return nil, errors.New("godwit: a database with DurabilityNone has no folder; give an empty one")
	case o.Durability != DurabilityNone && dir == "":
		return nil, errors.New("godwit: no folder given")
	}
	db := newDB(dir, o)
	open := db.open
	if o.Cluster != nil {
		open = db.openReplicated
	}
	if err := open(); err != nil {
		return nil, fmt.Errorf("godwit: open %s: %w", dir, err)
	}
	return db, nil
}

func newDB(dir string, o Options) *DB {
	closed := make(chan struct{})
	return &DB{
		dir: dir, opts: o, logger: o.Logger, clock: &hlc.Clock{}, closed: closed,
		checkpointing: newGatekeeper(closed), catalog: knownTables{changes: newGatekeeper(closed)},
		clients: clients{due: make(chan struct{}, 1)},
	}
}

func (db *DB) open() (err error) {
	var undo closers
	defer func() {
		if err != nil {
			undo.close()
		}
	}()
	if db.opts.Durability != DurabilityNone {
		if db.store, err = openStore(db.opts.fs, db.dir); err != nil {
			return err
		}
		undo.add(db.store.Close)
	}
	if db.arena, err = arena.New(db.opts.MemoryLimit); err != nil {
		return err
	}
	undo.add(db.arena.Close)
	db.clock.Observe(hlc.FromTime(time.Now()))
	streams := wal.NewStreams(db.opts.Workers)
	var log occ.Log
	if db.store != nil {
		log = logOf{db}
	}
	db.engine = occ.New(occ.Config{
		Arena:    db.arena,
		Clock:    db.clock,
		Streams:  streams,
		Log:      log,
		Released: db.released,
	})
	if _, err = db.engine.AddTable(catalog.TableID()); err != nil {
		return err
	}
	if db.store != nil {
		if err = db.recover(streams); err != nil {
			return err
		}
		undo.add(db.log.Close)
	}
	if err = db.openCatalog(); err != nil {
		return err
	}
	db.tasks.Go(db.maintain)
	db.tasks.Go(db.forgetClients)
	if db.store != nil {
		db.settleOpenings()
		db.tasks.Go(db.checkpointWhenDue)
	}
	return nil
}

// maintain looks after garbage and the clock until the database is closed.
func (db *DB) maintain() {
	timer := time.NewTimer(maintainIdle)
	defer timer.Stop()
	var scavenged, prepared, ticked time.Time
	for {
		select {
		case <-db.closed:
			return
		case now := <-timer.C:
			if now.Sub(ticked) >= clockEvery {
				db.clock.Observe(hlc.FromTime(now))
				ticked = now
			}
			if now.Sub(prepared) >= prepareEvery {
				db.arena.Prepare()
				prepared = now
			}
			next := maintainIdle - time.Duration(now.UnixNano())%maintainIdle // when the server's own looks are, too
			if db.engine.Maintain() {
				next = maintainBusy
			}
			if now.Sub(scavenged) >= scavengeEvery {
				if err := db.arena.Scavenge(); err != nil {
					db.logger.Warn("memory was not given back", "error", err)
				}
				scavenged = now
			}
			timer.Reset(next)
		}
	}
}

// Close ends the database: it waits for running transactions, makes everything
// that is executed durable, and returns when no goroutine and no memory of the
// database is left. Sessions, snapshots and transactions fail with ErrClosed
// from the moment it is called, and so do checkpoints and backups that run. It must
// not be called from the function of a transaction, which it would wait for.
//
// A replica that leads first hands the lead over to a member that is up to date, so that nobody has to
// wait for an election, and tells those who wait what has become of their transactions; the next leader is
// the one to ask then (ErrNotLeader). That takes at most Cluster.ElectionTimeout. If there is no such member, the
// outcome of what is not released is unknown.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.closeOK = db.end()
		if db.store != nil {
			db.closeOK = errors.Join(db.closeOK, db.store.Close())
		}
	})
	return db.closeOK
}

// end is Close but for the folder, which is still held.
func (db *DB) end() error {
	if db.replica != nil {
		db.replica.handOver()
		close(db.closed)
		db.tasks.Wait()
		return db.replica.closeErr
	}
	close(db.closed)
	db.engine.Close()
	db.tasks.Wait()
	// Whoever is in there still works on the folder or on memory.
	db.checkpointing.await()
	db.catalog.changes.await()
	var err error
	if db.log != nil {
		err = db.log.Close()
	}
	db.gate.Fail(ErrClosed)
	return errors.Join(err, db.arena.Close())
}

// closers undoes the steps of an opening that failed.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() {
	for i := len(*c) - 1; i >= 0; i-- {
		_ = (*c)[i]() // the first error is what counts
	}
}
