package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/plot"
	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"

	"github.com/spf13/cobra"
)

// What bench cluster compare can compare with.
const (
	againstAlone    = "alone"
	againstHealthy  = "healthy"
	againstLoopback = "loopback"
)

// compareOptions are the flags of bench cluster compare.
type compareOptions struct {
	clusterOptions
	rounds  int
	against string
}

// newClusterCompareCommand compares two clusters.
func newClusterCompareCommand() *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Measure two clusters in turn, and show ratios",
		Long: `Measures the cluster that the flags describe, and another one, in turn, and prints the
medians of both and of their ratio, with the least and the most. --against says which
other one:
  alone         an engine without log and replicas: what replication costs the processors
  syncrepl      each transaction keeps its locks until it is replicated
  singlestream  all workers append to one stream behind one lock
  healthy       the same without --fault
  loopback      the same without --round-trip, --jitter and --bandwidth`,
		Example: `  godwit bench cluster compare --workload ycsb++ --rounds 5
  godwit bench cluster compare --against syncrepl --warehouses 1 --round-trip 50ms --sessions 16
  godwit bench cluster compare --against loopback --workload ycsb++ --round-trip 50ms
  godwit bench cluster compare --against healthy --workload ycsb++ --fault stopped`,
		Args:    exactly(0),
		PreRunE: func(cmd *cobra.Command, _ []string) error { return o.validate(cmd) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			return failed(o.compare(ctx, cmd))
		},
	}
	o.flags(cmd)
	cmd.Flags().IntVar(&o.rounds, "rounds", 5, "how often both are run")
	cmd.Flags().StringVar(&o.against, "against", againstAlone, "the other cluster: alone, syncrepl, singlestream, healthy or loopback")
	cmd.Flags().StringVar(&o.plot, "plot", "", "draw the round of the median ratio: files of this name with .svg and .png; not for --against alone")
	return cmd
}

func (o *compareOptions) validate(cmd *cobra.Command) error {
	if o.rounds < 1 {
		return usageError(errors.New("--rounds is less than 1"))
	}
	if err := o.clusterOptions.validate(cmd); err != nil {
		return err
	}
	if o.clients == clientsNetwork && o.against == string(benchcluster.SyncRepl) {
		return usageError(errors.New("--against syncrepl is not for --clients network"))
	}
	switch o.against {
	case againstAlone:
		if o.plot != "" {
			return usageError(errors.New("--plot is not for --against alone"))
		}
	case againstHealthy:
		if o.links.fault == "" {
			return usageError(errors.New("--against healthy needs --fault"))
		}
	case againstLoopback:
		if !o.links.set {
			return usageError(errors.New("--against loopback needs --round-trip, --jitter or --bandwidth"))
		}
	case o.protocol:
		return usageError(fmt.Errorf("--against %s is the cluster itself; choose another --engine", o.against))
	default:
		if err := benchcluster.Protocol(o.against).Validate(); err != nil || o.against == "" {
			return usageError(fmt.Errorf("--against %q is none of alone, syncrepl, singlestream, healthy and loopback", o.against))
		}
	}
	return nil
}

// rival changes the cluster into the one that it is compared with.
func (o *compareOptions) rival(c benchcluster.Config) benchcluster.Config {
	switch o.against {
	case againstAlone:
		c.Replicas, c.Links, c.Fault, c.Clients = 0, nil, nil, nil
		c.Run.Sessions = o.sessions
	case againstHealthy:
		c.Fault = nil
	case againstLoopback:
		// The relays stay: what they cost is no matter of how long the links are.
		c.Links = &benchcluster.Links{}
	default:
		c.Protocol = benchcluster.Protocol(o.against)
	}
	return c
}

// subject says in what the cluster differs from the one that it is compared with.
func (o *compareOptions) subject() string {
	switch o.against {
	case againstHealthy:
		return o.links.fault
	case againstLoopback:
		return fmt.Sprint("links of ", o.links.roundTrip)
	}
	return o.protocol
}

// comparison is what is known at the end.
type comparison interface{ Write(w io.Writer) error }

func (o *compareOptions) compare(ctx context.Context, cmd *cobra.Command) error {
	c, cleanup, err := o.config(cmd)
	if err != nil {
		return err
	}
	defer cleanup()
	var all comparison
	draw := func() error { return nil }
	again := func() error { return emptyFolder(c.Dir) }
	if o.against == againstAlone {
		all, err = benchcluster.Compare(ctx, o.rival(c), c, o.rounds, again)
	} else {
		var contest *benchcluster.Contest
		contest, err = benchcluster.RunContest(ctx, benchcluster.Contender{Name: o.subject(), Config: c},
			benchcluster.Contender{Name: o.against, Config: o.rival(c)}, o.rounds, again)
		all, draw = contest, func() error { return o.draw(contest) }
	}
	if err != nil {
		return err
	}
	err = all.Write(cmd.OutOrStdout())
	if o.json != "" {
		err = errors.Join(err, benchcluster.WriteJSON(o.json, all))
	}
	return errors.Join(err, draw())
}

// draw draws a contest, if that is wanted.
func (o *compareOptions) draw(c *benchcluster.Contest) error {
	if o.plot == "" {
		return nil
	}
	m := c.Middle()
	return plot.Compare([]*bench.Result{m.Subject.Leader, m.Rival.Leader}, []string{c.Subject, c.Rival}, o.plot)
}

// emptyFolder removes what is in a folder.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
