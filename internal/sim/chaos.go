package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// Faults is a mix of what goes wrong in a World. What is not a Link or a Disk are
// weights: how often each is done in relation to the others; 0 is never.
type Faults struct {
	Every time.Duration // the mean time between two faults
	Brief time.Duration // if not 0, no fault lasts longer
	// Aim is the share of faults that are for the node that Prey names.
	Aim float64

	Partition, Isolate, OneWay, Clog, Reset float64
	Crash, PowerLoss, Pause, SlowNode       float64
	Stall, FailSync, FullDisk               float64
	Rot, Misdirect                          float64 // of nodes that are Exposed
	Jump, Drift                             float64

	Link Link
	Disk Disk
}

// DrawFaults draws a mix of faults: each kind is there in about half of the
// mixes, so that faults that hide one another show in some.
func (w *World) DrawFaults() Faults {
	// part draws a share of most, of what is there in half of the runs.
	part := func(name string, most float64) float64 {
		return most * float64(w.Choose(name, 0, 1)) * w.Draw(name+" weight").Float64()
	}
	between := func(name string, low, high time.Duration) time.Duration {
		return low + time.Duration(w.Draw(name).Int64N(int64(high-low)))
	}
	return Faults{
		Every: between("fault every", 100*time.Millisecond, 2*time.Second), Aim: part("aim", 1),
		Partition: part("partitions", 1), Isolate: part("isolation", 1), OneWay: part("one way", 1),
		Clog: part("clogs", 1), Reset: part("resets", 1),
		Crash: part("crashes", 1), PowerLoss: part("power losses", 1), Pause: part("pauses", 1), SlowNode: part("slow nodes", 1),
		Stall: part("stalls", 1), FailSync: part("failing syncs", 0.25), FullDisk: part("full disks", 0.5),
		Rot: part("rot", 0.5), Misdirect: part("misdirected writes", 0.5),
		Jump: part("jumps", 1), Drift: part("drift", 1),
		Link: Link{DelayMin: between("least delay", 50*time.Microsecond, time.Millisecond),
			DelayMean: between("mean delay", 50*time.Microsecond, 3*time.Millisecond),
			Loss:      part("loss", 0.05), Double: part("doubled frames", 0.05), Reorder: part("reordering", 0.1)},
		Disk: Disk{WriteDelay: between("write delay", 5*time.Microsecond, 100*time.Microsecond),
			SyncDelay: between("sync delay", 50*time.Microsecond, 5*time.Millisecond),
			Spread:    1 + part("spread", 3), StallChance: part("disk stalls", 0.002),
			StallTime: between("stall time", 10*time.Millisecond, time.Second), CrashChance: part("disk crashes", 0.0005)},
	}
}

// String names the mix, for a transcript.
func (f Faults) String() string { return fmt.Sprintf("%+v", f.plain()) }

// plain is f without its methods.
func (f Faults) plain() any {
	type plain Faults
	return plain(f)
}

// quietLink and quietDisk are what there is when nothing goes wrong.
func quietLink() Link {
	return Link{DelayMin: 100 * time.Microsecond, DelayMean: 200 * time.Microsecond}
}
func quietDisk() Disk {
	return Disk{WriteDelay: 20 * time.Microsecond, SyncDelay: 300 * time.Microsecond}
}

// Chaos applies a mix of faults from now on and returns the way to end it, which
// also heals: links work, and every node runs and is quick, after a while. Bits
// that have rotten stay so.
func (w *World) Chaos(f Faults) (calm func()) {
	w.Logf("faults: %v", f)
	w.SetLinks(f.Link)
	for _, n := range w.victims() {
		n.Disk = f.Disk
	}
	w.chaos = true
	var next func()
	next = func() {
		w.fault(func(rng *rand.Rand) time.Duration { return time.Duration(rng.ExpFloat64() * float64(f.Every)) },
			func(rng *rand.Rand) { w.inflict(&f, rng) }, next)
	}
	// A node that died of its own disk starts again too.
	var revive func()
	revive = func() {
		for _, n := range w.nodes {
			if !n.Up() && w.rng.IntN(2) == 0 {
				n.Start()
			}
		}
		if w.chaos {
			w.After(time.Duration(w.rng.ExpFloat64()*float64(2*time.Second)), revive)
		}
	}
	next()
	w.After(time.Second, revive)
	return func() {
		w.chaos = false
		w.Logf("all faults end")
		w.SetLinks(quietLink())
		for _, n := range w.nodes {
			n.Disk, n.astray = quietDisk(), false
			n.fs.SetCapacity(0)
			n.CPU = time.Microsecond
			n.SetDrift(1)
			if n.paused > w.now {
				n.paused = w.now
				n.wake(w.now)
			}
			n.Start()
		}
		// What a disk has done to a program may come out only now.
		w.inOrder(w.now+lateDeath, func() {
			for _, n := range w.nodes {
				n.Start()
			}
		})
	}
}

