package wal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/cpu"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
)

// Log is an open log. Its streams are its workers'; the other methods may be
// called by any goroutine.
type Log struct {
	group
	// durable is the watermark of the newest durable round. The flusher writes
	// it after the sync, so who reads it may let go of everything at or below.
	durable atomic.Uint64
	_       [cpu.CacheLineBytes]byte

	opt     Options
	files   *segmentFiles
	reach   *reachFile
	flush   *flusher
	stats   counters
	closing chan struct{} // closed by Close
	token   chan struct{} // carries at most one, which wakes the flusher
	tasks   sync.WaitGroup

	// syncsWanted counts the calls of Sync. The flusher reads it before it
	// gathers and writes syncsDone after that is durable.
	syncsWanted atomic.Uint64
	syncsDone   atomic.Uint64
	// stalled: the flusher has to wait for a segment.
	stalled atomic.Bool
	window  lossWindow
	// following has those records whose way somebody follows.
	following Following

	waiters waiters

	state struct {
		sync.Mutex
		failure error // why the log failed or could not be closed cleanly
		closed  bool
	}
}

// Open starts the log behind what Recover has found. The streams may be in use
// already; timestamps are above all recovered ones from now on.
func Open(o Options, found *Recovered) (*Log, error) {
	l, err := open(o, found)
	if err != nil {
		return nil, err
	}
	l.start()
	return l, nil
}

// open makes the log without its goroutines.
func open(o Options, found *Recovered) (_ *Log, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	if found.id != o.ID || found.dir != o.Dir {
		return nil, errors.New("wal: what was recovered is another log")
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, err
	}
	if err := o.FS.SyncDir(filepath.Dir(o.Dir)); err != nil {
		return nil, err
	}
	o.HLC.Observe(found.Last)
	l := &Log{opt: o, closing: make(chan struct{}), token: make(chan struct{}, 1)}
	l.wake, l.clock = l.passToken, o.Clock
	l.roundBytes = o.RoundBytes
	l.window.start = o.Clock.Now()
	l.durable.Store(uint64(found.Watermark))
	if l.reach, err = openReach(o.FS, o.Reach, o.ID); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.reach.close())
		}
	}()
	// What a crash has left is durable by now, and might rot before it is written to.
	if err := l.reach.raise(Reach{Segment: found.segment, Round: found.tail.round}); err != nil {
		return nil, err
	}
	if l.files, err = newSegmentFiles(l, found); err != nil {
		return nil, err
	}
	l.files.limitPending()
	l.flush = newFlusher(l, found)
	for _, s := range o.Streams {
		s.Lock()
		s.log = &l.group
		s.Unlock()
	}
	return l, nil
}

// start starts the goroutines. Close joins them.
func (l *Log) start() {
	l.files.start()
	l.tasks.Go(l.flush.run)
	if l.flush.background() {
		l.tasks.Go(l.guardWindow)
	}
}

// passToken ends the flusher's wait.
func (l *Log) passToken() {
	select {
	case l.token <- struct{}{}:
	default: // one is there already
	}
}

// Stream returns stream i.
func (l *Log) Stream(i int) *Stream { return l.opt.Streams[i] }

// Opened returns the round that the log went on behind when it was opened.
func (l *Log) Opened() Base { return l.files.found.tail.base }

// Durable returns the timestamp up to which every record is durable.
func (l *Log) Durable() hlc.Timestamp { return hlc.Timestamp(l.durable.Load()) }

// Follow has tell called when the record of ts, which was appended before, is durable, unless very many are followed.
// tell must be quick. Durable may be below ts then, if the record of another stream is not there yet.
func (l *Log) Follow(ts hlc.Timestamp, tell func()) { l.following.Follow(ts, tell) }

