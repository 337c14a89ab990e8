package streamsim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/hunt"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/quorum"
)

// Elections is a group that elects again and again, while votes, or who may vote, are just
// what power losses and cut links make the voters forget.
func Elections(w *sim.World) error {
	plan := w.Choose("plan", 0, 2)
	members := 3 + 2*w.Choose("five members", 0, 1)
	voters := members
	if plan == 2 {
		members, voters = 5, 3
	}
	c := NewCluster(w, members, voters, stream.Options{ElectionTimeout: time.Duration(w.Choose("election timeout in ms", 100, 500)) * time.Millisecond})
	c.Pause = time.Duration(w.Choose("pause in ms", 1, 30)) * time.Millisecond
	c.Start()
	mix := w.DrawFaults()
	mix = sim.Faults{Every: time.Hour, Link: mix.Link, Disk: mix.Disk}
	mix.Disk.CrashChance, mix.Disk.StallChance = 0, 0
	e := &elections{Cluster: c}
	c.hunter(mix.Link.DelayMin + mix.Link.DelayMean).Follow([]hunt.Plan{e.forgetVotes, e.forgetOwn, e.oldMembers}[plan])
	calm := w.Chaos(mix)
	if err := w.Run(time.Duration(w.Choose("seconds", 5, 20)) * time.Second); err != nil {
		return err
	}
	c.spared = true
	calm()
	if err := w.Run(2 * time.Second); err != nil {
		return err
	}
	return c.Settle(time.Minute)
}

// elections has the plans.
type elections struct {
	*Cluster
	// next, if not nil, is what is done when there is a new leader, instead of the plan.
	next func(leader env.NodeID)
}

// each does something with each new leader after a while, unless next is to be done with it.
func (e *elections) each(h *hunt.Hunter, leader env.NodeID, do func(others []env.NodeID)) {
	if next := e.next; next != nil {
		e.next = nil
		next(leader)
		return
	}
	h.World.Fault(func(rng *rand.Rand) time.Duration { return e.timeouts(rng.ExpFloat64()) }, func(rng *rand.Rand) {
		others := slices.DeleteFunc(h.Voters(leader), func(id env.NodeID) bool { return id == leader })
		rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
		if len(others) > 1 {
			do(others)
		}
	})
}

// timeouts returns so many election timeouts.
func (e *elections) timeouts(x float64) time.Duration {
	return time.Duration(x * float64(e.Stream.ElectionTimeout))
}

// apart cuts some nodes off from the others.
func (e *elections) apart(some ...env.NodeID) {
	e.world.Heal()
	e.world.Partition(some, slices.DeleteFunc(slices.Clone(e.all), func(id env.NodeID) bool { return slices.Contains(some, id) }))
}

// forgetVotes has all lose their power who have voted while their disks stood still, and
// elect anew with the leader before, without the one whom they have voted for.
func (e *elections) forgetVotes(h *hunt.Hunter, leader env.NodeID) {
	w := e.world
	e.each(h, leader, func(others []env.NodeID) {
		able, stalled := others[0], others[1:]
		for _, id := range stalled {
			w.Node(id).StallDisk(e.timeouts(4))
		}
		w.Node(leader).Crash(false)
		w.After(e.timeouts(4), w.Node(leader).Start)
		e.next = func(winner env.NodeID) {
			if winner != able || e.spared {
				return
			}
			e.apart(winner)
			for _, id := range stalled {
				w.Node(id).Crash(true)
				w.Node(id).Start()
			}
			w.Node(leader).Start()
			w.After(e.timeouts(4), w.Heal)
		}
	})
}

// forgetOwn has somebody win whose disk stands still, lose its power and stand again.
func (e *elections) forgetOwn(h *hunt.Hunter, leader env.NodeID) {
	w := e.world
	e.each(h, leader, func(others []env.NodeID) {
		w.Node(others[0]).StallDisk(e.timeouts(6))
		e.apart(leader)
		w.After(e.timeouts(1.5), w.Heal)
		e.next = func(winner env.NodeID) {
			if winner != others[0] || e.spared {
				return
			}
			w.Node(winner).Crash(true)
			w.Node(winner).Start()
		}
	})
}

// oldMembers makes others members while two know less and less of it, who then may elect one
// of them by what they know.
func (e *elections) oldMembers(h *hunt.Hunter, leader env.NodeID) {
	w := e.world
	e.each(h, leader, func(others []env.NodeID) {
		m := e.members[leader]
		all := m.group.Status().Members.All()
		later := func(do func()) { w.After(0, do) } // not in a task
		e.apart(others[0])
		m.node.Runtime().Go("change members", func(ctx context.Context) error {
			defer w.After(e.timeouts(8), w.Heal)
			for _, id := range e.all {
				if slices.Contains(all, id) {
					continue
				}
				for _, step := range []func(context.Context, env.NodeID) error{m.group.AddLearner, m.group.Promote} {
					if err := e.insist(ctx, id, step); err != nil {
						return err
					}
				}
			}
			if err := e.insist(ctx, others[0], m.group.Remove); err != nil {
				return err
			}
			later(func() { e.apart(others[:2]...) })
			return e.insist(ctx, others[1], m.group.Remove)
		})
		m.node.Runtime().Post(func() {})
	})
}

// insist changes the membership, again while the group is busy.
func (e *elections) insist(ctx context.Context, id env.NodeID, step func(context.Context, env.NodeID) error) error {
	for {
		err := step(ctx, id)
		if !errors.Is(err, stream.ErrBusy) {
			return err
		}
		if err := quorum.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}
