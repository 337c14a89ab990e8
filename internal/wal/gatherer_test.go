package wal

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

func newGatherer(t testing.TB, o GathererOptions) *Gatherer {
	t.Helper()
	if o.Clock == nil {
		o.Clock = &hlc.Clock{}
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	g, err := NewGatherer(o)
	must(t, err)
	return g
}

// txsOf returns the records of a round, in the order of its streams.
func txsOf(t testing.TB, r *Round) (all []tx) {
	t.Helper()
	batches, err := SplitPayload(r.Payload)
	must(t, err)
	for i := range batches {
		for x := batches[i].Read(); x.Next(); {
			all = append(all, readTx(batches[i].Stream, &x))
		}
	}
	return all
}

// Workers append while rounds are gathered: every record is in one round, in the order of its
// stream, above all watermarks before it, and every gather that is due is asked for.
func TestGathererUnderLoad(t *testing.T) {
	const workers, each = 4, 3000
	wake := make(chan struct{}, 1)
	g := newGatherer(t, GathererOptions{
		Streams: NewStreams(workers), PendingBytesMax: 1 << 20, Time: env.RealClock(),
		Wake: func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		},
	})
	appended := make([][]tx, workers)
	var running sync.WaitGroup
	for w, s := range g.opt.Streams {
		running.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for len(appended[w]) < each {
				if err := g.Throttle(context.Background()); err != nil {
					t.Error(err)
					return
				}
				s.Lock()
				if s.HasRoom() {
					appended[w] = append(appended[w], appendLocked(s, g.opt.Clock, randomWrites(rng, 3000)))
				}
				s.Unlock()
			}
		})
	}
	got := make([][]tx, workers)
	var watermark hlc.Timestamp
	var newest hlc.Timestamp
	for seen := 0; seen < workers*each || g.Open(); {
		if !g.Open() {
			<-wake
		}
		r := g.Gather()
		for _, x := range txsOf(t, &r) {
			if x.ts <= watermark || x.ts > r.Last {
				t.Fatalf("a record at %d in a round up to %d after the watermark %d", x.ts, r.Last, watermark)
			}
			newest = max(newest, x.ts)
			got[x.stream] = append(got[x.stream], x)
			seen++
		}
		watermark = r.Watermark
		if g.Open() != (newest > watermark) {
			t.Fatalf("open: %v, with a record at %d and watermark %d", g.Open(), newest, watermark)
		}
	}
	running.Wait()
	for w := range workers {
		expect(t, got[w], appended[w])
	}
	if n := g.pendingBytes.Load(); n != 0 {
		t.Errorf("%d bytes are pending", n)
	}
}

// Wake is called once when something is pending, and again only after a gather.
func TestGathererWakesOnce(t *testing.T) {
	wakes := 0
	clock := &hlc.Clock{}
	streams := NewStreams(2)
	appendTx(streams[1], clock, nil)
	g := newGatherer(t, GathererOptions{Streams: streams, Clock: clock, Wake: func() { wakes++ }})
	want := 1 // for what was there already
	for range 3 {
		for i := range 4 {
			appendTx(streams[i%2], clock, nil)
		}
		if wakes != want {
			t.Fatalf("woken %d times, want %d", wakes, want)
		}
		g.Gather()
		g.Gather()
		streams[0].Lock()
		streams[0].Reserve(100) // by a transaction that appends nothing
		streams[0].Unlock()
		if wakes != want {
			t.Fatalf("woken %d times without a record, want %d", wakes, want)
		}
		want++
	}
	g.gathered = func(i int) {
		if i == 1 { // behind the gather of stream 0
			g.gathered = nil
			appendTx(streams[0], clock, nil)
		}
	}
	g.Gather()
	if wakes != want {
		t.Errorf("woken %d times after a record that came meanwhile, want %d", wakes, want)
	}
	g.Detach()
	appendTx(streams[0], clock, nil)
	if wakes != want {
		t.Error("woken after Detach")
	}
}

