package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/bench/plot"
	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"

	"github.com/spf13/cobra"
)

// faultFlags are the flags of bench cluster that take leaders away.
type faultFlags struct{ benchcluster.Faults }

func (f *faultFlags) declare(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.Kills, "kill", 0, "kill the leader so often under load, and report how long nothing is released")
	flags.IntVar(&f.Pauses, "pause", 0, "stop the leader with SIGSTOP so often, likewise")
	flags.DurationVar(&f.Between, "between", time.Second, "time between two of these at least")
}

func (f *faultFlags) any() bool { return f.Kills > 0 || f.Pauses > 0 }

func (f *faultFlags) validate(o *clusterOptions) error {
	switch {
	case f.Kills < 0 || f.Pauses < 0 || f.Between < 0:
		return usageError(errors.New("--kill, --pause and --between are not less than 0"))
	case f.any() && (o.replicas < 3 || o.unreplicated):
		return usageError(errors.New("--kill and --pause need at least 3 replicas"))
	case f.any() && o.links.fault != "":
		return usageError(errors.New("--kill and --pause take leaders away; --fault is for runs without"))
	}
	return nil
}

// failover takes leaders away.
func (o *clusterOptions) failover(ctx context.Context, cmd *cobra.Command, f *faultFlags) error {
	c, cleanup, err := o.config(cmd)
	if err != nil {
		return err
	}
	defer cleanup()
	r, err := benchcluster.RunFaults(ctx, c, f.Faults)
	if err != nil {
		return err
	}
	err = r.Write(cmd.OutOrStdout())
	if o.json != "" {
		err = errors.Join(err, benchcluster.WriteJSON(o.json, r))
	}
	all := r.Kills
	if len(all) == 0 {
		all = r.Pauses
	}
	if middle, ok := benchcluster.Middle(all); ok && o.plot != "" {
		title := fmt.Sprintf("%s, %d replicas, durable in %s", r.Workload, r.Replicas, r.Durability)
		err = errors.Join(err, plot.Failover(title, middle.Rates(), middle.Took, o.plot))
	}
	return err
}
