package benchcluster

import (
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/shape"
)

// Links say how far the members are apart. Their connections go through relays in the
// parent's process then, whose processor time is nobody's.
type Links struct {
	// RoundTrip is how long it takes to another member and back, at least; up to Jitter
	// comes on top each way.
	RoundTrip time.Duration `json:"round_trip_ns"`
	Jitter    time.Duration `json:"jitter_ns,omitempty"`
	// BytesPerSecond is what goes from one member to another, each way. 0 is no limit.
	BytesPerSecond float64 `json:"bytes_per_second,omitempty"`
}

// way is one way of a link on which everything takes so much longer.
func (l *Links) way(more time.Duration) shape.Link {
	return shape.Link{Delay: l.RoundTrip/2 + more, Jitter: l.Jitter, BytesPerSecond: l.BytesPerSecond}
}

// addresses returns where a member finds the members that listen at some addresses: there,
// or at relays that make the links what the configuration says.
func (c *cluster) addresses(id env.NodeID, listen map[env.NodeID]string) (map[env.NodeID]string, error) {
	if c.shaper == nil {
		return listen, nil
	}
	via := map[env.NodeID]string{id: listen[id]}
	for to, addr := range listen {
		if to == id {
			continue
		}
		c.shaper.Set(id, to, c.config.Links.way(0))
		relay, err := c.shaper.Via(id, to, addr)
		if err != nil {
			return nil, err
		}
		via[to] = relay
	}
	return via, nil
}

// delay has everything from and to a member take so much longer.
func (c *cluster) delay(id env.NodeID, more time.Duration) {
	for other := range c.members {
		if other != id {
			c.shaper.Set(id, other, c.config.Links.way(more))
			c.shaper.Set(other, id, c.config.Links.way(more))
		}
	}
}

// unlink ends the relays, when nobody needs them any more.
func (c *cluster) unlink() {
	if c.shaper != nil {
		c.shaper.Close()
		c.shaper = nil
	}
}