// What is appended while somebody holds the gatherer wakes nobody before the last Release, which says so to who has to gather; but
// it does if somebody waits for it, or it is so much that workers will be held up.
func TestGathererHold(t *testing.T) {
	wakes := 0
	g := newGatherer(t, GathererOptions{Streams: NewStreams(2), PendingBytesMax: 1 << 10, Wake: func() { wakes++ }})
	put := func(stream, bytes int) {
		appendTx(g.opt.Streams[stream], g.opt.Clock, []Write{{Kind: KindPut, Value: make([]byte, bytes)}})
	}
	gather := func(records int) {
		t.Helper()
		r := g.Gather()
		if n := len(txsOf(t, &r)); n != records {
			t.Errorf("a round of %d records, want %d", n, records)
		}
	}
	expect := func(want int, when string) {
		t.Helper()
		if wakes != want {
			t.Errorf("%s: woken %d times, want %d", when, wakes, want)
		}
		wakes = 0
	}
	release := func(want bool, when string) {
		t.Helper()
		if got := g.Release(); got != want {
			t.Errorf("%s: to be gathered: %v", when, got)
		}
	}
	g.Hold()
	release(false, "nothing was appended")
	g.Hold()
	put(0, 1)
	g.Hold()
	put(1, 1)
	release(false, "another one holds it")
	expect(0, "held")
	release(true, "the last one")
	put(0, 1)
	expect(0, "somebody is about to gather")
	gather(3)

	g.Hold()
	put(0, 1)
	gather(1) // by somebody who was woken before
	put(0, 1)
	expect(0, "held while it was gathered")
	g.Hurry()
	expect(1, "in a hurry")
	g.Hurry()
	expect(0, "woken already")
	gather(1)
	release(false, "all is gathered")

	g.Hold()
	g.opt.Gathered = nil
	g.gathered = func(i int) {
		if i == 1 {
			put(0, 1)
			g.Hurry()
		}
	}
	gather(0)
	expect(1, "in a hurry while it was gathered")
	g.gathered = nil
	gather(1)
	put(1, reportBytes+1)
	expect(1, "much is pending")
	gather(1)
	release(false, "all is gathered")
}

// GatherSoon does not wait for a worker in its commit phase, nor is it kept by a large round. Gather goes on from there:
// what was appended meanwhile to a stream that was taken from is above the watermark.
func TestGatherSoon(t *testing.T) {
	wakes := 0
	clock := &hlc.Clock{}
	streams := NewStreams(2)
	g := newGatherer(t, GathererOptions{Streams: streams, Clock: clock, Wake: func() { wakes++ }})
	write := []Write{{Kind: KindPut, Key: []byte("k"), Value: make([]byte, 500)}}
	first := appendTx(streams[0], clock, write)
	streams[1].Lock()
	if r, ok := g.GatherSoon(1 << 20); ok {
		t.Fatalf("a round up to %d, with a stream that is locked", r.Watermark)
	}
	second := appendTx(streams[0], clock, write)
	long := appendLocked(streams[1], clock, write)
	streams[1].Unlock()
	r := g.Gather()
	if got := txsOf(t, &r); len(got) != 2 || r.Watermark < first.ts || r.Watermark >= second.ts || r.Last < long.ts || !g.Open() {
		t.Fatalf("a round of %d records up to %d with watermark %d, open: %v; appended were %d, %d, %d", len(got), r.Last, r.Watermark, g.Open(), first.ts, second.ts, long.ts)
	}
	if r, ok := g.GatherSoon(400); ok {
		t.Errorf("a round of %d bytes", len(r.Payload))
	}
	r = g.Gather()
	expect(t, txsOf(t, &r), []tx{second})
	if g.Open() || r.Watermark < long.ts {
		t.Errorf("open: %v, watermark %d, with a record at %d", g.Open(), r.Watermark, long.ts)
	}
	// Nor does it wait when it looks whether something was appended behind it: the worker wakes.
	g.gathered = func(i int) {
		if i == 1 {
			streams[0].Lock()
		}
	}
	if _, ok := g.GatherSoon(1 << 20); !ok {
		t.Error("no round of nothing")
	}
	g.gathered, wakes = nil, 0
	appendLocked(streams[0], clock, write)
	if streams[0].Unlock(); wakes != 1 {
		t.Errorf("woken %d times", wakes)
	}
}

