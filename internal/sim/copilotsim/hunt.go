package copilotsim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
)

// Hunt is Faults with more of what takes pilots away while their entries are on their
// way, in shorter runs, and in half of them the power fails everywhere at once. Half of
// the seeds hunt epochs instead: chance would hardly find the moments that matter then.
func Hunt(w *sim.World) error {
	mix := w.DrawFaults()
	mix.Every = time.Duration(30+w.Draw("every").IntN(200)) * time.Millisecond
	mix.Aim = 0.7
	mix.Isolate, mix.PowerLoss = mix.Isolate+1, mix.PowerLoss+1
	mix.Brief = time.Duration(50+w.Draw("brief").IntN(500)) * time.Millisecond
	mix.Link.DelayMean = time.Duration(1+w.Draw("delay").IntN(10)) * time.Millisecond
	mix.Disk.SyncDelay = time.Duration(1+w.Draw("sync").IntN(30)) * time.Millisecond
	blackouts := w.Choose("blackouts", 0, 1) == 1
	if w.Choose("hunt epochs", 0, 1) == 0 {
		return faults(w, mix, w.Choose("seconds", 1, 5), func(c *Cluster, d time.Duration) {
			if blackouts {
				c.blackout(d)
			}
		})
	}
	// Epochs are short, other faults are rare, and disks are often slower than the network.
	trip := time.Duration(200+w.Draw("trip").IntN(1000)) * time.Microsecond
	sync := time.Duration((0.5 + 4*w.Draw("sync").Float64()) * float64(trip))
	mix.Every *= 20
	mix.Link = sim.Link{DelayMin: 50 * time.Microsecond, DelayMean: trip, Double: 0.3 * w.Draw("doubled often").Float64()}
	mix.Disk = sim.Disk{WriteDelay: 20 * time.Microsecond, SyncDelay: sync, Spread: mix.Disk.Spread}
	return faults(w, mix, w.Choose("seconds", 1, 5), func(c *Cluster, _ time.Duration) {
		c.Copilot.TakeoverTimeout = 3 * (trip + sync)
		c.Copilot.ElectionTimeout = 6 * c.Copilot.TakeoverTimeout
		c.retryAfter, c.rest = c.retryAfter/10, c.rest/10
		c.AddClients(4, 2, time.Millisecond)
		(&hunter{c: c, trip: trip}).follow()
	})
}

// hunter disturbs each new epoch soon after its beginning, often before its pilots have
// told anybody anything. Who has what of the last epoch is decided then, and what those
// who were away believe.
type hunter struct {
	c     *Cluster
	trip  time.Duration // of a frame, on average
	epoch uint64        // the newest that it has seen
	since time.Duration // when
}

// follow disturbs each new epoch, and an old one again if nothing comes of it.
func (h *hunter) follow() {
	w := h.c.world
	for _, id := range h.c.all {
		s, up := h.c.status(id)
		if up && s.Opened > 0 && (s.Opened > h.epoch || s.Opened == h.epoch && w.Now()-h.since > h.timeouts(2)) {
			h.epoch, h.since = s.Opened, w.Now()
			w.Fault(func(rng *rand.Rand) time.Duration { return h.trips(rng, 1+7*rng.IntN(2)) }, func(rng *rand.Rand) { h.disturb(rng, s.Pilots) })
		}
	}
	w.After(time.Millisecond, h.follow)
}

// trips draws a time of so many trips at most.
func (h *hunter) trips(rng *rand.Rand, most int) time.Duration {
	return time.Duration(rng.Float64() * float64(most) * float64(h.trip))
}

// disturb has all members up and in touch again, and then leaves a pilot in touch with a few
// others at most, while its own disk writes nothing, or theirs. A few trips later power is
// lost there, and the others that know better are away for a while.
func (h *hunter) disturb(rng *rand.Rand, pilots [2]env.NodeID) {
	w := h.c.world
	h.revive()
	pilot := pilots[rng.IntN(2)]
	others := slices.DeleteFunc(slices.Clone(h.c.all), func(id env.NodeID) bool { return id == pilot })
	rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	few := len(others) / 2
	if rng.IntN(4) == 0 {
		few = 0
	}
	away, forgetful := []env.NodeID{pilot}, others[:few]
	if rng.IntN(2) == 0 {
		away, forgetful = forgetful, away
	}
	way := rng.IntN(4) // which way others can be heard of yet, if any
	for _, id := range others[few:] {
		w.Block(pilot, id, way != 0)
		w.Block(id, pilot, way != 1)
	}
	if rng.IntN(4) == 0 {
		forgetful = nil
	}
	if rng.IntN(2) == 0 {
		away = nil
	}
	for _, id := range forgetful {
		w.Node(id).StallDisk(time.Second)
	}
	soon := h.trips(rng, 12)
	if rng.IntN(2) == 0 {
		soon = h.timeouts(rng.Float64())
	}
	w.After(soon, func() {
		if rng.IntN(2) == 0 {
			w.Heal()
		}
		for _, id := range forgetful {
			w.Node(id).Crash(true)
			w.Node(id).Start()
		}
		down := rng.IntN(2) == 0
		for _, id := range away {
			if down {
				w.Node(id).Crash(false)
				continue
			}
			for _, n := range w.Nodes() {
				w.Block(id, n.ID(), true)
				w.Block(n.ID(), id, true)
			}
		}
		w.After(h.timeouts(0.5+2*rng.Float64()), h.revive)
	})
}

// timeouts returns so many election timeouts.
func (h *hunter) timeouts(x float64) time.Duration {
	return time.Duration(x * float64(h.c.Copilot.ElectionTimeout))
}

// revive has all members up and in touch.
func (h *hunter) revive() {
	h.c.world.Heal()
	for _, id := range h.c.all {
		h.c.world.Node(id).Start()
	}
}
