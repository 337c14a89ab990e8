package wal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// GathererOptions say what is gathered. Streams, Clock and Wake are required.
type GathererOptions struct {
	// Streams are those of NewStreams, of no other log. They may hold records already.
	Streams []*Stream
	// Clock is the one that their records take their timestamps from.
	Clock *hlc.Clock
	// Wake is called when something is pending after nothing was: once, then not before
	// the next Gather. Workers call it in passing, and Gather; it must not block and
	// not call the Gatherer. Now and then it is called though nothing is left to gather.
	Wake func()
	// PendingBytesMax is how many bytes may be pending before Throttle holds workers up;
	// 0 stands for the default. Each commit phase that has begun may add a record, and
	// Admit lets one through that is larger than the bound.
	PendingBytesMax int64
	// Shed makes Throttle and Admit refuse (dberr.ErrOverloaded) where they would wait:
	// in the simulator, where nobody else could run meanwhile.
	Shed bool
	// Time, if not nil, makes workers yield now and then, so that who gathers gets a
	// processor. The simulator has no use for it.
	Time env.Clock
	// Gathered, if not nil, is called by Gather behind each stream that it has taken
	// from. The simulator, where nothing else runs meanwhile, appends records there:
	// those leave a round open.
	Gathered func()
}

// Gatherer makes rounds of what the streams have, for a log that is kept elsewhere. It
// takes the part of a Log towards the streams and the engine (occ.Log): a gate
// that is closed while too much is pending, or for a reason that Shut gives.
type Gatherer struct {
	group
	gathering
	opt       GathererOptions
	waiters   waiters
	watermark hlc.Timestamp
	newest    hlc.Timestamp // the largest timestamp of a gathered record
	uncrowded int           // how many rounds in a row a processor was left for others than workers

	mu struct {
		sync.Mutex
		kept int64 // what Admit has let through and Done not taken back
		shut error
	}
}

// uncrowdedRounds is after how many rounds that not all processors had records for workers yield no more.
const uncrowdedRounds = 64

// NewGatherer takes over the streams, which Detach gives back.
func NewGatherer(o GathererOptions) (*Gatherer, error) {
	orDefault(&o.PendingBytesMax, PendingBytesMaxDefault)
	switch {
	case o.Clock == nil || o.Wake == nil:
		return nil, errors.New("wal: Clock and Wake are required")
	case len(o.Streams) == 0 || len(o.Streams) > StreamsMax:
		return nil, fmt.Errorf("wal: %d streams, allowed are 1 to %d", len(o.Streams), StreamsMax)
	case o.PendingBytesMax < 0:
		return nil, errors.New("wal: PendingBytesMax is not negative")
	}
	g := &Gatherer{opt: o, gathering: newGathering(o.Streams, o.Clock)}
	if o.Gathered != nil {
		g.gathered = func(int) { o.Gathered() }
	}
	g.wake, g.group.clock = o.Wake, o.Time
	g.roundBytes = max(1, o.PendingBytesMax/2) // somebody may hold it who is about to be held up
	g.pendingLimit.Store(o.PendingBytesMax)
	g.yielding.Store(true)
	for _, s := range o.Streams {
		s.Lock()
		s.log = &g.group
		s.Unlock()
	}
	g.rest()
	return g, nil
}

// Detach gives the streams back: they are locks again that collect records.
func (g *Gatherer) Detach() {
	for _, s := range g.streams {
		s.Lock()
		s.log = nil
		s.Unlock()
	}
}

// Gather makes a round of data of what is pending; number and epoch are the
// caller's to fill in. Its payload is nil if there are no records; its watermark counts
// all the same. It waits for workers in their commit phases. One goroutine at a time calls it.
func (g *Gatherer) Gather() Round {
	g.flusher.Store(flusherBusy)
	g.hurried.Store(false)
	watermark, bytes := g.take(g.watermark)
	g.noteCrowd()
	payload, closed, newest := encodePayload(g.batches, bytes)
	g.recycle()
	g.watermark, g.newest = watermark, max(g.newest, newest)
	if pending := g.pendingBytes.Add(-bytes); pending <= g.opt.PendingBytesMax/2 {
		g.gate.And(^gatePending)
	}
	g.waiters.notify()
	g.rest()
	return Round{Kind: RoundData, Watermark: watermark, Last: max(watermark, closed), Payload: payload}
}

