package benchcluster

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/godwitdb/godwit/bench"
)

// Contest is what two clusters release, side by side: rounds of a run of each, the other one
// first every second time.
type Contest struct {
	Subject string  `json:"subject"` // what is asked about
	Rival   string  `json:"rival"`
	Rounds  []Match `json:"rounds"`
}

// Match is one round of a Contest.
type Match struct {
	Subject *Result `json:"subject"`
	Rival   *Result `json:"rival"`
}

// Ratio returns what the subject releases, in relation to the rival.
func (m Match) Ratio() float64 {
	return m.Subject.Leader.ReleasedPerSecond / max(1, m.Rival.Leader.ReleasedPerSecond)
}

// Contender is a cluster of a Contest.
type Contender struct {
	Name   string
	Config Config
}

// RunContest runs two clusters in turn. between is called behind each run.
func RunContest(ctx context.Context, subject, rival Contender, rounds int, between func() error) (*Contest, error) {
	c := &Contest{Subject: subject.Name, Rival: rival.Name}
	for i := range rounds {
		var m Match
		runs := []func() error{
			func() (err error) { m.Subject, err = Measure(ctx, subject.Config); return err },
			func() (err error) { m.Rival, err = Measure(ctx, rival.Config); return err },
		}
		for j := range runs {
			if err := runs[(i+j)%len(runs)](); err != nil {
				return nil, fmt.Errorf("round %d: %w", i+1, err)
			}
			if err := between(); err != nil {
				return nil, err
			}
		}
		c.Rounds = append(c.Rounds, m)
		if show := subject.Config.Show; show != nil {
			show("round %d: %s %.0f/s, %s %.0f/s, ratio %.3g", i+1, subject.Name, m.Subject.Leader.ReleasedPerSecond,
				rival.Name, m.Rival.Leader.ReleasedPerSecond, m.Ratio())
		}
	}
	return c, nil
}

// Middle returns the round whose ratio is the median, or next to it.
func (c *Contest) Middle() Match {
	sorted := slices.SortedFunc(slices.Values(c.Rounds), func(a, b Match) int { return cmp.Compare(a.Ratio(), b.Ratio()) })
	return sorted[(len(sorted)-1)/2]
}

// Write prints the contest for people.
func (c *Contest) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s against %s, %d rounds in turn: median (least to most)\n", c.Rounds[0].Subject.Leader.Workload, c.Subject, c.Rival, len(c.Rounds))
	for _, row := range []struct {
		what  string
		value func(Match) float64
		form  func(float64) string
	}{
		{c.Subject + ", released", func(m Match) float64 { return m.Subject.Leader.ReleasedPerSecond }, perSecond},
		{c.Rival + ", released", func(m Match) float64 { return m.Rival.Leader.ReleasedPerSecond }, perSecond},
		{c.Subject + " / " + c.Rival, Match.Ratio, func(v float64) string { return fmt.Sprintf("%.3g", v) }},
		{c.Subject + ", released after p50", func(m Match) float64 { return float64(m.Subject.Leader.ReleasedLatency.P50) }, duration},
		{c.Rival + ", released after p50", func(m Match) float64 { return float64(m.Rival.Leader.ReleasedLatency.P50) }, duration},
	} {
		var all []float64
		for _, m := range c.Rounds {
			all = append(all, row.value(m))
		}
		low, middle, high := spread(all)
		fmt.Fprintf(&b, "  %-36s %s (%s to %s)\n", row.what, row.form(middle), row.form(low), row.form(high))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func perSecond(v float64) string { return fmt.Sprintf("%.0f/s", v) }

func duration(nanoseconds float64) string { return bench.FormatDuration(time.Duration(nanoseconds)) }
