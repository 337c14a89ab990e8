// Package hunt has plans that take the leaders of a group away at moments that chance
// would hardly find.
package hunt

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
)

// Hunter takes leaders away.
type Hunter struct {
	World *sim.World
	// Leader returns the member that leads and in which term, 0 if there is none;
	// Voters are who votes according to a member, nil if it is down.
	Leader func() (id env.NodeID, term uint64)
	Voters func(id env.NodeID) []env.NodeID
	// Members are all that there ever are.
	Members []env.NodeID
	Trip    time.Duration // of a frame, on average
	// Election is the time after which one begins, and Patience that of clients.
	Election, Patience time.Duration

	term uint64 // the newest that it has seen a leader of
}

// Plan is what is done with each new leader.
type Plan func(h *Hunter, leader env.NodeID)

// Plans returns them.
func Plans() []Plan { return []Plan{CutOff, Forget, Outlive} }

// Draw draws a mix of faults with more of what takes a leader away while what it has sent is
// on its way, over slow links, and for some seeds a plan, beside which other faults are rare:
// they would spoil it.
func Draw(w *sim.World) (mix sim.Faults, plan Plan) {
	mix = w.DrawFaults()
	mix.Every = time.Duration(50+w.Draw("every").IntN(250)) * time.Millisecond
	mix.Aim = 0.7
	mix.Isolate, mix.PowerLoss = mix.Isolate+1, mix.PowerLoss+0.5
	mix.Brief = time.Duration(100+w.Draw("brief").IntN(900)) * time.Millisecond
	mix.Link.DelayMean = time.Duration(1+w.Draw("delay").IntN(15)) * time.Millisecond
	plans := append([]Plan{nil, nil}, Plans()...)
	if plan = plans[w.Choose("plan", 0, len(plans)-1)]; plan != nil {
		mix.Every *= 20
	}
	return mix, plan
}

// lookEvery is how often it looks for a new leader: less than a trip.
const lookEvery = time.Millisecond

// Follow calls plan with each new leader.
func (h *Hunter) Follow(plan Plan) {
	if id, term := h.Leader(); id != 0 && term > h.term {
		h.term = term
		plan(h, id)
	}
	h.World.After(lookEvery, func() { h.Follow(plan) })
}

// trips draws a time of so many trips at most.
func (h *Hunter) trips(rng *rand.Rand, most int) time.Duration {
	return time.Duration(rng.Float64() * float64(most) * float64(h.Trip))
}

// timeouts returns so many election timeouts.
func (h *Hunter) timeouts(x float64) time.Duration {
	return time.Duration(x * float64(h.Election))
}

// CutOff cuts a new leader off, often before it has told anybody anything, and lets
// the one before it come back: what each has in its log the others lack, or have had
// replaced, and whoever comes back may win the next term.
func CutOff(h *Hunter, id env.NodeID) {
	h.World.Fault(func(rng *rand.Rand) time.Duration {
		return h.trips(rng, 1+7*rng.IntN(2))
	}, func(*rand.Rand) {
		h.apart(id, true)
	})
}

// apart cuts a node off from the other members, and from clients if they are meant
// too. All others are in touch.
func (h *Hunter) apart(id env.NodeID, clients bool) {
	h.World.Heal()
	for _, n := range h.World.Nodes() {
		if n.ID() != id && (clients || !n.Immune) {
			h.World.Block(id, n.ID(), true)
			h.World.Block(n.ID(), id, true)
		}
	}
}

// Outlive makes a leader miss the end of its term: its clock is slow and it is cut off
// from the other members, while clients go on asking it, and in time the next leader.
func Outlive(h *Hunter, id env.NodeID) {
	h.World.Fault(func(rng *rand.Rand) time.Duration {
		return time.Duration(rng.Float64() * float64(2*h.Patience))
	}, func(rng *rand.Rand) {
		h.apart(id, false)
		for _, x := range h.Members {
			h.World.Node(x).SetDrift(1)
		}
		h.World.Node(id).SetDrift(0.05 + 0.2*rng.Float64())
	})
}

// Forget leaves a leader in touch with no more followers than it needs, while its
// own disk writes nothing, or theirs. Then power is lost where nothing was written;
// the others that know the new entries are away for a while; and those who have
// never heard of them are back.
func Forget(h *Hunter, id env.NodeID) {
	w := h.World
	h.World.Fault(func(rng *rand.Rand) time.Duration {
		return h.timeouts(rng.ExpFloat64())
	}, func(rng *rand.Rand) {
		voters := h.Voters(id)
		if voters == nil {
			return
		}
		voters = slices.DeleteFunc(voters, func(x env.NodeID) bool { return x == id })
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
