package occ

import (
	"context"
	"hash/maphash"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/epoch"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/index"
	"github.com/godwitdb/godwit/internal/wal"
)

// Config is what an engine is built on.
type Config struct {
	Arena *arena.Arena
	Clock *hlc.Clock
	// Streams are the log streams, one per worker.
	Streams []*wal.Stream
	// Log, if not nil, is what the streams belong to: commits are appended to them.
	// Without, they serve as the workers' locks alone.
	Log Log
	// Released returns the timestamp up to which everything is released.
	Released func() hlc.Timestamp
	// Undo makes the engine keep what a commit replaces until the commit is released:
	// what is not can be taken back (RollBack).
	Undo bool
	// HashSeed, if not 0, gives hashed tables with keys of eight bytes one order in all runs,
	// which is not secret then: the simulator wants that.
	HashSeed uint64
}

// Log is what commits need of the log, beside its streams: that it has room for
// their records before they are visible.
type Log interface {
	// Throttle waits until there is room for records of less than wal.AdmitBytes.
	Throttle(ctx context.Context) error
	// Admit waits until there is room for a larger one, and keeps it until Done.
	Admit(ctx context.Context, bytes int) error
	Done(bytes int)
}

// Engine is the tables of one database and the workers that commit to them.
type Engine struct {
	arena    *arena.Arena
	clock    *hlc.Clock
	domain   *epoch.Domain
	released func() hlc.Timestamp
	undo     bool
	log      Log
	seed     maphash.Seed
	whiten   uint64 // secret, for the hash of keys of eight bytes
	hashSeed uint64 // Config.HashSeed
	workers  []*Worker
	next     atomic.Uint32 // round robin over workers, for Begin

	// closed is set by Close; whoever enters afterwards is turned away.
	closed atomic.Bool

	// snapMax is the largest timestamp of an open snapshot, 0 if nobody can read from
	// one, and the largest possible while one is being opened. snapMin is the smallest
	// one, the largest possible without any. Written under
	// the lock of snaps; commits read them inside their commit phase.
	snapMax, snapMin atomic.Uint64
	snaps            struct {
		sleepingMutex
		open []*Snapshot // in the order of their timestamps
		// void counts those that were rolled back and that somebody may still be
		// reading from.
		void int
	}
	// closedSnaps counts closed snapshots, so that workers look again at the
	// versions that they kept.
	closedSnaps atomic.Uint64

	tables struct {
		sync.RWMutex
		byID    map[TableID]*Table
		dropped []*Table // not yet freed
	}
	// freedRecords counts keys that went with their tables.
	freedRecords atomic.Int64
	// keeper is the memory of work that belongs to no worker.
	keeper struct {
		sync.Mutex
		mem index.Mem
		pin *epoch.Pin // of Maintain
	}
	favours favours
	term    term
	// replayed is the largest timestamp that was replayed. Replayers raise it.
	replayed hlc.Clock
	over     Tx // see Tx.Over
}

// New returns an engine without tables.
func New(c Config) *Engine {
	e := &Engine{
		arena:    c.Arena,
		clock:    c.Clock,
		domain:   epoch.NewDomain(),
		released: c.Released,
		undo:     c.Undo,
		log:      c.Log,
		seed:     maphash.MakeSeed(),
		hashSeed: c.HashSeed,
	}
	e.whiten = maphash.Bytes(e.seed, []byte("whiten"))
	e.snaps.sleepingMutex = make(sleepingMutex, 1)
	e.snapMin.Store(math.MaxUint64)
	e.tables.byID = map[TableID]*Table{}
	e.favours.init()
	e.over.err = ErrTxDone
	e.keeper.mem = index.Mem{Cache: c.Arena.NewCache(), Limbo: e.domain.NewLimbo()}
	e.keeper.pin = e.domain.NewPin()
	// An empty table takes little, and a database that was full has to open again.
	e.keeper.mem.Cache.Overdraft = arena.LargeOverdraft
	for i, s := range c.Streams {
		e.workers = append(e.workers, newWorker(e, i, s))
	}
	return e
}

// Workers returns how many workers the engine has.
func (e *Engine) Workers() int { return len(e.workers) }

// Stats are counts since the engine was made.
type Stats struct {
	Commits   uint64 // transactions that wrote and committed
	Conflicts uint64 // attempts, of readers too, that have to run again
	Records   int64  // keys present
	Versions  int64  // old versions kept for snapshots
	Undoable  int64  // changes that are remembered because they are not released
	Deleted   int64  // deleted records that are still in an index
	Retired   int64  // bytes that wait for a grace period
	Favoured  uint64 // attempts that others had to wait for
	Snapshots int    // open snapshots
	// OldestSnapshot is the timestamp of the oldest open snapshot, 0 if none.
	OldestSnapshot hlc.Timestamp
}

// Stats adds up what the workers have counted.
func (e *Engine) Stats() Stats {
	var s Stats
	for _, w := range e.workers {
		w.stream.Lock()
		s.Commits += w.commits
		s.Records += w.records
		s.Versions += int64(w.kept.count)
		s.Undoable += int64(w.undoable.Len())
		s.Deleted += int64(w.tombs.Len() + w.blocked.Len())
		s.Retired += w.mem.Limbo.Bytes()
		w.stream.Unlock()
		s.Conflicts += w.conflicts.Load()
	}
	s.Records -= e.freedRecords.Load()
	s.Favoured = e.favours.given()
	e.snaps.Lock()
	defer e.snaps.Unlock()
	s.Snapshots = len(e.snaps.open)
	if s.Snapshots > 0 {
		s.OldestSnapshot = e.snaps.open[0].at
	}
	return s
}

// Close turns new transactions away and returns when those that run have ended.
// The engine's memory may be unmapped then.
func (e *Engine) Close() {
	if !e.closed.Swap(true) {
		close(e.favours.closed)
	}
	e.tables.Lock()   // whoever is making a table
	e.tables.Unlock() //nolint:staticcheck // the empty section is the point
	for n := 0; !e.domain.Empty(); n++ {
		if n < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(closePoll)
		}
	}
}

// closePoll is how often Close looks whether transactions have ended.
const closePoll = time.Millisecond

// sleepingMutex is a lock whose holder may sleep: whoever waits for it is known to
// wait, also to tests in virtual time.
type sleepingMutex chan struct{}

// Lock takes the lock.
func (m sleepingMutex) Lock() { m <- struct{}{} }

// Unlock gives it back.
func (m sleepingMutex) Unlock() { <-m }
