package sim

import (
	"fmt"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// Faults is a mix of what goes wrong in a World. Chances of the Chaos are
// weights: how often each is done in relation to the others; 0 is never.
type Faults struct {
	Every time.Duration // the mean time between two faults

	Partition, OneWay, Clog, Reset    float64
	Crash, PowerLoss, Pause, SlowNode float64
	Stall, FailSync, Jump, Drift      float64

	Link Link
	Disk Disk
}

// DrawFaults draws a mix of faults: each kind is there in about half of the
// mixes, so that faults that hide one another show in some.
func (w *World) DrawFaults() Faults {
	rng := w.rng
	weight := func() float64 {
		if rng.IntN(2) == 0 {
			return 0
		}
		return rng.Float64()
	}
	chance := func(most float64) float64 {
		if rng.IntN(2) == 0 {
			return 0
		}
		return rng.Float64() * most
	}
	between := func(low, high time.Duration) time.Duration {
		return low + time.Duration(rng.Int64N(int64(high-low)))
	}
	f := Faults{
		Every:     between(100*time.Millisecond, 2*time.Second),
		Partition: weight(), OneWay: weight(), Clog: weight(), Reset: weight(),
		Crash: weight(), PowerLoss: weight(), Pause: weight(), SlowNode: weight(),
		Stall: weight(), FailSync: weight() / 4, Jump: weight(), Drift: weight(),
		Link: Link{DelayMin: between(50*time.Microsecond, time.Millisecond), DelayMean: between(50*time.Microsecond, 3*time.Millisecond),
			Loss: chance(0.05), Double: chance(0.05), Reorder: chance(0.1)},
		Disk: Disk{WriteDelay: between(5*time.Microsecond, 100*time.Microsecond), SyncDelay: between(50*time.Microsecond, 5*time.Millisecond),
			Spread: 1 + 3*rng.Float64(), StallChance: chance(0.002), StallTime: between(10*time.Millisecond, time.Second),
			CrashChance: chance(0.0005)},
	}
	return f
}

// String names the mix, for a transcript.
func (f Faults) String() string { return fmt.Sprintf("%+v", f.plain()) }

// plain is f without its methods.
func (f Faults) plain() any {
	type plain Faults
	return plain(f)
}

// Chaos applies a mix of faults from now on and returns the way to end it, which
// also heals: links work, and every node runs and is quick, after a while.
func (w *World) Chaos(f Faults) (calm func()) {
	w.Logf("faults: %v", f)
	w.SetLinks(f.Link)
	for _, n := range w.victims() {
		n.Disk = f.Disk
	}
	over := false
	var next func()
	next = func() {
		if over {
			return
		}
		w.inflict(&f)
		w.After(time.Duration(w.rng.ExpFloat64()*float64(f.Every)), next)
	}
	// A node that died of its own disk starts again too.
	var revive func()
	revive = func() {
		for _, n := range w.nodes {
			if !n.Up() && w.rng.IntN(2) == 0 {
				n.Start()
			}
		}
		if !over {
			w.After(time.Duration(w.rng.ExpFloat64()*float64(2*time.Second)), revive)
		}
	}
	w.After(time.Duration(w.rng.ExpFloat64()*float64(f.Every)), next)
	w.After(time.Second, revive)
	return func() {
		over = true
		w.Logf("all faults end")
		quiet := Link{DelayMin: 100 * time.Microsecond, DelayMean: 200 * time.Microsecond}
		w.SetLinks(quiet)
		for _, n := range w.nodes {
			n.Disk = Disk{WriteDelay: 20 * time.Microsecond, SyncDelay: 300 * time.Microsecond}
			n.CPU = time.Microsecond
			n.SetDrift(1)
			if n.paused > w.now {
				n.paused = w.now
				n.wake(w.now)
			}
			n.Start()
		}
	}
}

// victims returns the nodes that faults are for.
func (w *World) victims() []*Node {
	var v []*Node
	for _, n := range w.nodes {
		if !n.Immune {
			v = append(v, n)
		}
	}
	return v
}

// inflict does one thing.
func (w *World) inflict(f *Faults) {
	victims := w.victims()
	n := victims[w.rng.IntN(len(victims))]
	other := victims[w.rng.IntN(len(victims))]
	some := func(most time.Duration) time.Duration {
		return time.Duration(w.rng.Float64() * w.rng.Float64() * float64(most))
	}
	actions := []struct {
		weight float64
		do     func()
	}{
		{f.Partition, func() {
			var group []env.NodeID
			var rest []env.NodeID
			for _, x := range w.nodes {
				if w.rng.IntN(2) == 0 {
					group = append(group, x.id)
				} else {
					rest = append(rest, x.id)
				}
			}
			w.Partition(group, rest)
			w.After(some(8*time.Second), w.Heal)
		}},
		{f.OneWay, func() {
			if n != other {
				w.Block(n.id, other.id, true)
				w.After(some(8*time.Second), func() { w.Block(n.id, other.id, false) })
			}
		}},
		{f.Clog, func() {
			if n != other {
				w.Clog(n.id, other.id, some(3*time.Second))
			}
		}},
		{f.Reset, func() { w.Reset(n.id, other.id) }},
		{f.Crash, func() { n.Crash(false); w.After(some(5*time.Second), n.Start) }},
		{f.PowerLoss, func() { n.Crash(true); w.After(some(5*time.Second), n.Start) }},
		{f.Pause, func() { n.Pause(some(5 * time.Second)) }},
		{f.SlowNode, func() {
			n.CPU = some(2 * time.Millisecond)
			w.Logf("n%d is slow: %v a step", n.id, n.CPU)
			w.After(some(5*time.Second), func() { n.CPU = time.Microsecond })
		}},
		{f.Stall, func() {
			d := some(3 * time.Second)
			w.Logf("n%d: the disk stalls for %v", n.id, d)
			n.disk = max(n.disk, w.now) + d
		}},
		{f.FailSync, func() {
			n.Disk.FailSync = w.rng.Float64()
			w.After(some(time.Second), func() { n.Disk.FailSync = 0 })
		}},
		{f.Jump, func() { n.JumpClock(some(2*time.Hour) - time.Hour/2) }},
		{f.Drift, func() {
			n.SetDrift(0.8 + 0.4*w.rng.Float64())
			w.Logf("n%d: the clock runs by %.3f", n.id, n.rate)
		}},
	}
	total := 0.0
	for _, a := range actions {
		total += a.weight
	}
	x := w.rng.Float64() * total
	for _, a := range actions {
		if x -= a.weight; x < 0 {
			a.do()
			return
		}
	}
}
