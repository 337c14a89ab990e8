package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/copilotsim"
	"github.com/godwitdb/godwit/internal/sim/raftsim"
	"github.com/godwitdb/godwit/internal/sim/shardsim"
	"github.com/godwitdb/godwit/internal/sim/streamsim"
)

// simFailuresMax is how many failing seeds a run looks for before it ends.
const simFailuresMax = 10

// everyScenario is what --scenario names by default.
const everyScenario = "all"

// simOptions are the flags of the command.
type simOptions struct {
	scenario string
	seed     uint64
	first    uint64
	count    uint64
	duration time.Duration
	workers  int
	less     string
	shrink   bool
	digests  string
}

func newSimCommand() *cobra.Command {
	var o simOptions
	scenarios := append(raftsim.Scenarios(), copilotsim.Scenarios()...)
	scenarios = append(scenarios, streamsim.Scenarios()...)
	scenarios = append(scenarios, shardsim.Scenarios()...)
	var doc strings.Builder
	width := 0
	for _, s := range scenarios {
		width = max(width, len(s.Name))
	}
	for _, s := range scenarios {
		fmt.Fprintf(&doc, "  %-*s  %s\n", width, s.Name, s.Doc)
	}
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run protocols in the deterministic simulator",
		Long: `Run seeds of the simulated scenarios for a given time, on all cores, and report those
that fail. One seed is one run: with --seed it is run again, exactly as it was, and
a transcript of it is printed. With --shrink too, runs of a failing seed are tried
that have fewer faults, clients and so on; the least that still fails the same way is
printed instead, with the command that shows it. With --digests a file gets a line for
each seed with the digest of its run: two such files of the same seeds are the same,
whatever process, day or machine they come from.

Scenarios:
` + doc.String(),
		Example: "  godwit sim --duration 10m\n  godwit sim --scenario raft --seed 42\n  godwit sim --scenario raft --seed 42 --shrink",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i := slices.IndexFunc(scenarios, func(s sim.Scenario) bool { return s.Name == o.scenario })
			if i < 0 && o.scenario != everyScenario {
				return usageError(fmt.Errorf("there is no scenario %q; there are:\n%s", o.scenario, strings.TrimSuffix(doc.String(), "\n")))
			}
			if o.workers < 1 {
				return usageError(errors.New("--workers has to be at least 1"))
			}
			if o.duration <= 0 {
				return usageError(errors.New("--duration has to be more than 0"))
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			if seed := cmd.Flags().Changed("seed"); !seed && (o.shrink || o.less != "") {
				return usageError(errors.New("--shrink and --less need a --seed"))
			} else if seed && i < 0 {
				return usageError(errors.New("--seed needs the --scenario that it is of"))
			} else if seed && o.shrink {
				return shrinkSeed(ctx, cmd.OutOrStdout(), scenarios[i], o)
			} else if seed {
				return replaySeed(cmd.OutOrStdout(), scenarios[i], o)
			}
			if i >= 0 {
				scenarios = scenarios[i : i+1]
			}
			if o.digests != "" {
				f, err := os.Create(o.digests)
				if err != nil {
					return failed(err)
				}
				defer f.Close()
				return errors.Join(sweepAll(ctx, cmd.OutOrStdout(), f, scenarios, o), f.Close())
			}
			return sweepAll(ctx, cmd.OutOrStdout(), nil, scenarios, o)
		},
	}
	cmd.AddCommand(newSlowCommand())
	f := cmd.Flags()
	f.StringVar(&o.scenario, "scenario", everyScenario, "what to run; all of them share --duration")
	f.Uint64Var(&o.seed, "seed", 0, "run this seed alone and print its transcript")
	f.BoolVar(&o.shrink, "shrink", false, "look for the least of the seed's run that fails, for --duration")
	f.StringVar(&o.less, "less", "", "run the seed without what --shrink has left out")
	f.StringVar(&o.digests, "digests", "", "write the digest of each seed's run to this file")
	f.Uint64Var(&o.first, "first", 1, "the first seed")
	f.Uint64Var(&o.count, "count", 0, "run this many seeds; 0 is no limit")
	f.DurationVar(&o.duration, "duration", time.Minute, "run seeds for this long")
	f.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "seeds to run at a time")
	return cmd
}