// lateDeath is how long after the last fault a program may still end for it.
const lateDeath = time.Second

// Fault makes something go wrong in a while, unless Chaos has ended by then.
// Shrinking a run may leave it out.
func (w *World) Fault(wait func(*rand.Rand) time.Duration, do func(*rand.Rand)) {
	w.fault(wait, do, func() {})
}

// fault is Fault, and then something that is done whether the fault is left out or
// not.
func (w *World) fault(wait func(*rand.Rand) time.Duration, do func(*rand.Rand), then func()) {
	w.faults++
	number, rng := w.faults, w.stream(streamFault+uint64(w.faults))
	w.After(wait(rng), func() {
		if !w.chaos {
			return
		}
		if w.less.Only == nil || slices.Contains(w.less.Only, number) {
			w.Logf("fault %d", number)
			do(rng)
		}
		then()
	})
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

// apart cuts the nodes that are in a group off from all others.
func (w *World) apart(in func(*Node) bool) {
	var group, rest []env.NodeID
	for _, n := range w.nodes {
		if in(n) {
			group = append(group, n.id)
		} else {
			rest = append(rest, n.id)
		}
	}
	w.Partition(group, rest)
}

// inflict does one thing.
func (w *World) inflict(f *Faults, rng *rand.Rand) {
	victims := w.victims()
	n, other := victims[rng.IntN(len(victims))], victims[rng.IntN(len(victims))]
	if rng.Float64() < f.Aim && w.Prey != nil {
		if prey := w.Prey(); prey != nil {
			n = prey
		}
	}
	some := func(most time.Duration) time.Duration {
		if f.Brief > 0 {
			most = min(most, f.Brief)
		}
		return time.Duration(rng.Float64() * rng.Float64() * float64(most))
	}
	reboot := func() {
		if w.chaos {
			n.Crash(rng.IntN(2) == 0)
			w.After(some(5*time.Second), n.Start)
		}
	}
	actions := []struct {
		weight float64
		do     func()
	}{
		{f.Partition, func() {
			w.apart(func(*Node) bool { return rng.IntN(2) == 0 })
			w.After(some(8*time.Second), w.Heal)
		}},
		{f.Isolate, func() {
			w.apart(func(x *Node) bool { return x == n })
			w.After(some(4*time.Second), w.Heal)
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
		{f.Stall, func() { n.StallDisk(some(3 * time.Second)) }},
		{f.FailSync, func() {
			n.Disk.FailSync = rng.Float64()
			w.Logf("n%d: syncs fail with a chance of %.2f", n.id, n.Disk.FailSync)
			w.After(some(time.Second), func() { n.Disk.FailSync = 0 })
		}},
		{f.FullDisk, func() {
			n.FillDisk(int64(rng.IntN(16 << 10)))
			w.After(some(5*time.Second), func() { n.FillDisk(-1) })
		}},
		// Damage shows when the program reads its files again.
		{f.Rot, func() { n.rot(rng); w.After(some(time.Second), reboot) }},
		{f.Misdirect, func() { n.Misdirect(); w.After(some(time.Second), reboot) }},
		{f.Jump, func() { n.JumpClock(some(2*time.Hour) - time.Hour/2) }},
		{f.Drift, func() {
			n.SetDrift(0.8 + 0.4*rng.Float64())
			w.Logf("n%d: the clock runs by %.3f", n.id, n.rate)
		}},
	}
	total := 0.0
	for _, a := range actions {
		total += a.weight
	}
	x := rng.Float64() * total
	for _, a := range actions {
		if x -= a.weight; x < 0 {
			a.do()
			return
		}
	}
}