// While a worker lingers in its commit phase, what others append is released: its timestamp will be above.
func TestGatherBesideLinger(t *testing.T) {
	clock := &hlc.Clock{}
	streams := NewStreams(2)
	g := newGatherer(t, GathererOptions{Streams: streams, Clock: clock})
	write := []Write{{Kind: KindPut, Key: []byte("k")}}
	before := appendTx(streams[1], clock, write)
	streams[1].Lock()
	streams[1].Linger()
	beside := appendTx(streams[0], clock, write)
	r, ok := g.GatherSoon(1 << 20)
	if !ok || r.Watermark < beside.ts {
		t.Fatalf("a round: %v, with watermark %d, and records up to %d", ok, r.Watermark, beside.ts)
	}
	expect(t, txsOf(t, &r), []tx{beside, before})
	streams[1].EndLinger()
	if r, ok := g.GatherSoon(1 << 20); ok {
		t.Errorf("a round with watermark %d, and a worker that may have taken a timestamp", r.Watermark)
	}
	long := appendLocked(streams[1], clock, write)
	streams[1].Unlock()
	r = g.Gather()
	expect(t, txsOf(t, &r), []tx{long})
}

// The payload is the caller's: later rounds do not change it.
func TestGathererGivesPayloadsAway(t *testing.T) {
	g := newGatherer(t, GathererOptions{Streams: NewStreams(2)})
	var rounds []Round
	var copies [][]byte
	for i := range 10 {
		for range i {
			appendTx(g.opt.Streams[i%2], g.opt.Clock, []Write{{Kind: KindPut, Key: []byte("key"), Value: bytes.Repeat([]byte{byte(i)}, 100)}})
		}
		r := g.Gather()
		rounds, copies = append(rounds, r), append(copies, bytes.Clone(r.Payload))
	}
	for i := range rounds {
		if !bytes.Equal(rounds[i].Payload, copies[i]) || (i == 0) != (rounds[i].Payload == nil) {
			t.Errorf("the payload of round %d has changed", i)
		}
	}
	one := g.opt.Streams[0]
	if n := testing.AllocsPerRun(100, func() {
		appendTx(one, g.opt.Clock, nil)
		g.Gather()
	}); n > 1 {
		t.Errorf("%v allocations per round, want the payload's alone", n)
	}
}

// fillGate appends until the gate is shut.
func fillGate(g *Gatherer) {
	for s := g.opt.Streams[0]; s.HasRoom(); {
		appendTx(s, g.opt.Clock, []Write{{Kind: KindPut, Value: make([]byte, 10_000)}})
	}
}

// A gate that is shut refuses or makes wait, and opens when there is room.
func TestGathererGate(t *testing.T) {
	ctx := context.Background()
	down := errors.New("not the leader")
	for _, shed := range []bool{true, false} {
		g := newGatherer(t, GathererOptions{Streams: NewStreams(2), PendingBytesMax: 300_000, Shed: shed})
		must(t, g.Throttle(ctx))
		fillGate(g)
		pending := g.pendingBytes.Load()
		if pending < 300_000 || pending > 300_000+2*reportBytes {
			t.Errorf("the gate was shut at %d bytes", pending)
		}
		const large = 200_000
		for _, wait := range []func() error{
			func() error { return g.Throttle(ctx) },
			func() error { return g.Admit(ctx, large) },
		} {
			fillGate(g)
			if shed {
				if err := wait(); !errors.Is(err, dberr.ErrOverloaded) {
					t.Errorf("full: %v", err)
				}
				g.Gather()
				must(t, wait())
				continue
			}
			done := make(chan error)
			go func() { done <- wait() }()
			waitFor(t, "somebody to wait", func() bool { return g.waiting() > 0 })
			g.Gather()
			must(t, <-done)
		}
		// One more large record has no room beside the first, a huge one only alone.
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := g.Admit(ended, large); err == nil {
			t.Error("two large records were admitted")
		}
		g.Done(large)
		must(t, g.Admit(ended, 1<<30))
		if err := g.Admit(ended, large); err == nil {
			t.Error("a large record was admitted beside a huge one")
		}
		g.Done(1 << 30)

		g.Shut(down)
		if g.opt.Streams[1].HasRoom() {
			t.Error("there is room though it is shut")
		}
		for _, err := range []error{g.Throttle(ctx), g.Admit(ctx, large)} {
			if !errors.Is(err, down) {
				t.Errorf("shut: %v", err)
			}
		}
		g.Reopen()
		must(t, g.Throttle(ctx))
		must(t, g.Admit(ctx, large))
		g.Done(large)
	}
}

