package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/copilotsim"
	"github.com/godwitdb/godwit/internal/sim/raftsim"
	"github.com/godwitdb/godwit/internal/sim/realslow"
	"github.com/godwitdb/godwit/quorum"
)

// slowOptions are the flags of the command.
type slowOptions struct {
	sockets  bool
	leader   bool
	rounds   int
	run      time.Duration
	seed     uint64
	dir      string
	protocol string
	faults   []string
	share    float64
	sync     time.Duration
	clients  int
	rate     float64
	each     bool
	ballast  bool
	pause    time.Duration
}

func newSlowCommand() *cobra.Command {
	var o slowOptions
	cmd := &cobra.Command{
		Use:   "slow",
		Short: "Measure what one slow node costs a cluster",
		Long: `Run three members of a protocol with each node slow in each way in turn, and compare
throughput and latency with those of the same cluster when all are well. Each round
runs every case once, and what is printed are medians over the rounds of what was
compared within a round, with their quartiles.

Without --sockets the cluster is simulated. With it, the members are processes with
real sockets and files. They share this machine, so what a slow one leaves of the
processors is used up by another process, and the rows without a fault tell how much
of a difference is none.`,
		Example: "  godwit sim slow\n  godwit sim slow --sockets --rounds 9\n  godwit sim slow --sockets --pause 20s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rounds < 1 || o.run <= 0 {
				return usageError(errors.New("--rounds and --run have to be more than 0"))
			}
			if o.share < 0 || o.clients < 1 || o.rate < 0 || o.sync < 0 || o.pause < 0 {
				return usageError(errors.New("--clients has to be more than 0, and no flag less"))
			}
			if o.pause > 0 && !o.sockets {
				return usageError(errors.New("--pause needs --sockets"))
			}
			for _, name := range o.faults {
				if !slices.Contains(slowFaultNames(), name) {
					return usageError(fmt.Errorf("there is no fault %q; there are %s", name, strings.Join(slowFaultNames(), ", ")))
				}
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			return compareSlow(ctx, cmd.OutOrStdout(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.sockets, "sockets", false, "real processes, sockets and files instead of simulated ones")
	f.BoolVar(&o.leader, "leader", true, "also make the leader slow")
	f.IntVar(&o.rounds, "rounds", 3, "how often each case is run")
	f.DurationVar(&o.run, "run", time.Second, "the length of one run")
	f.Uint64Var(&o.seed, "seed", 1, "of the first simulated round")
	f.StringVar(&o.dir, "dir", "", "where the nodes keep their files (a folder in the system's temporary one)")
	f.StringVar(&o.protocol, "protocol", "raft", "raft, or without --sockets copilot")
	f.StringSliceVar(&o.faults, "faults", nil, "the faults to run: "+strings.Join(slowFaultNames(), ",")+" (all)")
	f.Float64Var(&o.share, "share", 0, "of a processor for each member on sockets; 0 is no bound")
	f.DurationVar(&o.sync, "sync", 0, "how long each sync on sockets takes, beside the disk's own time")
	f.IntVar(&o.clients, "clients", 64, "how many requests are made at a time on sockets")
	f.Float64Var(&o.rate, "rate", 0, "requests a second on sockets, instead of as many as there are answers")
	f.BoolVar(&o.ballast, "ballast", true, "use up on sockets what a slow member leaves of the processors")
	f.DurationVar(&o.pause, "pause", 0, "only stop a follower on sockets for so long, and report what that costs its leader")
	f.BoolVar(&o.each, "each", false, "also print each pair")
	cmd.AddCommand(newSlowMemberCommand())
	return cmd
}

// newSlowMemberCommand is the process of one member.
func newSlowMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "member",
		Short:  "Be a member of a cluster that is measured",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(realslow.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), realslow.Protocols()))
		},
	}
}

// slowFaultNames are the faults of simulated nodes, and of real ones, by name.
func slowFaultNames() []string {
	var names []string
	for _, f := range sim.SlowFaults() {
		names = append(names, f.Name)
	}
	return names
}

// slowCase is one way in which one node is slow.
type slowCase struct {
	node, fault string
	measure     func(ctx context.Context, round int) (realslow.Pair, error)
	runs        []realslow.Pair
}