// Throttle lets a worker through to its commit phase if what it will append can
// be written in the foreseeable future. It waits while too much is pending. It
// returns an error that matches dberr.ErrDiskFull while there is no room,
// dberr.ErrLogFailed for ever after a failure, dberr.ErrClosed after Close, and
// ctx's if that ends while it waits.
func (l *Log) Throttle(ctx context.Context) error {
	if l.gate.Load() == 0 {
		return nil
	}
	return l.await(ctx, func() (bool, error) {
		gate := l.gate.Load()
		if gate&gateDiskFull != 0 && gate&(gateFailed|gateClosed) == 0 {
			return true, dberr.ErrDiskFull
		}
		return gate == 0, nil
	})
}

// Sync returns when everything that was appended before the call is durable. It
// returns the errors that Throttle does if that cannot be said; what was
// appended may be made durable later if it was dberr.ErrDiskFull or ctx's error,
// and after a failure it may be found by a recovery or not.
func (l *Log) Sync(ctx context.Context) error {
	want := l.syncsWanted.Add(1)
	l.wakeFlusher()
	return l.await(ctx, func() (bool, error) {
		if l.syncsDone.Load() >= want {
			return true, nil
		}
		if l.stalled.Load() && l.gate.Load()&gateDiskFull != 0 {
			return true, dberr.ErrDiskFull
		}
		return false, nil
	})
}

// await waits until ready says so, the log has failed or was closed, or ctx has
// ended. Whoever changes what ready looks at calls notify.
func (l *Log) await(ctx context.Context, ready func() (bool, error)) error {
	return l.waiters.await(ctx, func() (bool, error) {
		l.state.Lock()
		failure, closed := l.state.failure, l.state.closed
		l.state.Unlock()
		switch ok, err := ready(); {
		case ok:
			return true, err
		case failure != nil:
			return true, failure
		case closed:
			return true, dberr.ErrClosed
		}
		return false, nil
	})
}

// notify makes waiters look again.
func (l *Log) notify() { l.waiters.notify() }

// fail ends the log for good: whether what was written is on the disk is not
// known any more, and asking again would not tell (a later sync can succeed
// without it). The flusher calls it as the last thing that it does.
func (l *Log) fail(err error) {
	err = fmt.Errorf("%w: %w", dberr.ErrLogFailed, err)
	l.state.Lock()
	l.state.failure = err
	l.state.Unlock()
	l.gate.Or(gateFailed)
	l.notify()
	if l.opt.OnFailure != nil {
		l.opt.OnFailure(err)
	}
}

// Failure returns why the log has failed, nil if it has not.
func (l *Log) Failure() error {
	l.state.Lock()
	defer l.state.Unlock()
	return l.state.failure
}

// Full tells whether there was no room for the next segment when it was looked at
// last.
func (l *Log) Full() bool { return l.gate.Load()&gateDiskFull != 0 }

// TruncateBefore removes the segments whose rounds were all closed at or below
// ts, but not the one that is being written: a checkpoint at ts makes them
// superfluous.
func (l *Log) TruncateBefore(ts hlc.Timestamp) error {
	if err := l.Failure(); err != nil {
		return err
	}
	if err := l.reach.raise(Reach{Start: ts}); err != nil {
		return err
	}
	return l.files.truncateBefore(ts)
}

// Close writes and syncs what is pending, marks the log as closed and ends it.
// No worker may append any more. It returns an error if something that was
// appended did not get durable.
func (l *Log) Close() error {
	l.state.Lock()
	again := l.state.closed
	l.state.closed = true
	l.state.Unlock()
	if again {
		return dberr.ErrClosed
	}
	l.gate.Or(gateClosed)
	close(l.closing)
	l.wakeFlusher()
	l.notify()
	l.tasks.Wait()
	err := errors.Join(l.files.close(), l.reach.close())
	for _, s := range l.opt.Streams {
		s.Lock()
		s.log = nil
		s.Unlock()
	}
	if failure := l.Failure(); failure != nil {
		return failure
	}
	return errors.Join(l.flush.unwritten, err)
}
