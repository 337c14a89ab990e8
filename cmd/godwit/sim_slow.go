package main

import (
	"cmp"
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
runs every case once, with a cluster of its own. What is printed is of all rounds
together, in brackets the interval that has the true change in it with a chance of 95 %,
and whether that shows that throughput falls by 3 % at most and p99 rises by 8 % at
most.

Without --sockets the cluster is simulated. With it, the members are processes with
real sockets and files. What one has is compared with the time before and the time
after its fault. They share this machine, and a row without a fault tells how much
of a difference is none.`,
		Example: "  godwit sim slow\n  godwit sim slow --sockets --leader=false --rounds 40 --run 500ms\n  godwit sim slow --sockets --pause 20s",
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
	f.IntVar(&o.rounds, "rounds", 3, "how often each case is run; fewer than 6 show nothing")
	f.DurationVar(&o.run, "run", time.Second, "how long each case runs, and as long without its fault")
	f.Uint64Var(&o.seed, "seed", 1, "of the first simulated round")
	f.StringVar(&o.dir, "dir", "", "where the nodes keep their files (a folder in the system's temporary one)")
	f.StringVar(&o.protocol, "protocol", "raft", "raft or copilot")
	f.StringSliceVar(&o.faults, "faults", nil, "the faults to run: "+strings.Join(slowFaultNames(), ",")+" (all)")
	f.Float64Var(&o.share, "share", 0, "of a processor for each member on sockets; 0 is no bound")
	f.DurationVar(&o.sync, "sync", 0, "how long each sync on sockets takes, beside the disk's own time")
	f.IntVar(&o.clients, "clients", 64, "how many requests are made at a time on sockets")
	f.Float64Var(&o.rate, "rate", 0, "requests a second on sockets, instead of as many as there are answers")
	f.BoolVar(&o.ballast, "ballast", true, "use up on sockets what a slow member leaves of the processors, and let it take nothing from the others, which takes root")
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
	runs        []realslow.Pair
}

// slowSweep are all cases, and the way to run each of them once; a round gives them
// in the order of the cases.
type slowSweep struct {
	cases []*slowCase
	round func(ctx context.Context, number int) ([]realslow.Pair, error)
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

// simulatedSweep is the sweep of a protocol in simulation.
func simulatedSweep(o slowOptions) (*slowSweep, error) {
	p, ok := simulatedProtocols()[o.protocol]
	if !ok {
		return nil, usageError(fmt.Errorf("there is no protocol %q", o.protocol))
	}
	s := &slowSweep{}
	var runs []func(seed uint64) (sim.Speed, error)
	for node, name := range p.nodes {
		for _, f := range sim.SlowFaults() {
			if o.wanted(f.Name) && (o.leader || node >= p.leaders) {
				s.cases = append(s.cases, &slowCase{node: name, fault: f.Name})
				runs = append(runs, func(seed uint64) (sim.Speed, error) {
					speed, err := p.measure(seed, f, node, o.run, nil)
					if node < p.leaders { // without one there may be none at all
						err = nil
					}
					return speed, err
				})
			}
		}
	}
	s.round = func(ctx context.Context, number int) ([]realslow.Pair, error) {
		seed := o.seed + uint64(number)
		healthy, err := p.measure(seed, sim.SlowFault{}, 0, o.run, nil)
		if err != nil {
			return nil, err
		}
		var pairs []realslow.Pair
		for _, run := range runs {
			faulty, err := run(seed)
			if err := cmp.Or(err, ctx.Err()); err != nil {
				return nil, err
			}
			pairs = append(pairs, realslow.Pair{Healthy: realslow.Part{Speed: healthy}, Faulty: realslow.Part{Speed: faulty}})
		}
		return pairs, nil
	}
	return s, nil
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
		WarmUp: o.run, Window: o.run, Settle: o.run / 5,
	}, nil
}

// socketSweep is the sweep of a protocol on real sockets, where followers are alike.
func socketSweep(o slowOptions, trial realslow.Trial, dir string) *slowSweep {
	s := &slowSweep{}
	var cases []realslow.Case
	add := func(node string, victim int, f realslow.Fault) {
		s.cases = append(s.cases, &slowCase{node: node, fault: f.Name})
		cases = append(cases, realslow.Case{Fault: f, Victim: victim})
	}
	add("none", trial.Protocol.Leaders, realslow.NoFault())
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
	s.round = func(ctx context.Context, number int) ([]realslow.Pair, error) {
		t := trial
		t.Dir = filepath.Join(dir, fmt.Sprint(number))
		// Each case comes first in some rounds, and behind each other in some.
		first := number % len(cases)
		pairs, err := t.Run(ctx, append(slices.Clone(cases[first:]), cases[:first]...))
		if err = errors.Join(err, os.RemoveAll(t.Dir)); err != nil {
			return nil, err
		}
		return append(pairs[len(cases)-first:], pairs[:len(cases)-first]...), nil
	}
	return s
}

// pauseEntries is the length of the log with --pause.
const pauseEntries = 1 << 16

// compareSlow runs all cases in alternation and prints how they compare.
func compareSlow(ctx context.Context, out io.Writer, o slowOptions) error {
	var sweep *slowSweep
	if !o.sockets {
		var err error
		if sweep, err = simulatedSweep(o); err != nil {
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
			trial.Dir, trial.SnapshotEntries = dir, pauseEntries
			p, err := trial.Pause(ctx, o.pause)
			if err == nil {
				fmt.Fprintln(out, p)
			}
			return failed(err)
		}
		sweep = socketSweep(o, trial, dir)
	}
	for round := range o.rounds {
		pairs, err := sweep.round(ctx, round)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			if round > 0 {
				printSlow(out, sweep.cases, o.sockets) // what there is
			}
			return failed(err)
		}
		for i, c := range sweep.cases {
			c.runs = append(c.runs, pairs[i])
			if o.each {
				fmt.Fprintf(out, "%-15s %-10s healthy: %v; faulty: %v\n", c.node, c.fault, pairs[i].Healthy, pairs[i].Faulty)
			}
		}
	}
	printSlow(out, sweep.cases, o.sockets)
	return nil
}

// The bars of the change that one slow node makes.
const (
	throughputLeast = 0.97
	p99Most         = 1.08
)

// printSlow prints the table.
func printSlow(out io.Writer, cases []*slowCase, sockets bool) {
	fmt.Fprintf(out, "%-15s %-10s %5s %10s %9s %9s %9s   %-24s %-10s %-26s %s\n", "slow node", "fault", "pairs", "requests/s", "p50", "p99", "max",
		"throughput", "within 3 %", "p99", "within 8 %")
	for _, c := range cases {
		var healthy, faulty []sim.Speed
		var processors, leader float64
		failed := 0
		for _, p := range c.runs {
			healthy, faulty = append(healthy, p.Healthy.Speed), append(faulty, p.Faulty.Speed)
			processors += p.Healthy.Processors / float64(len(c.runs))
			leader += p.Healthy.Leader / float64(len(c.runs))
			failed += p.Faulty.Failed
		}
		all := sim.Together(faulty...)
		ms := func(d time.Duration) string { return fmt.Sprintf("%.2fms", d.Seconds()*1000) }
		throughput, p99 := sim.Compare(healthy, faulty)
		fmt.Fprintf(out, "%-15s %-10s %5d %10.0f %9s %9s %9s   %-24v %-10s %-26v %-10s", c.node, c.fault, len(c.runs),
			all.PerSecond, ms(all.P50), ms(all.P99), ms(all.Max), throughput, throughput.AtLeast(throughputLeast), p99, p99.AtMost(p99Most))
		if sockets {
			fmt.Fprintf(out, "  %2.0f %% of the machine in use, leader %.2f of a processor, %d failed", 100*processors, leader, failed)
		}
		fmt.Fprintln(out)
	}
}