// replaySeed runs one seed with a transcript.
func replaySeed(out io.Writer, s sim.Scenario, o simOptions) error {
	var less sim.Less
	if o.less != "" {
		var err error
		if less, err = sim.ParseLess(o.less); err != nil {
			return usageError(err)
		}
	}
	r := sim.ReplayLess(s, o.seed, less, out)
	fmt.Fprintf(out, "seed %d: digest %016x, %d events in %v\n", r.Seed, r.Digest, r.Events, r.Time)
	if r.Err != nil {
		return failed(fmt.Errorf("seed %d: %w", r.Seed, r.Err))
	}
	return nil
}

// shrinkSeed prints the least of a seed's run that fails.
func shrinkSeed(ctx context.Context, out io.Writer, s sim.Scenario, o simOptions) error {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	less, r := sim.Shrink(ctx, s, o.seed, func(less sim.Less, r sim.Result) {
		fmt.Fprintf(out, "%d faults, %d events in %v: %v\n", len(less.Only), r.Events, r.Time, r.Err)
	})
	if r.Err == nil {
		fmt.Fprintf(out, "seed %d does not fail\n", o.seed)
		return nil
	}
	fmt.Fprintf(out, "replay it: godwit sim --scenario %s --seed %d --less '%v'\n", s.Name, o.seed, less)
	return failed(fmt.Errorf("seed %d: %w", o.seed, r.Err))
}

// sweepAll runs seeds of one scenario after the other, each for its share of the
// time, also after one that fails, and writes a line for each to digests if that is not nil. When ctx ends
// it says what it has got to.
func sweepAll(ctx context.Context, out, digests io.Writer, scenarios []sim.Scenario, o simOptions) error {
	o.duration /= time.Duration(len(scenarios))
	var errs []error
	for _, s := range scenarios {
		fmt.Fprintf(out, "%s\n", s.Name)
		errs = append(errs, sweepSeeds(ctx, out, digests, s, o))
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
	}
	return failed(errors.Join(errs...))
}

// sweepSeeds runs seeds of one scenario and reports.
func sweepSeeds(ctx context.Context, out, digests io.Writer, s sim.Scenario, o simOptions) error {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	start := time.Now()
	var seeds, events uint64
	var simulated time.Duration
	var bad []sim.Result
	lines := map[uint64]string{} // for digests, by seed
	reported := start
	status := func() {
		took := max(time.Since(start), time.Millisecond).Seconds()
		fmt.Fprintf(out, "%6.0f s: %d seeds, %.0f s simulated, %.2f million events, %.0f events/s, %d failed\n",
			took, seeds, simulated.Seconds(), float64(events)/1e6, float64(events)/took, len(bad))
	}
	sim.Sweep(ctx, s, o.first, o.count, o.workers, func(r sim.Result) {
		seeds++
		events += r.Events
		simulated += r.Time
		if digests != nil {
			lines[r.Seed] = fmt.Sprintf("%s %d %016x %d %v\n", s.Name, r.Seed, r.Digest, r.Events, r.Err)
		}
		if r.Err != nil {
			bad = append(bad, r)
			fmt.Fprintf(out, "seed %d failed: %v\n  replay it: godwit sim --scenario %s --seed %d\n  and with --shrink the least of it that fails is looked for first\n", r.Seed, r.Err, s.Name, r.Seed)
			if len(bad) >= simFailuresMax {
				cancel()
			}
		}
		if now := time.Now(); now.Sub(reported) >= time.Second {
			reported = now
			status()
		}
	})
	status()
	for _, seed := range slices.Sorted(maps.Keys(lines)) {
		if _, err := io.WriteString(digests, lines[seed]); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s: %d of %d seeds failed", s.Name, len(bad), seeds)
	}
	return nil
}
