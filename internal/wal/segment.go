package wal

import (
	"errors"
	"fmt"
	"io/fs"
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

// segmentFiles looks after the files: it prepares the next segment while one is
// written, and takes back those that are not needed any more.
//
// A file becomes a segment by being renamed, when it has its full size and a
// first block of zeros, and both are durable. It becomes a spare the same way.
type segmentFiles struct {
	log   *Log
	opt   *Options
	found *Recovered // what Recover has found; the first segment links to it

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
		spares      []string
		nextSpare   uint64
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
	sf.mu.past = found.segments
	sf.mu.nextSpare = 1
	for _, n := range found.spares {
		sf.mu.nextSpare = max(sf.mu.nextSpare, n+1)
	}
	for _, n := range found.spares {
		if err := sf.keepSpare(spareName(l.opt.Dir, n)); err != nil {
			return nil, err
		}
	}
	for _, n := range found.unused {
		spare, err := sf.retire(segmentName(l.opt.Dir, n))
		if err != nil {
			return nil, err
		}
		sf.addSpare(spare)
	}
	return sf, nil
}

// keepSpare keeps a spare file of the right size if there are not too many, and
// removes it otherwise.
func (sf *segmentFiles) keepSpare(name string) error {
	info, err := sf.opt.FS.Stat(name)
	if err != nil {
		return err
	}
	if info.SizeBytes != sf.opt.SegmentBytes || len(sf.mu.spares) >= sf.opt.SparesMax {
		return sf.opt.FS.Remove(name)
	}
	sf.mu.spares = append(sf.mu.spares, name)
	return nil
}

// retire makes a spare of a file that is no segment any more, and returns its name, or
// removes it.
func (sf *segmentFiles) retire(name string) (spare string, err error) {
	info, err := sf.opt.FS.Stat(name)
	if err != nil {
		return "", err
	}
	if info.SizeBytes == sf.opt.SegmentBytes && sf.reserveIsFree(0) {
		spare = sf.nextSpare()
	}
	if spare == "" {
		return "", sf.opt.FS.Remove(name)
	}
	return spare, sf.opt.FS.Rename(name, spare)
}

// nextSpare returns the name for one more spare, "" if there are enough.
func (sf *segmentFiles) nextSpare() string {
	sf.mu.Lock()
	defer sf.mu.Unlock()
	if len(sf.mu.spares) >= sf.opt.SparesMax {
		return ""
	}
	sf.mu.nextSpare++
	return spareName(sf.opt.Dir, sf.mu.nextSpare-1)
}

// addSpare says that a spare can be used.
func (sf *segmentFiles) addSpare(name string) {
	sf.mu.Lock()
	defer sf.mu.Unlock()
	if name != "" {
		sf.mu.spares = append(sf.mu.spares, name)
	}
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
					p.segment, err = sf.prepare(n)
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
		full := env.IsDiskFull(err) || errors.Is(err, dberr.ErrDiskFull)
		if full != (l.gate.Load()&gateDiskFull != 0) {
			if full {
				l.gate.Or(gateDiskFull)
			} else {
				l.gate.And(^gateDiskFull)
			}
			l.notify()
		}
		switch {
		case err == nil:
			return nil
		case full && !errors.Is(err, dberr.ErrDiskFull):
			err = fmt.Errorf("%w: %w", dberr.ErrDiskFull, err)
		case full:
		default:
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

// prepare makes the file of segment n: from a spare if there is one.
func (sf *segmentFiles) prepare(n SegmentNumber) (*preparedSegment, error) {
	fs, dir := sf.opt.FS, sf.opt.Dir
	name, err := sf.takeSpare()
	if err != nil {
		return nil, err
	}
	seg := &preparedSegment{number: n}
	if err := fs.Rename(name, segmentName(dir, n)); err != nil {
		return nil, errors.Join(err, fs.Remove(name))
	}
	if err := fs.SyncDir(dir); err != nil {
		return nil, err
	}
	if seg.file, err = fs.Open(segmentName(dir, n)); err != nil {
		return nil, err
	}
	if seg.size, err = seg.file.Size(); err != nil {
		return nil, errors.Join(err, seg.file.Close())
	}
	return seg, nil
}

// takeSpare returns the name of a file that can become a segment.
func (sf *segmentFiles) takeSpare() (string, error) {
	sf.mu.Lock()
	var name string
	if n := len(sf.mu.spares); n > 0 {
		name, sf.mu.spares = sf.mu.spares[n-1], sf.mu.spares[:n-1]
	}
	made := name == ""
	if made {
		name = spareName(sf.opt.Dir, sf.mu.nextSpare)
		sf.mu.nextSpare++
	}
	sf.mu.Unlock()
	var err error
	if made {
		if err := sf.leavesReserve(sf.opt.SegmentBytes); err != nil {
			return "", err
		}
		err = makeSpare(sf.opt.FS, name, sf.opt.SegmentBytes)
	} else {
		err = wipe(sf.opt.FS, name)
	}
	if err != nil {
		return "", errors.Join(err, sf.opt.FS.Remove(name))
	}
	return name, nil
}

// makeSpare makes a file of zeros.
func makeSpare(fsys env.FS, name string, bytes int64) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Preallocate(bytes), f.Close())
}

// reserveSpare makes a file that reads as zeros, which are not written.
func reserveSpare(fsys env.FS, name string, bytes int64) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Reserve(bytes), f.Close())
}

// wipe overwrites the header of a segment that was.
func wipe(fsys env.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, blockBytes), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
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
	err := sf.untilRoom(func() error { return seg.file.Preallocate(bytes) })
	l.stalled.Store(false)
	if err != nil {
		return nil, errors.Join(err, seg.file.Close())
	}
	seg.size = bytes
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
// ts. The folder is synced after each, so that a crash never leaves a hole, and
// what was a segment is written to only when it is none any more for sure.
func (sf *segmentFiles) truncateBefore(ts hlc.Timestamp) error {
	sf.truncating.Lock()
	defer sf.truncating.Unlock()
	for {
		oldest, ok := sf.superfluous(ts)
		if !ok {
			return nil
		}
		spare, err := sf.retire(segmentName(sf.opt.Dir, oldest))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// If it was not there, it was retired before, and then the folder not synced.
		if err := sf.opt.FS.SyncDir(sf.opt.Dir); err != nil {
			return err
		}
		sf.mu.Lock()
		sf.mu.past = sf.mu.past[1:]
		sf.mu.Unlock()
		sf.addSpare(spare)
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
