package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/copilotsim"
	"github.com/godwitdb/godwit/internal/sim/raftsim"
	"github.com/godwitdb/godwit/internal/sim/realslow"
)

// slowOptions are the flags of the command.
type slowOptions struct {
	sockets bool
	leader  bool
	rounds  int
	run     time.Duration
	seed    uint64
	dir     string
}

func newSlowCommand() *cobra.Command {
	var o slowOptions
	cmd := &cobra.Command{
		Use:   "slow",
		Short: "Measure what one slow node costs a cluster",
		Long: `Run three members of Raft, and of Copilot, with each node slow in each way in turn, and compare
throughput and latency with a run in which all are well. Runs are done in alternation,
and what is printed are medians over the rounds.

Without --sockets the cluster is simulated. With it, it is of Raft and has real sockets and
files; they share this machine, so a slow node also leaves the others more of it.`,
		Example: "  godwit sim slow\n  godwit sim slow --sockets --rounds 9",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rounds < 1 || o.run <= 0 {
				return usageError(errors.New("--rounds and --run have to be more than 0"))
			}
			return compareSlow(cmd.Context(), cmd.OutOrStdout(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.sockets, "sockets", false, "real sockets and files instead of simulated ones")
	f.BoolVar(&o.leader, "leader", true, "also make the leader slow")
	f.IntVar(&o.rounds, "rounds", 3, "how often each case is run")
	f.DurationVar(&o.run, "run", time.Second, "the length of one run")
	f.Uint64Var(&o.seed, "seed", 1, "of the first simulated round")
	f.StringVar(&o.dir, "dir", "", "where the nodes keep their files (a folder in the system's temporary one)")
	return cmd
}

// slowCase is one way in which one node is slow.
type slowCase struct {
	node, fault string
	healthy     *slowCase // what it is compared with; nil for one of those
	leads       bool      // the slow node leads: it may be that nothing is answered
	measure     func(ctx context.Context, round int) (perSecond float64, p50, p99 time.Duration, err error)
	runs        []slowRun
}

type slowRun struct {
	perSecond float64
	p50, p99  time.Duration
}

// slowNodes are the nodes by what they are.
func slowNodes() []string { return []string{"leader", "follower", "other follower"} }

// simulatedCases are all cases in simulation, of both protocols.
func simulatedCases(o slowOptions) []*slowCase {
	type measure func(seed uint64, f sim.SlowFault, node int, d time.Duration) (sim.Speed, error)
	protocol := func(prefix string, nodes []string, leaders int, speed measure) []*slowCase {
		one := func(node int, f sim.SlowFault) func(context.Context, int) (float64, time.Duration, time.Duration, error) {
			return func(_ context.Context, round int) (float64, time.Duration, time.Duration, error) {
				s, err := speed(o.seed+uint64(round), f, node, o.run)
				return s.PerSecond, s.P50, s.P99, err
			}
		}
		cases := []*slowCase{{node: prefix + "none", fault: "healthy", measure: one(0, sim.SlowFault{})}}
		for node, name := range nodes {
			for _, f := range sim.SlowFaults() {
				if leads := node < leaders; !leads || o.leader {
					cases = append(cases, &slowCase{node: prefix + name, fault: f.Name, healthy: cases[0], leads: leads, measure: one(node, f)})
				}
			}
		}
		return cases
	}
	cases := protocol("", slowNodes(), 1, func(seed uint64, f sim.SlowFault, node int, d time.Duration) (sim.Speed, error) {
		return raftsim.MeasureSlowNode(seed, f, node, d, nil)
	})
	return append(cases, protocol("copilot: ", []string{"pilot 0", "pilot 1", "third"}, 2, func(seed uint64, f sim.SlowFault, node int, d time.Duration) (sim.Speed, error) {
		return copilotsim.MeasureSlow(seed, f, node, d, nil)
	})...)
}

// socketCases are all cases on real sockets, where followers are alike.
func socketCases(o slowOptions, dir string) []*slowCase {
	runs := 0
	one := func(leads bool, f realslow.Fault) func(context.Context, int) (float64, time.Duration, time.Duration, error) {
		return func(ctx context.Context, _ int) (float64, time.Duration, time.Duration, error) {
			runs++
			files := filepath.Join(dir, fmt.Sprint(runs))
			s, err := realslow.Raft(ctx, files, f, leads, o.run/5, o.run)
			return s.PerSecond, s.P50, s.P99, cmp.Or(err, os.RemoveAll(files))
		}
	}
	cases := []*slowCase{{node: "none", fault: "healthy", measure: one(false, realslow.Fault{})}}
	for _, name := range slowNodes()[:2] {
		for _, f := range realslow.Faults() {
			if leads := name == "leader"; !leads || o.leader {
				cases = append(cases, &slowCase{node: name, fault: f.Name, healthy: cases[0], leads: leads, measure: one(leads, f)})
			}
		}
	}
	return cases
}

// compareSlow runs all cases in alternation and prints how they compare.
func compareSlow(ctx context.Context, out io.Writer, o slowOptions) error {
	cases := simulatedCases(o)
	if o.sockets {
		dir, err := os.MkdirTemp(o.dir, "godwit-slow-")
		if err != nil {
			return failed(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's temporary folder
		cases = socketCases(o, dir)
	}
	for round := range o.rounds {
		for _, c := range cases {
			perSecond, p50, p99, err := c.measure(ctx, round)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && !c.leads {
				return failed(fmt.Errorf("%s of %s: %w", c.fault, c.node, err))
			}
			c.runs = append(c.runs, slowRun{perSecond, p50, p99}) // of a slow leader it may be none at all
		}
	}
	fmt.Fprintf(out, "%-16s %-10s %12s %10s %10s   %s\n", "slow node", "fault", "requests/s", "p50", "p99", "against the healthy run: throughput, p99")
	for _, c := range cases {
		fmt.Fprintf(out, "%-16s %-10s %12.0f %10v %10v", c.node, c.fault,
			median(c.runs, func(_ int, r slowRun) float64 { return r.perSecond }),
			time.Duration(median(c.runs, func(_ int, r slowRun) float64 { return float64(r.p50) })).Round(time.Microsecond),
			time.Duration(median(c.runs, func(_ int, r slowRun) float64 { return float64(r.p99) })).Round(time.Microsecond))
		if healthy := c.healthy; healthy != nil {
			fmt.Fprintf(out, "   %+7.1f %%  %+8.1f %%",
				100*(median(c.runs, func(i int, r slowRun) float64 { return r.perSecond / healthy.runs[i].perSecond })-1),
				100*(median(c.runs, func(i int, r slowRun) float64 { return float64(r.p99) / float64(healthy.runs[i].p99) })-1))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// median returns the median of what of says of each round.
func median(runs []slowRun, of func(round int, r slowRun) float64) float64 {
	var all []float64
	for i, r := range runs {
		all = append(all, of(i, r))
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
