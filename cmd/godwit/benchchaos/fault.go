package benchchaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/internal/env/shape"
)

// fault is something that happens, and its end.
type fault struct {
	what string
	// majority: there is one meanwhile.
	majority bool
	// deposes: who has led does not release anything meanwhile.
	deposes bool
	// least is how long it goes on at least.
	least time.Duration
	begin func(ctx context.Context) error
	end   func(ctx context.Context) error
}

const (
	slowSync  = 30 * time.Millisecond
	slowDelay = 20 * time.Millisecond
	// fullTime is longer than the segments that are ready last.
	fullTime = 1500 * time.Millisecond
)

// draw makes a fault of a kind.
func (c *cluster) draw(ctx context.Context, k Kind, rng *rand.Rand) (*fault, error) {
	leads, err := c.leader(ctx)
	if err != nil {
		return nil, err
	}
	i := rng.IntN(len(c.members))
	m := c.members[i]
	if rng.IntN(2) == 0 {
		m = leads
	}
	role := "a follower"
	if m == leads {
		role = "the leader"
	}
	f := &fault{what: fmt.Sprintf("%s of node %d, %s", k, m.id, role), majority: true, deposes: m == leads,
		end: func(ctx context.Context) error { return c.restart(ctx, m) }}
	switch k {
	case Kill, Pause, Cut:
		c.away(f, k, m, rng)
	case Full:
		f.deposes = false // it goes on: the others have room
		c.away(f, k, m, rng)
	case Several:
		c.several(f, m, leads, rng)
	case Slow:
		f.deposes = false
		c.slow(f, m, rng)
	case Replace:
		f.begin = func(context.Context) error { m.Kill(); return nil }
		early := rng.IntN(2) == 0
		if early {
			f.what += ", which is there before it is removed"
		}
		f.end = func(ctx context.Context) error { return c.replace(ctx, m, early) }
	}
	return f, nil
}

func (m *member) setDisk(ctx context.Context, o benchnode.DiskOrder) error {
	_, err := m.ask(ctx, benchnode.Order{Disk: &o}, answerMax)
	return err
}

// links says how all links of a member are, both ways.
func (c *cluster) links(m *member, l shape.Link) {
	for _, other := range c.members {
		if other != m {
			c.shaper.Set(m.id, other.id, l)
			c.shaper.Set(other.id, m.id, l)
		}
	}
}

// away takes a member away.
func (c *cluster) away(f *fault, k Kind, m *member, rng *rand.Rand) {
	switch k {
	case Pause:
		f.begin = func(context.Context) error { return m.Pause() }
		f.end = func(context.Context) error { return m.Resume() }
	case Cut:
		c.cut(f, m, rng)
	case Full:
		f.least = fullTime
		f.begin = func(ctx context.Context) error { return m.setDisk(ctx, benchnode.DiskOrder{Full: true}) }
		f.end = func(ctx context.Context) error { return c.unfill(ctx, m) }
	default:
		f.begin = func(context.Context) error { m.Kill(); return nil }
		f.end = func(ctx context.Context) error { return c.restart(ctx, m) }
	}
}

// several takes two members away, each in its way.
func (c *cluster) several(f *fault, m, leads *member, rng *rand.Rand) {
	other := c.members[(int(m.id)+rng.IntN(len(c.members)-1))%len(c.members)]
	ways := []Kind{Kill, Kill, Pause, Cut}
	var two [2]fault
	k, l := ways[rng.IntN(len(ways))], ways[rng.IntN(len(ways))]
	if rng.IntN(4) == 0 {
		k, l = Full, Full
	}
	c.away(&two[0], k, m, rng)
	c.away(&two[1], l, other, rng)
	f.what = fmt.Sprintf("%s of node %d and %s of node %d, %d leads", k, m.id, l, other.id, leads.id)
	f.majority, f.deposes, f.least = false, m == leads || other == leads, two[0].least
	f.begin = func(ctx context.Context) error { return errors.Join(two[0].begin(ctx), two[1].begin(ctx)) }
	f.end = func(ctx context.Context) error { return errors.Join(two[0].end(ctx), two[1].end(ctx)) }
}

// cut cuts a member's links: nothing gets through, or they break, too.
func (c *cluster) cut(f *fault, m *member, rng *rand.Rand) {
	breaks := rng.IntN(2) == 0
	f.begin = func(context.Context) error {
		c.links(m, shape.Link{Cut: true})
		for _, other := range c.members {
			if breaks && other != m {
				c.shaper.Reset(m.id, other.id)
			}
		}
		return nil
	}
	f.end = func(context.Context) error { c.links(m, shape.Link{}); return nil }
}

// slow makes a member's disk or its links slow.
func (c *cluster) slow(f *fault, m *member, rng *rand.Rand) {
	if rng.IntN(2) == 0 {
		f.what += ", its disk"
		f.begin = func(ctx context.Context) error { return m.setDisk(ctx, benchnode.DiskOrder{SyncDelay: slowSync}) }
		f.end = func(ctx context.Context) error { return m.setDisk(ctx, benchnode.DiskOrder{}) }
		return
	}
	f.what += ", its links"
	f.begin = func(context.Context) error {
		c.links(m, shape.Link{Delay: slowDelay, Jitter: slowDelay / 4})
		return nil
	}
	f.end = func(context.Context) error { c.links(m, shape.Link{}); return nil }
}

// unfill makes room. A replica that could not go on without is started again.
func (c *cluster) unfill(ctx context.Context, m *member) error {
	if m.isGone() {
		return c.restart(ctx, m)
	}
	err := m.setDisk(ctx, benchnode.DiskOrder{})
	if err != nil && m.isGone() { // just now
		return c.restart(ctx, m)
	}
	return err
}

// replace deletes the folder of a member that was killed, and has it join as a new node. If
// it starts early, with the empty folder and in the belief that the group is new, it must not
// count as the member that it was.
func (c *cluster) replace(ctx context.Context, m *member, early bool) error {
	if err := m.Wait(); err == nil {
		return fmt.Errorf("node %d was killed, and has ended in peace", m.id)
	}
	if err := m.empty(); err != nil {
		return err
	}
	if early {
		if err := c.restart(ctx, m); err != nil {
			return err
		}
		if err := rest(ctx, fullTime/4); err != nil {
			return err
		}
	}
	if err := c.change(ctx, "removed", benchnode.Change{Remove: m.id}, func(s *benchnode.Status) bool { return !slices.Contains(s.Members.Voters, m.id) }); err != nil {
		return err
	}
	if !early {
		m.setup.Voters = nil
		if err := c.restart(ctx, m); err != nil {
			return err
		}
	}
	if err := c.change(ctx, "added", benchnode.Change{Add: m.id}, func(s *benchnode.Status) bool { return slices.Contains(s.Members.Learners, m.id) }); err != nil {
		return err
	}
	return c.change(ctx, "promoted", benchnode.Change{Promote: m.id}, func(s *benchnode.Status) bool { return slices.Contains(s.Members.Voters, m.id) })
}

// change changes the group's members, at whoever leads, until it is so.
func (c *cluster) change(ctx context.Context, what string, change benchnode.Change, is func(*benchnode.Status) bool) error {
	return comesAbout(ctx, fmt.Sprintf("a node is %s", what), func() error {
		leads, err := c.leader(ctx)
		if err != nil {
			return err
		}
		s, err := leads.status(ctx)
		if err != nil {
			return err
		}
		if is(s) {
			return nil
		}
		if _, err := leads.ask(ctx, benchnode.Order{Change: &change}, answerMax); err != nil {
			return err
		}
		return errors.New("it was ordered")
	})
}
