package benchcluster

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
)

// Faults say what happens to leaders.
type Faults struct {
	Kills  int // by SIGKILL; the process starts again when another leads
	Pauses int // by SIGSTOP; the process goes on when another leads
	// Between is how long the workload runs between two faults at least.
	Between time.Duration
}

const (
	// failoverMax is how long a group may be without a leader.
	failoverMax = time.Minute
	// betweenMore is how much longer than Between it may take to the next fault, by
	// chance.
	betweenMore = 100 * time.Millisecond
)

// Failover is what faults have cost.
type Failover struct {
	Replicas      int                 `json:"replicas"`
	Durability    string              `json:"durability"`
	Workload      string              `json:"workload"`
	Clients       bool                `json:"clients,omitempty"` // over the network
	RatePerSecond float64             `json:"rate_per_second,omitempty"`
	Election      time.Duration       `json:"election_timeout_ns"`
	Machine       bench.Machine       `json:"machine"`
	Kills         []Outage            `json:"kills,omitempty"`
	Pauses        []Outage            `json:"pauses,omitempty"`
	Checksum      benchshard.Checksum `json:"checksum"`
	LoadPerMinute float64             `json:"machine_load_per_minute"`
}

// Outage is one fault of a leader.
type Outage struct {
	Was env.NodeID `json:"was"`
	Now env.NodeID `json:"now"`
	// Took is the time from the fault to the report of the first release by the next
	// leader, by the parent's clock: the report of that leader, or of clients.
	Took time.Duration `json:"took_ns"`
	// CaughtUp is how long the member took, from when it went on, to be where the
	// leader was then.
	CaughtUp time.Duration `json:"caught_up_ns"`
	Timeline []Moment      `json:"timeline"`
}

// RunFaults runs the workload without an end, has faults happen to its leaders, and
// checks what all members hold.
func RunFaults(ctx context.Context, config Config, f Faults) (_ *Failover, err error) {
	config.Run.Endless = true
	c, err := start(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.end()
		}
	}()
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	if err := c.order(Order{Run: &c.config.Run}); err != nil {
		return nil, err
	}
	w, err := config.Workload.New()
	if err != nil {
		return nil, err
	}
	all := &Failover{Replicas: config.Replicas, Durability: config.Durability, Workload: w.Name(), Clients: c.clients != nil, RatePerSecond: config.Run.RatePerSecond,
		Election: config.ElectionTimeout, Machine: bench.ThisMachine()}
	for range f.Kills {
		if err := c.outage(ctx, f.Between, &all.Kills, c.kill, c.restart); err != nil {
			return nil, err
		}
	}
	for range f.Pauses {
		if err := c.outage(ctx, f.Between, &all.Pauses, c.pause, c.resume); err != nil {
			return nil, err
		}
	}
	all.LoadPerMinute = machineLoad()
	if err := c.awaitLeader(ctx); err != nil {
		return nil, err
	}
	if all.Checksum, err = c.check(ctx, c.leader().setup.ID, false); err != nil {
		return nil, err
	}
	return all, c.quit(ctx)
}

