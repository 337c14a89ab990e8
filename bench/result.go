package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// ResultSchema is the version of Result's JSON.
const ResultSchema = 1

// Result is the outcome of one run, as it is written to JSON.
type Result struct {
	Schema   int            `json:"schema"`
	Engine   string         `json:"engine"`
	Workload string         `json:"workload"`
	Params   map[string]any `json:"params"`
	// Settings are the engine's, as the command that opened it knows them.
	Settings map[string]any `json:"settings,omitempty"`
	Machine  Machine        `json:"machine"`
	Started  time.Time      `json:"started"`

	Sessions      int     `json:"sessions"`
	InFlightMax   int     `json:"in_flight_max"`
	Seed          uint64  `json:"seed"`
	LoadSeconds   float64 `json:"load_seconds"`
	WarmupSeconds float64 `json:"warmup_seconds"`
	// Seconds is the measured time; all that follows is of it.
	Seconds float64 `json:"seconds"`

	Executed          uint64  `json:"executed"`
	ExecutedPerSecond float64 `json:"executed_per_second"`
	Released          uint64  `json:"released"`
	ReleasedPerSecond float64 `json:"released_per_second"`
	// Rollbacks were asked for by the workload, Aborts are attempts that ended
	// in a conflict and were retried.
	Rollbacks uint64 `json:"rollbacks"`
	Aborts    uint64 `json:"aborts"`
	// BlockedFraction is the share of the sessions' time spent waiting at
	// InFlightMax.
	BlockedFraction float64 `json:"blocked_fraction"`

	ExecutedLatency Latency      `json:"executed_latency"`
	ReleasedLatency Latency      `json:"released_latency"`
	Kinds           []KindResult `json:"kinds"`
	Intervals       []Interval   `json:"intervals"`
	Resources       Resources    `json:"resources"`

	// LoadedStats are the engine's own figures before the run, EngineStats those
	// after it.
	LoadedStats map[string]float64 `json:"loaded_stats,omitempty"`
	EngineStats map[string]float64 `json:"engine_stats,omitempty"`
	// WorkloadStats are the workload's own figures, of the whole run with its warm-up.
	WorkloadStats map[string]float64 `json:"workload_stats,omitempty"`
	// CheckSeconds is how long the workload's check took. There is no result
	// with a failed check.
	CheckSeconds float64 `json:"check_seconds"`
}

// KindResult is one type of transaction within a result.
type KindResult struct {
	Name            string  `json:"name"`
	Executed        uint64  `json:"executed"`
	Released        uint64  `json:"released"`
	Rollbacks       uint64  `json:"rollbacks"`
	ExecutedLatency Latency `json:"executed_latency"`
	ReleasedLatency Latency `json:"released_latency"`
}

// Interval is a result's resolution over time, about a second of it.
type Interval struct {
	// EndSeconds is counted from the start of the run, warm-up included.
	EndSeconds      float64 `json:"end_seconds"`
	Seconds         float64 `json:"seconds"`
	Measured        bool    `json:"measured"`
	Executed        uint64  `json:"executed"`
	Released        uint64  `json:"released"`
	Rollbacks       uint64  `json:"rollbacks"`
	Aborts          uint64  `json:"aborts"`
	InFlight        int     `json:"in_flight"`
	ExecutedLatency Latency `json:"executed_latency"`
	ReleasedLatency Latency `json:"released_latency"`
}

func newInterval(t *tally, end, length time.Duration, measured bool) Interval {
	sum := t.sum()
	return Interval{
		EndSeconds: end.Seconds(), Seconds: length.Seconds(), Measured: measured,
		Executed: sum.executed, Released: sum.released, Rollbacks: sum.rollbacks, Aborts: t.aborts, InFlight: t.inFlight,
		ExecutedLatency: sum.executedLatency.latency(), ReleasedLatency: sum.releasedLatency.latency(),
	}
}

// String is the line of progress that a terminal shows.
func (i Interval) String() string {
	phase := "warm-up"
	if i.Measured {
		phase = "measured"
	}
	per := 1 / i.Seconds
	return fmt.Sprintf("%6.1fs %-8s  executed %9.0f/s  released %9.0f/s  aborts %7.0f/s  in flight %6d  executed p50 %6s p99 %6s  released p50 %6s p99 %6s",
		i.EndSeconds, phase, float64(i.Executed)*per, float64(i.Released)*per, float64(i.Aborts)*per, i.InFlight,
		FormatDuration(i.ExecutedLatency.P50), FormatDuration(i.ExecutedLatency.P99),
		FormatDuration(i.ReleasedLatency.P50), FormatDuration(i.ReleasedLatency.P99))
}

// fill sets the figures from the sum of the measured intervals.
func (r *Result) fill(kinds []string, t *tally, length time.Duration) {
	sum := t.sum()
	r.Seconds = length.Seconds()
	r.Executed, r.ExecutedPerSecond = sum.executed, float64(sum.executed)/length.Seconds()
	r.Released, r.ReleasedPerSecond = sum.released, float64(sum.released)/length.Seconds()
	r.Rollbacks, r.Aborts = sum.rollbacks, t.aborts
	r.BlockedFraction = t.blocked.Seconds() / (length.Seconds() * float64(r.Sessions))
	r.ExecutedLatency, r.ReleasedLatency = sum.executedLatency.latency(), sum.releasedLatency.latency()
	for i := range t.kinds {
		k := &t.kinds[i]
		r.Kinds = append(r.Kinds, KindResult{
			Name: kinds[i], Executed: k.executed, Released: k.released, Rollbacks: k.rollbacks,
			ExecutedLatency: k.executedLatency.latency(), ReleasedLatency: k.releasedLatency.latency(),
		})
	}
}

// Measure loads w into e, runs it and checks it: the whole of a benchmark. Note,
// if set, is told what happens.
func Measure(ctx context.Context, e Engine, w Workload, c Config, note func(format string, args ...any)) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if note == nil {
		note = func(string, ...any) {}
	}
	note("loading %s into %s", w.Name(), e.Name())
	begin := time.Now()
	if err := w.Load(ctx, e, c.Sessions); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	load := time.Since(begin)
	note("loaded in %s, running %s with %d sessions", FormatDuration(load), w.Name(), c.Sessions)
	loaded := stats(e)
	r, err := Run(ctx, e, w, c)
	if err != nil {
		return nil, err
	}
	r.Engine, r.Workload, r.Params, r.Machine = e.Name(), w.Name(), w.Params(), ThisMachine()
	r.LoadSeconds = load.Seconds()
	r.LoadedStats, r.EngineStats, r.WorkloadStats = loaded, stats(e), stats(w)
	note("checking the database")
	begin = time.Now()
	if err := w.Check(ctx, e, c.Sessions); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	r.CheckSeconds = time.Since(begin).Seconds()
	note("checked in %s: correct", FormatDuration(time.Since(begin)))
	return r, nil
}

// stats returns the figures that an engine or a workload has of its own, nil if it has
// none.
func stats(of any) map[string]float64 {
	if s, ok := of.(StatsReporter); ok {
		return s.Stats()
	}
	return nil
}

// WriteFile writes the result to a JSON file.
func (r *Result) WriteFile(name string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

// ReadResult reads what WriteFile wrote.
func ReadResult(name string) (*Result, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(Result)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if r.Schema != ResultSchema {
		return nil, fmt.Errorf("%s: schema %d, this program reads %d", name, r.Schema, ResultSchema)
	}
	return r, nil
}
