package raftsim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/registers"
)

// Hunt is Faults with more of what takes a leader away while its entries are on
// their way: short terms, slow links, small batches. Some seeds go by a plan
// instead: they take each leader away at a moment that chance would hardly find.
func Hunt(w *sim.World) error {
	mix := w.DrawFaults()
	mix.Every = time.Duration(50+w.Draw("every").IntN(250)) * time.Millisecond
	mix.Aim = 0.7
	mix.Isolate, mix.PowerLoss = mix.Isolate+1, mix.PowerLoss+0.5
	mix.Brief = time.Duration(100+w.Draw("brief").IntN(900)) * time.Millisecond
	mix.Link.DelayMean = time.Duration(1+w.Draw("delay").IntN(15)) * time.Millisecond
	plan := [...]func(*hunter, env.NodeID){nil, nil, (*hunter).cutOff, (*hunter).forget, (*hunter).outlive}[w.Choose("plan", 0, 4)]
	if plan == nil {
		_, err := faults(w, mix, nil)
		return err
	}
	mix.Every *= 20 // other faults would spoil it
	_, err := faults(w, mix, func(c *Cluster) {
		h := &hunter{Cluster: c, trip: mix.Link.DelayMin + mix.Link.DelayMean}
		if w.Draw("one entry in a batch").IntN(2) == 0 {
			c.Raft.BatchEntriesMax = 1
		}
		h.follow(func(id env.NodeID) { plan(h, id) })
	})
	return err
}

// hunter takes leaders away.
type hunter struct {
	*Cluster
	trip time.Duration // of a frame, on average
	term uint64        // the newest that it has seen a leader of
}

// lookEvery is how often it looks for a new leader: less than a trip.
const lookEvery = time.Millisecond

// follow calls plan with each new leader.
func (h *hunter) follow(plan func(id env.NodeID)) {
	if l := h.Leader(); l != nil && l.Status().Term > h.term {
		h.term = l.Status().Term
		plan(l.Status().Leader)
	}
	h.world.After(lookEvery, func() { h.follow(plan) })
}

// trips draws a time of so many trips at most.
func (h *hunter) trips(rng *rand.Rand, most int) time.Duration {
	return time.Duration(rng.Float64() * float64(most) * float64(h.trip))
}

// timeouts returns so many election timeouts.
func (h *hunter) timeouts(x float64) time.Duration {
	return time.Duration(x * float64(h.Raft.ElectionTimeout))
}

// cutOff cuts a new leader off, often before it has told anybody anything, and lets
// the one before it come back: what each has in its log the others lack, or have had
// replaced, and whoever comes back may win the next term.
func (h *hunter) cutOff(id env.NodeID) {
	h.world.Fault(func(rng *rand.Rand) time.Duration {
		return h.trips(rng, 1+7*rng.IntN(2))
	}, func(*rand.Rand) {
		h.apart(id, true)
	})
}

// apart cuts a node off from the other members, and from clients if they are meant
// too. All others are in touch.
func (h *hunter) apart(id env.NodeID, clients bool) {
	h.world.Heal()
	for _, n := range h.world.Nodes() {
		if n.ID() != id && (clients || !n.Immune) {
			h.world.Block(id, n.ID(), true)
			h.world.Block(n.ID(), id, true)
		}
	}
}

// outlive makes a leader miss the end of its term: its clock is slow and it is cut off
// from the other members, while clients go on asking it, and in time the next leader.
func (h *hunter) outlive(id env.NodeID) {
	h.world.Fault(func(rng *rand.Rand) time.Duration {
		return time.Duration(rng.Float64() * float64(2*registers.OpTimeout))
	}, func(rng *rand.Rand) {
		h.apart(id, false)
		for _, x := range h.all {
			h.world.Node(x).SetDrift(1)
		}
		h.world.Node(id).SetDrift(0.05 + 0.2*rng.Float64())
	})
}

// forget leaves a leader in touch with no more followers than it needs, while its
// own disk writes nothing, or theirs. Then power is lost where nothing was written;
// the others that know the new entries are away for a while; and those who have
// never heard of them are back.
func (h *hunter) forget(id env.NodeID) {
	w := h.world
	h.world.Fault(func(rng *rand.Rand) time.Duration {
		return h.timeouts(rng.ExpFloat64())
	}, func(rng *rand.Rand) {
		m := h.members[id]
		if !m.node.Up() || m.raft == nil {
			return
		}
		voters := slices.DeleteFunc(m.raft.Status().Voters, func(x env.NodeID) bool { return x == id })
		rng.Shuffle(len(voters), func(i, j int) { voters[i], voters[j] = voters[j], voters[i] })
		few := (len(voters) + 1) / 2
		forgetful, away := []env.NodeID{id}, slices.Clone(voters[:few])
		for _, other := range voters[few:] {
			w.Block(id, other, true)
			w.Block(other, id, true)
		}
		if rng.IntN(2) == 0 {
			forgetful, away = away, forgetful
		}
		for _, x := range forgetful {
			w.Node(x).StallDisk(time.Minute)
		}
		// Now clients write, and then:
		w.After(h.trips(rng, 12), func() {
			for _, x := range away {
				w.Node(x).Crash(false)
			}
			for _, x := range forgetful {
				w.Node(x).Crash(true)
				w.Node(x).Start()
			}
			w.Heal()
			w.After(h.timeouts(1+3*rng.Float64()), func() {
				for _, x := range away {
					w.Node(x).Start()
				}
			})
		})
	})
}