// outage has one fault happen to the leader, and lets it go on when there is another.
func (c *cluster) outage(ctx context.Context, between time.Duration, to *[]Outage,
	fault func(context.Context, *one) error, mend func(context.Context, env.NodeID) error,
) error {
	if err := c.pass(ctx, between+rand.N(betweenMore)); err != nil {
		return err
	}
	if err := c.await(ctx, "to release something", failoverMax, func(*event) bool { l := c.leader(); return l != nil && c.told(l).releases() }); err != nil {
		return err
	}
	old := c.leader()
	before, epoch := map[env.NodeID]uint64{}, old.last().Epoch
	for id, m := range c.members {
		before[id] = m.last().Released
	}
	o := Outage{Was: old.setup.ID}
	began := time.Now()
	if err := fault(ctx, old); err != nil {
		return err
	}
	old.away = true
	err := c.await(ctx, "to release something under another leader", failoverMax, func(e *event) bool {
		s := e.Sample
		switch {
		case s == nil || s.Epoch <= epoch:
			return false
		case c.clients != nil:
			if e.from != c.clients.process {
				return false // of an answer the clients know
			}
		case e.from.id == o.Was || !s.Leads || s.Released <= before[e.from.id]:
			return false
		}
		o.Now, o.Took = e.from.id, e.received.Sub(began)
		return true
	})
	if err != nil {
		return err
	}
	if c.clients != nil {
		if err := c.await(ctx, "to say who leads", answerMax, func(*event) bool { return c.leader() != nil }); err != nil {
			return err
		}
		o.Now = c.leader().setup.ID
	}
	if err := c.pass(ctx, timelineAfter+2*sampleEvery-min(timelineAfter, o.Took)); err != nil {
		return err
	}
	for _, m := range c.everybody() {
		o.Timeline = addTimeline(o.Timeline, m.samples, began.UnixNano())
	}
	goes := time.Now()
	if err := mend(ctx, o.Was); err != nil {
		return err
	}
	old.away = false
	applied := c.members[o.Now].last().Applied
	if err := c.await(ctx, "to catch up", loadMax, func(*event) bool { return old.last().At > goes.UnixNano() && old.last().Applied >= applied }); err != nil {
		return err
	}
	o.CaughtUp = time.Since(goes)
	*to = append(*to, o)
	c.say("%d: member %d was away; member %d released after %s; it caught up in %s", len(*to), o.Was, o.Now,
		bench.FormatDuration(o.Took), bench.FormatDuration(o.CaughtUp))
	for _, m := range c.everybody() {
		m.forget()
	}
	return nil
}

// kill kills a leader. Its end is not waited for: the next leader's first release may be
// reported before.
func (c *cluster) kill(_ context.Context, m *one) error {
	m.process.kill()
	return nil
}

func (c *cluster) pause(_ context.Context, m *one) error { return m.process.Pause() }

func (c *cluster) resume(_ context.Context, id env.NodeID) error {
	return c.members[id].process.Resume()
}

// took returns the times of outages, sorted.
func took(all []Outage) []time.Duration {
	var times []time.Duration
	for _, o := range all {
		times = append(times, o.Took)
	}
	slices.Sort(times)
	return times
}

// quantile returns the least of sorted values that at least a share q is at or below.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, max(0, int(q*float64(len(sorted))+0.999999)-1))]
}

// Middle returns the outage whose length is the median.
func Middle(all []Outage) (Outage, bool) {
	if len(all) == 0 {
		return Outage{}, false
	}
	median := quantile(took(all), 0.5)
	return all[slices.IndexFunc(all, func(o Outage) bool { return o.Took == median })], true
}

// Write prints the result for people.
func (f *Failover) Write(w io.Writer) error {
	var b strings.Builder
	clients := ""
	if f.Clients {
		clients = " by clients over the network"
	}
	fmt.Fprintf(&b, "%s%s, %d replicas, durable in %s, election timeout %v\n", f.Workload, clients, f.Replicas, f.Durability, f.Election)
	for _, part := range []struct {
		what string
		all  []Outage
	}{{"killed", f.Kills}, {"stopped", f.Pauses}} {
		if len(part.all) == 0 {
			continue
		}
		t := took(part.all)
		fmt.Fprintf(&b, "leader %s %d times: first release by the next one after p50 %s, p99 %s, max %s\n", part.what, len(t),
			bench.FormatDuration(quantile(t, 0.5)), bench.FormatDuration(quantile(t, 0.99)), bench.FormatDuration(t[len(t)-1]))
	}
	fmt.Fprintf(&b, "correct on every replica: %v\n", f.Checksum)
	_, err := io.WriteString(w, b.String())
	return err
}
