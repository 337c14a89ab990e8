package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

const (
	segmentSuffix = ".seg"
	sparePrefix   = "spare-"
)

// segmentName returns the name of a segment's file.
func segmentName(dir string, n SegmentNumber) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", uint64(n), segmentSuffix))
}

func spareName(dir string, n uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x", sparePrefix, n))
}

// parseHex reads the number in a file's name.
func parseHex(digits string) (uint64, bool) {
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && len(digits) == 16 && strings.ToLower(digits) == digits
}

// parseSegmentName tells which segment a file is.
func parseSegmentName(base string) (SegmentNumber, bool) {
	digits, ok := strings.CutSuffix(base, segmentSuffix)
	if !ok {
		return 0, false
	}
	n, ok := parseHex(digits)
	return SegmentNumber(n), ok && n > 0
}

func parseSpareName(base string) (uint64, bool) {
	digits, ok := strings.CutPrefix(base, sparePrefix)
	if !ok {
		return 0, false
	}
	return parseHex(digits)
}

// pastSegment is one that is not written any more.
type pastSegment struct {
	number SegmentNumber
	bytes  int64         // of the file
	last   hlc.Timestamp // the largest in it or before it
}

// segmentFiles looks after a Log's files: it prepares the next segment while one is
// written, and takes back those that are not needed any more.
type segmentFiles struct {
	log    *Log
	opt    *Options
	folder files
	found  *Recovered // what Recover has found; the first segment links to it

	requests chan SegmentNumber // to the preparer, which has one at a time
	prepared chan preparation   // its answer
	turn     chan struct{}      // holds something while Admit waits for room
	stop     chan struct{}
	done     chan struct{}

	// truncating is held by who removes or cuts past segments. That takes as long as
	// the disk does, which nobody waits for who needs mu.
	truncating sync.Mutex
	mu         struct {
		sync.Mutex
		past        []pastSegment // in order
		activeBytes int64         // of the segment that is being written, 0 if there is none yet
		left        int64         // of that, where nothing is written yet
		ahead       int64         // likewise of the prepared segment, 0 if there is none
		kept        int64         // room that Admit keeps for records that are not pending yet
	}
}

type preparation struct {
	segment *preparedSegment
	err     error
}