// waiting returns how many wait for the gate.
func (g *Gatherer) waiting() int {
	g.waiters.mu.Lock()
	defer g.waiters.mu.Unlock()
	return g.waiters.mu.count
}

// Who waits when it is shut is told why.
func TestGathererShutsOnWaiters(t *testing.T) {
	g := newGatherer(t, GathererOptions{Streams: NewStreams(1), PendingBytesMax: 100_000})
	fillGate(g)
	down := errors.New("not the leader")
	var told atomic.Int32
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			err := g.Throttle(context.Background())
			if i%2 == 0 {
				err = g.Admit(context.Background(), AdmitBytes)
			}
			if errors.Is(err, down) {
				told.Add(1)
			}
		})
	}
	waitFor(t, "all to wait", func() bool { return g.waiting() == 4 })
	g.Shut(down)
	running.Wait()
	if told.Load() != 4 {
		t.Errorf("%d of 4 were told", told.Load())
	}
}

func TestGathererOptions(t *testing.T) {
	good := GathererOptions{Streams: NewStreams(1), Clock: &hlc.Clock{}, Wake: func() {}}
	for what, change := range map[string]func(o *GathererOptions){
		"no streams":       func(o *GathererOptions) { o.Streams = nil },
		"too many streams": func(o *GathererOptions) { o.Streams = make([]*Stream, StreamsMax+1) },
		"no clock":         func(o *GathererOptions) { o.Clock = nil },
		"no wake":          func(o *GathererOptions) { o.Wake = nil },
		"a negative bound": func(o *GathererOptions) { o.PendingBytesMax = -1 },
	} {
		o := good
		change(&o)
		if _, err := NewGatherer(o); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
}

// What is above an epoch's final watermark is not shown.
func TestBatchUpTo(t *testing.T) {
	g := newGatherer(t, GathererOptions{Streams: NewStreams(1)})
	var want []tx
	for range 5 {
		want = append(want, appendTx(g.opt.Streams[0], g.opt.Clock, []Write{{Kind: KindDelete, Key: []byte("k")}}))
	}
	r := g.Gather()
	batches, err := SplitPayload(r.Payload)
	must(t, err)
	batches[0].UpTo(want[2].ts)
	batches[0].UpTo(hlc.Max)
	var got []tx
	for x := batches[0].Read(); x.Next(); {
		got = append(got, readTx(0, &x))
	}
	expect(t, got, want[:3])
}

// Every bit of a payload is covered by a check.
func TestSplitPayloadRot(t *testing.T) {
	m := newMaker(9)
	p := m.payload(100)
	batches, err := SplitPayload(p)
	must(t, err)
	if again, _, _ := encodePayload(batches, recordBytes(batches)); !bytes.Equal(again, p) {
		t.Error("the payload's batches make another payload")
	}
	for at := range p {
		q := slices.Clone(p)
		q[at] ^= 1 << (at % 8)
		var bad *FormatError
		if _, err := SplitPayload(q); !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(q) {
			t.Fatalf("byte %d of %d is wrong: %v", at, len(p), err)
		}
	}
	for n := 1; n < len(p); n++ {
		if _, err := SplitPayload(p[:n]); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(p))
		}
	}
	if _, err := SplitPayload(append(slices.Clone(p), 0)); err == nil {
		t.Error("a byte too many was taken")
	}
	if b, err := SplitPayload(nil); err != nil || b != nil {
		t.Errorf("an empty payload: %v, %v", b, err)
	}
}