// GatherSoon is Gather for who has no time: it returns false if a worker is in a long commit phase, or
// there are more than bytesMax bytes of records. Gather has to follow then, and goes on from there.
func (g *Gatherer) GatherSoon(bytesMax int) (Round, bool) {
	g.flusher.Store(flusherBusy)
	if !g.collect(false) || g.bytes > int64(bytesMax) {
		return Round{}, false
	}
	return g.Gather(), true
}

// noteCrowd has workers yield unless a processor is left for the network and who gathers. A worker that had
// nothing for a moment may be back at once, so that takes some rounds in a row.
func (g *Gatherer) noteCrowd() {
	if g.uncrowded++; g.crowded() {
		g.uncrowded = 0
	}
	g.yielding.Store(g.uncrowded < uncrowdedRounds)
}

// Open tells whether a record that was gathered is above the watermark, because it was
// appended while others were being gathered: then another round has to follow at once,
// an empty one if need be. It belongs to who calls Gather.
func (g *Gatherer) Open() bool { return g.newest > g.watermark }

// PendingBytes returns about how much is pending; a stream counts what it has in steps.
func (g *Gatherer) PendingBytes() int64 { return g.pendingBytes.Load() }

// rest has workers call Wake from now on. As in Stream.unlock: it says so, then looks at
// every stream, unless somebody does who holds it.
func (g *Gatherer) rest() {
	g.flusher.Store(flusherIdle)
	if (g.held.Load() == 0 || g.hurried.Swap(false)) && g.pending() {
		g.wakeFlusher()
	}
}

// Hold keeps Wake from being called, until Release, for what is appended in between: it goes into one round.
func (g *Gatherer) Hold() { g.held.Add(1) }

// Held tells whether somebody holds.
func (g *Gatherer) Held() bool { return g.held.Load() > 0 }

// Release ends a Hold. It tells whether the caller has to do what Wake does.
func (g *Gatherer) Release() bool {
	return g.held.Add(-1) == 0 && g.flusher.Load() == flusherIdle && g.pending() && g.flusher.CompareAndSwap(flusherIdle, flusherBusy)
}

// Hurry has Wake called in spite of a Hold: somebody waits for what he has appended or read, and it may be his.
func (g *Gatherer) Hurry() {
	if g.held.Load() == 0 {
		return
	}
	g.hurried.Store(true)
	if g.flusher.Load() == flusherIdle {
		g.wakeFlusher()
	}
}

// Shut turns workers away with an error until Reopen: the member does not lead.
func (g *Gatherer) Shut(err error) {
	g.mu.Lock()
	g.mu.shut = err
	g.mu.Unlock()
	g.gate.Or(gateClosed)
	g.waiters.notify()
}

// Reopen takes back Shut.
func (g *Gatherer) Reopen() {
	g.mu.Lock()
	g.mu.shut = nil
	g.mu.Unlock()
	g.gate.And(^gateClosed)
	g.waiters.notify()
}

// Throttle lets a worker through to its commit phase while not too much is pending. It
// waits for that, or returns dberr.ErrOverloaded if the Gatherer sheds; Shut's error
// if it is shut, and ctx's if that ends while it waits.
func (g *Gatherer) Throttle(ctx context.Context) error {
	if g.gate.Load() == 0 {
		return nil
	}
	return g.await(ctx, func() bool { return g.gate.Load()&gatePending == 0 })
}

// Admit lets a record of so many bytes through, AdmitBytes at least, and keeps room for it
// until Done. Its errors are Throttle's.
func (g *Gatherer) Admit(ctx context.Context, bytes int) error {
	return g.await(ctx, func() bool { return g.keep(int64(bytes)) })
}

// Done gives back what Admit has kept: the record was appended, or will not be.
func (g *Gatherer) Done(bytes int) {
	g.mu.Lock()
	g.mu.kept -= int64(bytes)
	g.mu.Unlock()
	g.waiters.notify()
}

// keep keeps room if there is some. A record that is larger than all room there is gets
// it while no other has, and not much is pending.
func (g *Gatherer) keep(bytes int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	pending, most := g.pendingBytes.Load(), g.opt.PendingBytesMax
	if pending+g.mu.kept+bytes > most && (g.mu.kept > 0 || pending > most/2) {
		return false
	}
	g.mu.kept += bytes
	return true
}

// await waits until ready says so.
func (g *Gatherer) await(ctx context.Context, ready func() bool) error {
	return g.waiters.await(ctx, func() (bool, error) {
		g.mu.Lock()
		shut := g.mu.shut
		g.mu.Unlock()
		switch {
		case shut != nil:
			return true, shut
		case ready():
			return true, nil
		case g.opt.Shed:
			return true, dberr.ErrOverloaded
		}
		return false, nil
	})
}