func newSegmentFiles(l *Log, found *Recovered) (*segmentFiles, error) {
	sf := &segmentFiles{
		log: l, opt: &l.opt, found: found,
		requests: make(chan SegmentNumber, 1), prepared: make(chan preparation, 1),
		turn: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	sf.folder = files{
		fs: l.opt.FS, dir: l.opt.Dir, segmentBytes: l.opt.SegmentBytes, sparesMax: l.opt.SparesMax,
		lazy:    l.opt.SyncInterval > 0, // nobody waits for a sync
		mayMake: sf.leavesReserve, mayKeep: func() bool { return sf.reserveIsFree(0) },
	}
	sf.mu.past = found.segments
	return sf, sf.folder.adopt(found.spares, found.unused)
}

// start starts the preparer. close stops it.
func (sf *segmentFiles) start() {
	sf.requests <- sf.found.segment + 1
	go func() {
		defer close(sf.done)
		for {
			select {
			case n := <-sf.requests:
				var p preparation
				p.err = sf.untilRoom(func() (err error) {
					p.segment, err = sf.folder.prepare(n, 0)
					return err
				})
				sf.handOver(p)
			case <-sf.stop:
				return
			}
		}
	}()
}

func (sf *segmentFiles) close() error {
	close(sf.stop)
	<-sf.done
	select {
	case p := <-sf.prepared:
		if p.segment != nil {
			return p.segment.file.Close()
		}
	default:
	}
	return nil
}

// untilRoom repeats do while the disk is full, which it lets everybody know.
// Other errors, which may pass too (too many open files), it takes only a few of.
// It gives up when the log is being closed.
func (sf *segmentFiles) untilRoom(do func() error) error {
	l := sf.log
	var timer env.Timer
	for failed := 0; ; {
		err := do()
		full := errors.Is(err, dberr.ErrDiskFull)
		if full != (l.gate.Load()&gateDiskFull != 0) {
			if full {
				l.gate.Or(gateDiskFull)
			} else {
				l.gate.And(^gateDiskFull)
			}
			l.notify()
		}
		if err == nil {
			return nil
		}
		if !full {
			if failed++; failed > retriesMax {
				return err
			}
		}
		if timer == nil {
			timer = l.opt.Clock.NewTimer(retryInterval)
			defer timer.Stop()
		} else {
			timer.Reset(retryInterval)
		}
		select {
		case <-timer.C():
		case <-l.closing:
			return err
		}
	}
}

// next returns the prepared segment, with room for bytes.
func (sf *segmentFiles) next(bytes int64) (*preparedSegment, error) {
	l := sf.log
	var p preparation
	select {
	case p = <-sf.prepared:
	default:
		l.stalled.Store(true)
		l.notify()
		p = <-sf.prepared
		l.stalled.Store(false)
	}
	seg := p.segment
	if p.err != nil {
		return nil, p.err
	}
	if seg.size >= bytes {
		return seg, nil
	}
	l.stalled.Store(true)
	err := sf.untilRoom(func() error { return seg.grow(bytes) })
	l.stalled.Store(false)
	if err != nil {
		return nil, errors.Join(err, seg.file.Close())
	}
	return seg, nil
}

// activated takes note that a segment is being written, and has the one after it
// prepared. last is the largest timestamp written so far.
func (sf *segmentFiles) activated(old, active *segment, last hlc.Timestamp) error {
	sf.mu.Lock()
	sf.mu.activeBytes, sf.mu.left, sf.mu.ahead = active.size, active.size-active.end, 0
	if old != nil {
		sf.mu.past = append(sf.mu.past, pastSegment{old.header.number, old.size, last})
	}
	sf.mu.Unlock()
	sf.requests <- active.header.number + 1
	if old == nil && sf.found.segment > 0 {
		return sf.cutRecovered()
	}
	return nil
}

// cutRecovered gives back the space behind the end of the segment in which the
// log ended when it was recovered. Its end is recorded in the next one by now.
func (sf *segmentFiles) cutRecovered() error {
	sf.truncating.Lock()
	defer sf.truncating.Unlock()
	end := sf.found.tail.end
	sf.mu.Lock()
	i := slices.IndexFunc(sf.mu.past, func(p pastSegment) bool { return p.number == sf.found.segment && p.bytes > end })
	sf.mu.Unlock()
	if i < 0 {
		return nil
	}
	f, err := sf.opt.FS.Open(segmentName(sf.opt.Dir, sf.found.segment))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(end), f.Close()); err != nil {
		return err
	}
	sf.mu.Lock()
	defer sf.mu.Unlock()
	sf.mu.past[i].bytes = end
	return nil
}

// truncateBefore retires the oldest segments as long as they hold nothing above
// ts. Each is durable, so that a crash never leaves a hole.
func (sf *segmentFiles) truncateBefore(ts hlc.Timestamp) error {
	sf.truncating.Lock()
	defer sf.truncating.Unlock()
	for {
		oldest, ok := sf.superfluous(ts)
		if !ok {
			return nil
		}
		if err := sf.folder.retire(segmentName(sf.opt.Dir, oldest)); err != nil {
			return err
		}
		sf.mu.Lock()
		sf.mu.past = sf.mu.past[1:]
		sf.mu.Unlock()
	}
}

// superfluous returns the oldest segment if it holds nothing above ts, and is not
// where the log goes on.
func (sf *segmentFiles) superfluous(ts hlc.Timestamp) (SegmentNumber, bool) {
	sf.mu.Lock()
	defer sf.mu.Unlock()
	past := sf.mu.past
	if len(past) == 0 || past[0].last > ts || len(past) == 1 && sf.mu.activeBytes == 0 {
		return 0, false
	}
	return past[0].number, true
}

// sizes returns how many segments there are and how many bytes their files have.
func (sf *segmentFiles) sizes() (segments int, bytes int64) {
	sf.mu.Lock()
	defer sf.mu.Unlock()
	segments = len(sf.mu.past)
	for _, p := range sf.mu.past {
		bytes += p.bytes
	}
	if sf.mu.activeBytes > 0 {
		segments++
	}
	return segments, bytes + sf.mu.activeBytes
}
