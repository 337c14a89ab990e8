package benchcluster

import (
	"fmt"
	"strings"
	"time"
)

// showEvery is how often the parent says how far the members are.
const showEvery = time.Second

// show says how far the members are, if it is time.
func (c *cluster) show() {
	now := time.Now()
	if c.config.Show == nil || now.Sub(c.shown) < showEvery {
		return
	}
	from := c.shown.UnixNano()
	c.shown = now
	var line strings.Builder
	if l := c.leader(); l != nil {
		a, b := l.at(from), l.last()
		seconds := time.Duration(b.At - a.At).Seconds()
		told := c.told(l)
		fmt.Fprintf(&line, "leader %d, epoch %d: executed %.0f/s, released %.0f/s, ", l.setup.ID, b.Epoch,
			float64(b.Executed-a.Executed)/seconds, float64(told.last().Released-told.at(from).Released)/seconds)
		if rounds := float64(b.Rounds - a.Rounds); rounds > 0 {
			fmt.Fprintf(&line, "%.0f rounds/s of %.1f KiB, ", rounds/seconds, float64(b.Payload-a.Payload)/rounds/1024)
		}
	}
	line.WriteString("processors")
	for _, m := range c.everybody() {
		name := fmt.Sprint(m.setup.ID)
		if m == c.clients {
			name = "clients"
		}
		a, b := m.at(from), m.last()
		fmt.Fprintf(&line, " %s: %.2f", name, float64(b.CPU-a.CPU)/max(1, float64(b.At-a.At)))
	}
	c.config.Show("%s", line.String())
}

// told returns who is told of the releases of a leader.
func (c *cluster) told(leader *one) *one {
	if c.clients != nil {
		return c.clients
	}
	return leader
}

// at returns the member's last sample before a moment, or its first one.
func (o *one) at(nanoseconds int64) Sample {
	for i := len(o.samples) - 1; i >= 0; i-- {
		if o.samples[i].At <= nanoseconds {
			return o.samples[i]
		}
	}
	if len(o.samples) > 0 {
		return o.samples[0]
	}
	return Sample{}
}
