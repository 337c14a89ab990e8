package wal

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/hlc"
)

// followedMax bounds the records that are followed at a time. Of more nobody is told.
const followedMax = 1 << 12

// Following tells when records that were appended have become durable, of a few of them: it costs the rounds nothing while
// none is followed. The zero Following follows none.
type Following struct {
	// count is that of records. Who adds one counts it first and then reads the watermark; who moves the watermark writes
	// that first. So one of them sees what the other does.
	count     atomic.Int32
	watermark atomic.Uint64

	mu      sync.Mutex
	records []followed
}

// followed is a record that is not known to be durable.
type followed struct {
	ts    hlc.Timestamp
	taken bool        // into a round
	round RoundNumber // that has it, or a later one; 0: not known yet
	tell  func()
}

// Follow has tell called when the record of ts, which was appended before, is durable. tell must be quick. It is
// called at once if the watermark says so.
func (f *Following) Follow(ts hlc.Timestamp, tell func()) {
	if !f.add(ts, tell) {
		tell()
	}
}

// add is Follow unless the record is durable.
func (f *Following) add(ts hlc.Timestamp, tell func()) (added bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count.Add(1)
	if durable := ts <= hlc.Timestamp(f.watermark.Load()); durable || len(f.records) >= followedMax {
		f.count.Add(-1)
		return !durable
	}
	f.records = append(f.records, followed{ts: ts, tell: tell})
	return true
}

// Gather is called before a round takes what was appended.
func (f *Following) Gather() {
	if f.count.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.records {
		f.records[i].taken = true
	}
}

// Gathered tells the number of the last round that was made since Gather.
func (f *Following) Gathered(round RoundNumber) {
	if f.count.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.records {
		if r := &f.records[i]; r.taken && r.round == 0 {
			r.round = round
		}
	}
}

// Durable tells that all rounds up to one are durable, and its watermark.
func (f *Following) Durable(round RoundNumber, watermark hlc.Timestamp) {
	f.watermark.Store(uint64(watermark))
	if f.count.Load() == 0 {
		return
	}
	for _, r := range f.take(func(r followed) bool { return r.round != 0 && r.round <= round || r.ts <= watermark }) {
		r.tell()
	}
}

// Drop forgets what is not durable.
func (f *Following) Drop() { f.take(func(followed) bool { return true }) }

// take removes those records of which is says so.
func (f *Following) take(is func(followed) bool) (taken []followed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = slices.DeleteFunc(f.records, func(r followed) bool {
		if is(r) {
			taken = append(taken, r)
			return true
		}
		return false
	})
	f.count.Add(int32(-len(taken))) //nolint:gosec // it is bounded
	return taken
}