// wanted tells whether a fault is to be run.
func (o *slowOptions) wanted(fault string) bool {
	return len(o.faults) == 0 || slices.Contains(o.faults, fault)
}

// simulated is a protocol in simulation: its nodes by what they are, those that lead
// first.
type simulated struct {
	nodes   []string
	leaders int
	measure func(seed uint64, f sim.SlowFault, node int, d time.Duration, tracer quorum.Tracer) (sim.Speed, error)
}

// simulatedProtocols are those that can be simulated, by name.
func simulatedProtocols() map[string]simulated {
	return map[string]simulated{
		"raft":    {[]string{"leader", "follower", "other follower"}, 1, raftsim.MeasureSlowNode},
		"copilot": {[]string{"leader 1", "leader 2", "third"}, 2, copilotsim.MeasureSlow},
	}
}

// simulatedCases are all cases of a protocol in simulation.
func simulatedCases(o slowOptions) ([]*slowCase, error) {
	p, ok := simulatedProtocols()[o.protocol]
	if !ok {
		return nil, usageError(fmt.Errorf("there is no protocol %q", o.protocol))
	}
	healthy := map[int]sim.Speed{} // by round
	var cases []*slowCase
	for node, name := range p.nodes {
		if node < p.leaders && !o.leader {
			continue
		}
		for _, f := range sim.SlowFaults() {
			if !o.wanted(f.Name) {
				continue
			}
			cases = append(cases, &slowCase{node: name, fault: f.Name, measure: func(_ context.Context, round int) (realslow.Pair, error) {
				seed := o.seed + uint64(round)
				if _, ok := healthy[round]; !ok {
					s, err := p.measure(seed, sim.SlowFault{}, 0, o.run, nil)
					if err != nil {
						return realslow.Pair{}, err
					}
					healthy[round] = s
				}
				s, err := p.measure(seed, f, node, o.run, nil)
				return realslow.Pair{Healthy: realslow.Part{Speed: healthy[round]}, Faulty: realslow.Part{Speed: s}}, err
			}})
		}
	}
	return cases, nil
}

// slowTrial is how a protocol is measured on real sockets.
func slowTrial(o slowOptions) (realslow.Trial, error) {
	i := slices.IndexFunc(realslow.Protocols(), func(p realslow.Protocol) bool { return p.Name == o.protocol })
	if i < 0 {
		return realslow.Trial{}, usageError(fmt.Errorf("there is no protocol %q on sockets", o.protocol))
	}
	binary, err := os.Executable()
	if err != nil {
		return realslow.Trial{}, failed(err)
	}
	return realslow.Trial{
		Protocol: realslow.Protocols()[i],
		Command: func(ctx context.Context) *exec.Cmd {
			return exec.CommandContext(ctx, binary, "sim", "slow", "member")
		},
		Member:  realslow.Slowness{Share: o.share, Sync: o.sync},
		Network: quorum.Options{},
		Clients: o.clients, Rate: o.rate, Ballast: o.ballast,
		WarmUp: o.run, Window: o.run,
	}, nil
}

// socketCases are all cases on real sockets, where followers are alike.
func socketCases(o slowOptions, trial realslow.Trial, dir string) []*slowCase {
	runs := 0
	var cases []*slowCase
	add := func(node string, victim int, f realslow.Fault) {
		cases = append(cases, &slowCase{node: node, fault: f.Name, measure: func(ctx context.Context, _ int) (realslow.Pair, error) {
			runs++
			t := trial
			t.Victim, t.Dir = victim, filepath.Join(dir, fmt.Sprint(runs))
			p, err := t.Run(ctx, f)
			return p, errors.Join(err, os.RemoveAll(t.Dir))
		}})
	}
	add("none", 0, realslow.NoFault())
	for victim := range trial.Protocol.Leaders + 1 {
		node := "follower"
		if victim < trial.Protocol.Leaders {
			node = strings.TrimSuffix(fmt.Sprintf("leader %d", victim+1), " 1")
		}
		for _, f := range realslow.Faults() {
			if o.wanted(f.Name) && (o.leader || victim == trial.Protocol.Leaders) {
				add(node, victim, f)
			}
		}
	}
	return cases
}

