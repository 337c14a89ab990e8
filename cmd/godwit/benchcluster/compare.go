package benchcluster

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/godwitdb/godwit/bench"
)

// Comparison is what replication costs: rounds of a run without it and a run with it.
type Comparison struct {
	Rounds []Pair `json:"rounds"`
}

// Pair is one round.
type Pair struct {
	Alone      *Result `json:"alone"`
	Replicated *Result `json:"replicated"`
}

// Ratios are costs of a transaction in relation to each other.
type Ratios struct {
	Leader   float64 // the leader's to those of the engine alone
	Follower float64 // a follower's to those of the engine alone
	Replay   float64 // a follower's to the leader's
}

// Ratios returns those of a round.
func (p Pair) Ratios() Ratios {
	alone, leads, follows := float64(p.Alone.Leads()), float64(p.Replicated.Leads()), float64(p.Replicated.Follows())
	return Ratios{leads / max(1, alone), follows / max(1, alone), follows / max(1, leads)}
}

// Compare runs a workload without and with replicas, in turn.
func Compare(ctx context.Context, alone, replicated Config, rounds int, between func() error) (*Comparison, error) {
	c := &Comparison{}
	for i := range rounds {
		var p Pair
		var err error
		if p.Alone, err = Measure(ctx, alone); err != nil {
			return nil, fmt.Errorf("round %d, alone: %w", i+1, err)
		}
		if p.Replicated, err = Measure(ctx, replicated); err != nil {
			return nil, fmt.Errorf("round %d, replicated: %w", i+1, err)
		}
		c.Rounds = append(c.Rounds, p)
		if replicated.Show != nil {
			r := p.Ratios()
			replicated.Show("round %d: alone %s, leader %s (%.2f), follower %s (%.2f)", i+1, bench.FormatDuration(p.Alone.Leads()),
				bench.FormatDuration(p.Replicated.Leads()), r.Leader, bench.FormatDuration(p.Replicated.Follows()), r.Follower)
		}
		if err := between(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Write prints the comparison for people.
func (c *Comparison) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "processor time per transaction, %d rounds: median (least to most)\n", len(c.Rounds))
	for _, row := range []struct {
		what  string
		value func(Pair) float64
		form  string
		peers bool // it is about followers
	}{
		{"engine alone", func(p Pair) float64 { return float64(p.Alone.Leads()) / 1000 }, "%.2f µs", false},
		{"leader", func(p Pair) float64 { return float64(p.Replicated.Leads()) / 1000 }, "%.2f µs", false},
		{"follower", func(p Pair) float64 { return float64(p.Replicated.Follows()) / 1000 }, "%.2f µs", true},
		{"leader / engine alone", func(p Pair) float64 { return p.Ratios().Leader }, "%.2f", false},
		{"follower / engine alone", func(p Pair) float64 { return p.Ratios().Follower }, "%.2f", true},
		{"follower / leader", func(p Pair) float64 { return p.Ratios().Replay }, "%.2f", true},
		{"bytes on the wire", func(p Pair) float64 { return p.Replicated.SentPerTransactionBytes }, "%.0f", true},
	} {
		if row.peers && len(c.Rounds[0].Replicated.Members) < 2 {
			continue
		}
		var all []float64
		for _, p := range c.Rounds {
			all = append(all, row.value(p))
		}
		low, middle, high := spread(all)
		fmt.Fprintf(&b, "  %-24s "+row.form+" ("+row.form+" to "+row.form+")\n", row.what, middle, low, high)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// spread returns the least, the median and the most of some values.
func spread(all []float64) (low, middle, high float64) {
	if len(all) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]
}
