package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchchaos"
	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"
	"github.com/godwitdb/godwit/cmd/godwit/benchnode"

	"github.com/spf13/cobra"
)

// chaosOptions are the flags of bench chaos.
type chaosOptions struct {
	benchchaos.Config
	kinds      string
	durability string
	quiet      bool
	json       string
}

func newChaosCommand() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Kill, stop, cut off and starve replicas under load, and check what clients see",
		Long: `Starts three replicas as processes with real sockets and files, and clients that call
them over the network. Then one thing after the other happens:

  kill      SIGKILL of a replica, the leader every other time at least
  several   two replicas at once, each killed, stopped or cut off, or both without room:
            there is no majority
  pause     SIGSTOP, and SIGCONT
  cut       the links of a replica with the others, which also break every other time
  slow      a disk whose syncs take 30 ms longer, or links of 20 ms each way
  full      a disk on which no file can grow; the replica is started again if it ends
  replace   SIGKILL and a deleted folder; the replica is removed and joins as a new one,
            every other time after a start with the empty folder, with which it must not count

A cycle is over when something is released again, and when all replicas have what was
released before its end. After every --chapter cycles, what the clients have seen is
checked: lists for cycles of dependencies (strictly serializable; snapshots of followers:
serializable), registers one by one, a bank's total, counters that show what was carried
out twice or not at all, and that all replicas hold the same. At the end all lists are
read again.

The folders are kept if something is wrong, with the history. Nothing here needs root.
--seed draws the same faults, but not the same interleaving.`,
		Example: `  godwit bench chaos --cycles 500
  godwit bench chaos --duration 2h --cycles 0 --json chaos.json
  godwit bench chaos --faults kill,pause --cycles 100 --seed 7`,
		Args:    exactly(0),
		PreRunE: func(*cobra.Command, []string) error { return o.validate() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			return failed(o.run(ctx, cmd))
		},
	}
	var kinds []string
	for _, k := range benchchaos.Kinds() {
		kinds = append(kinds, string(k))
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&o.Cycles, "cycles", 50, "how many; 0 is no bound, then --duration is one")
	f.DurationVar(&o.Duration, "duration", 0, "how long cycles begin; 0 is no bound")
	f.StringVar(&o.kinds, "faults", strings.Join(kinds, ","), "which")
	f.IntVar(&o.ChapterCycles, "chapter", 20, "cycles between two checks")
	f.IntVar(&o.Clients, "clients", 16, "clients, each with one transaction at a time")
	f.IntVar(&o.Threads, "threads", 2, "workers of each replica")
	f.Int64Var(&o.MemoryMiB, "memory", 256, "limit of each replica's data in MiB")
	f.Int64Var(&o.CheckpointBytes, "checkpoint-bytes", 256<<10, "how much log there is when a replica makes a checkpoint")
	f.StringVar(&o.durability, "durability", "disk", "disk: released when a majority has synced; memory: when a majority has received (without several)")
	f.DurationVar(&o.ElectionTimeout, "election-timeout", 500*time.Millisecond, "how long a silent leader is waited for at most")
	f.StringVar(&o.Dir, "dir", "", "where the replicas have their folders; default a temporary folder, which is removed if all is well")
	f.Uint64Var(&o.Seed, "seed", 1, "start of the random numbers")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
	f.StringVar(&o.json, "json", "", "write the result to this file")
	return cmd
}

// newNodeCommand is the process of one replica.
func newNodeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "node",
		Short:  "Be a replica that serves procedures",
		Args:   exactly(0),
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(benchnode.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
}

func (o *chaosOptions) validate() error {
	for name := range strings.SplitSeq(o.kinds, ",") {
		k := benchchaos.Kind(name)
		if !k.Valid() {
			return usageError(fmt.Errorf("--faults has %q; there are %v", name, benchchaos.Kinds()))
		}
		if k == benchchaos.Several && o.durability == "memory" {
			return usageError(errors.New("--durability memory does not survive the faults several: the group waits until somebody gives up what may be lost"))
		}
		o.Kinds = append(o.Kinds, k)
	}
	switch {
	case o.Cycles < 0 || o.Duration < 0 || o.Cycles == 0 && o.Duration == 0:
		return usageError(errors.New("--cycles and --duration are not less than 0, and one of them is more"))
	case o.ChapterCycles < 1 || o.Clients < 1 || o.Threads < 1 || o.MemoryMiB < 1 || o.ElectionTimeout <= 0 || o.CheckpointBytes < 1:
		return usageError(errors.New("--chapter, --clients, --threads, --memory, --checkpoint-bytes and --election-timeout have to be more than 0"))
	case o.durability != "disk" && o.durability != "memory":
		return usageError(fmt.Errorf("--durability is %q, not disk or memory", o.durability))
	}
	if err := writable(o.json); err != nil {
		return usageError(fmt.Errorf("--json: %w", err))
	}
	o.Memory = o.durability == "memory"
	return nil
}

func (o *chaosOptions) run(ctx context.Context, cmd *cobra.Command) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	o.Command = func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, binary, "bench", "node") }
	temporary := o.Dir == ""
	if temporary {
		if o.Dir, err = os.MkdirTemp("", "godwit-chaos-"); err != nil {
			return err
		}
	}
	if errs := cmd.ErrOrStderr(); !o.quiet {
		began := time.Now()
		o.Show = func(format string, args ...any) {
			fmt.Fprintf(errs, "%6.1fs "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
		}
	}
	r, err := benchchaos.Run(ctx, o.Config)
	err = errors.Join(err, r.Write(cmd.OutOrStdout()))
	if o.json != "" {
		err = errors.Join(err, benchcluster.WriteJSON(o.json, r))
	}
	switch {
	case !temporary:
	case err == nil || ctx.Err() != nil:
		_ = os.RemoveAll(o.Dir) // what is left is temporary
	default:
		err = fmt.Errorf("%w\nthe folders are in %s", err, o.Dir)
	}
	return err
}