// pauseEntries is the length of the log with --pause.
const pauseEntries = 1 << 16

// compareSlow runs all cases in alternation and prints how they compare.
func compareSlow(ctx context.Context, out io.Writer, o slowOptions) error {
	var cases []*slowCase
	if !o.sockets {
		var err error
		if cases, err = simulatedCases(o); err != nil {
			return err
		}
	} else {
		dir, err := os.MkdirTemp(o.dir, "godwit-slow-")
		if err != nil {
			return failed(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's temporary folder
		trial, err := slowTrial(o)
		if err != nil {
			return err
		}
		if o.pause > 0 {
			trial.Dir, trial.Victim, trial.SnapshotEntries = dir, trial.Protocol.Leaders, pauseEntries
			p, err := trial.Pause(ctx, o.pause)
			if err == nil {
				fmt.Fprintln(out, p)
			}
			return failed(err)
		}
		cases = socketCases(o, trial, dir)
	}
	for round := range o.rounds {
		for _, c := range cases {
			var p realslow.Pair
			err := context.Cause(ctx)
			if err == nil {
				p, err = c.measure(ctx, round)
			}
			if ctx.Err() != nil {
				return failed(context.Cause(ctx))
			}
			if err != nil && (o.sockets || !strings.HasPrefix(c.node, "leader")) { // of a simulated leader it may be none at all
				return failed(fmt.Errorf("%s of %s: %w", c.fault, c.node, err))
			}
			c.runs = append(c.runs, p)
			if o.each {
				fmt.Fprintf(out, "%-15s %-10s healthy: %v; faulty: %v\n", c.node, c.fault, p.Healthy, p.Faulty)
			}
		}
	}
	printSlow(out, cases, o.sockets)
	return nil
}

// printSlow prints the table.
func printSlow(out io.Writer, cases []*slowCase, sockets bool) {
	fmt.Fprintf(out, "%-15s %-10s %10s %9s %9s %9s   %-23s  %s\n", "slow node", "fault", "requests/s", "p50", "p99", "max",
		"throughput (quartiles)", "p99 (quartiles)")
	for _, c := range cases {
		of := func(what func(realslow.Pair) float64) spread { return spreadOf(c.runs, what) }
		ms := func(what func(realslow.Pair) time.Duration) string {
			return fmt.Sprintf("%.2fms", of(func(p realslow.Pair) float64 { return what(p).Seconds() * 1000 }).median)
		}
		fmt.Fprintf(out, "%-15s %-10s %10.0f %9s %9s %9s   %v  %v", c.node, c.fault,
			of(func(p realslow.Pair) float64 { return p.Faulty.PerSecond }).median,
			ms(func(p realslow.Pair) time.Duration { return p.Faulty.P50 }),
			ms(func(p realslow.Pair) time.Duration { return p.Faulty.P99 }),
			ms(func(p realslow.Pair) time.Duration { return p.Faulty.Max }),
			of(func(p realslow.Pair) float64 { return 100 * (p.Faulty.PerSecond/p.Healthy.PerSecond - 1) }),
			of(func(p realslow.Pair) float64 { return 100 * (float64(p.Faulty.P99)/float64(p.Healthy.P99) - 1) }))
		if sockets {
			fmt.Fprintf(out, "  %2.0f %% of the machine in use, leader %.2f of a processor, %.0f failed",
				100*of(func(p realslow.Pair) float64 { return p.Healthy.Processors }).median,
				of(func(p realslow.Pair) float64 { return p.Healthy.Leader }).median,
				of(func(p realslow.Pair) float64 { return float64(p.Faulty.Failed) }).median)
		}
		fmt.Fprintln(out)
	}
}

// spread is where the middle half of some numbers is.
type spread struct{ low, median, high float64 }

func (s spread) String() string {
	return fmt.Sprintf("%+6.1f %% (%+.1f, %+.1f)", s.median, s.low, s.high)
}

func spreadOf(runs []realslow.Pair, what func(realslow.Pair) float64) spread {
	var all []float64
	for _, r := range runs {
		all = append(all, what(r))
	}
	slices.Sort(all)
	n := len(all)
	return spread{all[n/4], (all[(n-1)/2] + all[n/2]) / 2, all[(3*n)/4]}
}
