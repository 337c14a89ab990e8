package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/plot"
)

// measurement is what one system did in one round.
type measurement struct {
	PerSecond float64       `json:"per_second"`
	Latency   bench.Latency `json:"latency"`
}

// round is both systems, one after the other.
type round struct {
	Godwit measurement `json:"godwit"`
	Rival  measurement `json:"rival"`
	Ratio  float64     `json:"ratio"`
}

// outcome is a comparison that was made.
type outcome struct {
	Name   string    `json:"name"`
	What   string    `json:"what"`
	Rival  string    `json:"rival"`
	Bar    float64   `json:"bar,omitempty"`
	Made   time.Time `json:"made"`
	Rounds []round   `json:"rounds"`
	Ratio  spread    `json:"ratio"`
	// P99 is how many times the rival's p99 latency Godwit's is.
	P99 spread `json:"p99_ratio"`
}

// spread is the median of several numbers, and their range.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	return spread{Median: (v[(len(v)-1)/2] + v[len(v)/2]) / 2, Low: v[0], High: v[len(v)-1]}
}

func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Low, s.High) }

func (o *outcome) sumUp() {
	o.Made = time.Now().UTC().Truncate(time.Second)
	var ratios, p99s []float64
	for _, r := range o.Rounds {
		ratios = append(ratios, r.Ratio)
		p99s = append(p99s, float64(r.Godwit.Latency.P99)/float64(r.Rival.Latency.P99))
	}
	o.Ratio, o.P99 = spreadOf(ratios), spreadOf(p99s)
}

// middle returns the median of something of all rounds.
func (o *outcome) middle(of func(round) float64) float64 {
	var all []float64
	for _, r := range o.Rounds {
		all = append(all, of(r))
	}
	return spreadOf(all).Median
}

// results are all that a file has.
type results struct {
	Machine  bench.Machine `json:"machine"`
	Outcomes []outcome     `json:"comparisons"`
	Idle     []idle        `json:"idle"`
}

// before returns the results of earlier runs.
func (s *settings) before() (*results, error) {
	r := &results{}
	if s.json == "" {
		return r, nil
	}
	text, err := os.ReadFile(s.json)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(text, r)
}

// add puts an outcome in the place of an earlier one.
func (r *results) add(o outcome) {
	i := slices.IndexFunc(r.Outcomes, func(have outcome) bool { return have.Name == o.Name })
	if i < 0 {
		r.Outcomes = append(r.Outcomes, o)
		return
	}
	r.Outcomes[i] = o
}

// report prints the results, and writes and draws them if that is wanted.
func (s *settings) report(r *results) error {
	r.Machine = bench.ThisMachine()
	var order []string
	for _, c := range s.comparisons() {
		order = append(order, c.name)
	}
	slices.SortStableFunc(r.Outcomes, func(a, b outcome) int {
		return cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name))
	})
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if s.json != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if s.plot == "" || len(r.Outcomes) == 0 {
		return nil
	}
	var ratios []plot.Ratio
	for _, o := range r.Outcomes {
		ratios = append(ratios, plot.Ratio{Name: o.Name, Median: o.Ratio.Median, Low: o.Ratio.Low, High: o.Ratio.High, Bar: o.Bar})
	}
	return plot.Ratios("Godwit's throughput, times the other system's", ratios, s.plot)
}

// print prints a table: medians of all rounds, and of the ratios their range too.
func (r *results) print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "comparison\tGodwit/s\tother/s\tratio\tbar\tp50\tother's\tp99\tother's\twith")
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		latency := func(of func(round) time.Duration) string {
			return bench.FormatDuration(time.Duration(o.middle(func(r round) float64 { return float64(of(r)) })))
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%.1f\t%s\t%s\t%s\t%s\t%s\n", o.Name,
			o.middle(func(r round) float64 { return r.Godwit.PerSecond }), o.middle(func(r round) float64 { return r.Rival.PerSecond }), o.Ratio, o.Bar,
			latency(func(r round) time.Duration { return r.Godwit.Latency.P50 }), latency(func(r round) time.Duration { return r.Rival.Latency.P50 }),
			latency(func(r round) time.Duration { return r.Godwit.Latency.P99 }), latency(func(r round) time.Duration { return r.Rival.Latency.P99 }), o.Rival)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, i := range r.Idle {
		verdict := "within"
		if i.Share >= idleShareMax || i.Resident >= idleBytesMax {
			verdict = "beyond"
		}
		fmt.Fprintf(out, "idle, %s: %.2f %% of a processor, %.1f MiB resident: %s 1 %% and 60 MiB\n", i.What, 100*i.Share, float64(i.Resident)/(1<<20), verdict)
	}
	return nil
}
