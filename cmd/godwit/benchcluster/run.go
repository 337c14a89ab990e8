package benchcluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
)

const (
	loadMax  = 10 * time.Minute
	checkMax = 10 * time.Minute
	// drainMax is how long what was executed may take to be released, beside the run.
	drainMax = 2 * time.Minute
)

// Measure runs a workload once, checks what all members hold, and returns what was
// measured.
func Measure(ctx context.Context, config Config) (_ *Result, err error) {
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
	heal := func() error { return nil }
	if config.Fault != nil {
		if heal, err = c.hurt(config.Fault); err != nil {
			return nil, err
		}
	}
	if err := c.order(Order{Run: &c.config.Run}); err != nil {
		return nil, err
	}
	limit := config.Run.Warmup + config.Run.Duration + drainMax
	if err := c.await(ctx, "to run", limit, func(e *event) bool { return e.Result != nil }); err != nil {
		return nil, err
	}
	leader, err := c.ranOn()
	if err != nil {
		return nil, err
	}
	r := c.summarize(leader)
	if err := c.recover(ctx, leader, heal); err != nil {
		return nil, err
	}
	if r.Checksum, err = c.check(ctx, leader, true); err != nil {
		return nil, err
	}
	return r, c.quit(ctx)
}

// ranOn returns the member that the workload has run on: who has measured it, or who leads
// if clients have.
func (c *cluster) ranOn() (env.NodeID, error) {
	if c.clients == nil {
		return c.result.from.id, nil
	}
	l := c.leader()
	if l == nil {
		return 0, errors.New("benchcluster: nobody leads at the end of the run")
	}
	return l.setup.ID, nil
}

// load waits for a leader, which loads the data.
func (c *cluster) load(ctx context.Context) error {
	if err := c.awaitLeader(ctx); err != nil {
		return err
	}
	c.say("member %d leads; it loads the data", c.leader().setup.ID)
	if err := c.order(Order{Load: true}); err != nil {
		return err
	}
	if err := c.await(ctx, "to load the data", loadMax, func(*event) bool { return c.loaded != nil }); err != nil {
		return err
	}
	c.say("loaded in %.1f s", c.loaded.Seconds)
	return c.awaitApplied(ctx, c.loaded.Applied)
}

func (c *cluster) awaitLeader(ctx context.Context) error {
	return c.await(ctx, "to elect a leader", answerMax, func(*event) bool { return c.leader() != nil })
}

// awaitApplied waits until all members have applied what is at or below a timestamp.
func (c *cluster) awaitApplied(ctx context.Context, at uint64) error {
	return c.await(ctx, "to apply what the leader has", loadMax, func(*event) bool {
		for _, m := range c.members {
			if m.last().Applied < at {
				return false
			}
		}
		return true
	})
}

// check stops what runs and checks the data on all members: that they are in order, and
// the same everywhere.
func (c *cluster) check(ctx context.Context, leader env.NodeID, executed bool) (sum benchshard.Checksum, err error) {
	for _, m := range c.members {
		m.stopped, m.checked = false, nil
	}
	// The clients first: they wait for answers.
	if c.clients != nil {
		if err := c.clients.process.order(Order{Stop: true}); err != nil {
			return sum, err
		}
		if err := c.await(ctx, "to answer the clients", answerWithin, func(*event) bool { return c.clients.stopped }); err != nil {
			return sum, err
		}
	}
	for _, m := range c.members {
		if err := m.process.order(Order{Stop: true}); err != nil {
			return sum, err
		}
	}
	all := func(is func(*one) bool) func(*event) bool {
		return func(*event) bool {
			for _, m := range c.members {
				if !is(m) {
					return false
				}
			}
			return true
		}
	}
	if err := c.await(ctx, "to stop", answerMax, all(func(m *one) bool { return m.stopped })); err != nil {
		return sum, err
	}
	c.say("checking the data")
	// The leader first: the others then show what it shows, or more.
	l := c.members[leader]
	order := CheckOrder{Executed: executed}
	if c.clients != nil {
		order.Counts = c.clients.counts
	}
	if err := l.process.order(Order{Check: &order}); err != nil {
		return sum, err
	}
	if err := c.await(ctx, "to check the leader's data", checkMax, func(*event) bool { return l.checked != nil }); err != nil {
		return sum, err
	}
	for id, m := range c.members {
		if id == leader {
			continue
		}
		if err := m.process.order(Order{Check: &CheckOrder{AtLeast: l.checked.At, Counts: order.Counts}}); err != nil {
			return sum, err
		}
	}
	if err := c.await(ctx, "to check their data", checkMax, all(func(m *one) bool { return m.checked != nil })); err != nil {
		return sum, err
	}
	return c.judge(l.checked)
}

// judge compares what the members have found.
func (c *cluster) judge(leader *CheckReport) (sum benchshard.Checksum, err error) {
	var errs []error
	for _, id := range c.ids() {
		found := c.members[id].checked
		if found.Wrong != "" {
			errs = append(errs, fmt.Errorf("member %d, at timestamp %d: %s", id, found.At, found.Wrong))
		}
		if found.Checksum != leader.Checksum {
			errs = append(errs, fmt.Errorf("member %d holds %v at timestamp %d, the leader %v at %d", id, found.Checksum, found.At, leader.Checksum, leader.At))
		}
	}
	return leader.Checksum, errors.Join(errs...)
}

func (c *cluster) say(format string, args ...any) {
	if c.config.Show != nil {
		c.config.Show(format, args...)
	}
}
