package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/plot"
	"github.com/godwitdb/godwit/bench/tpcc"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"

	"github.com/spf13/cobra"
)

// Who draws the transactions.
const (
	clientsLeader  = "leader"
	clientsNetwork = "network"
)

const (
	// networkSessions is how many sessions clients have by default: enough to keep a
	// machine of two processors busy.
	networkSessions = 128
	// networkSessionsMax is how many there can be: what a replica handles at a time of one
	// connection.
	networkSessionsMax = 1024
	// faultsElection is the election timeout when leaders are taken away: that of a database.
	// Nobody is to be elected in the other runs, and a leader that waits for a busy processor
	// is no dead one.
	faultsElection = godwit.DefaultElectionTimeout
	calmElection   = 3 * time.Second
)

// clusterOptions are the flags of bench cluster.
type clusterOptions struct {
	workload     string
	replicas     int
	protocol     string
	clients      string
	unreplicated bool
	threads      int
	sessions     int
	links        linkFlags
	duration     time.Duration
	warmup       time.Duration
	rate         float64
	inFlight     int
	durability   string
	election     time.Duration
	seed         uint64
	memoryMiB    int64
	dir          string
	quiet        bool
	json         string
	plot         string
	cpuProfile   string

	table      bench.TableKind
	tableSet   bool
	warehouses int
	items      int
	customers  int
	records    int
	valueBytes int
	theta      float64
}

func newClusterCommand() *cobra.Command {
	var (
		o      clusterOptions
		faults faultFlags
	)
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Measure a group of replicas, processes of their own, on this machine",
		Long: `Starts replicas as processes with real sockets and files, each with a folder of its
own, and runs a workload in the leader's process, as registered procedures. Then
every replica's data are checked: the workload's own conditions, and that all hold
the same. With a violation there is no result, and the exit code is 1.

With --clients network the transactions are drawn in another process, whose sessions
send them to whoever leads, over TCP, as calls of registered procedures, and hear of
each when it is released. They find the next leader after a failover and ask again for
what was not answered, which is executed once: what they were told is compared with the
data of every replica.

All processes share this machine's processors, so what a transaction costs whom counts
more than how many there are in a second.`,
		Example: `  godwit bench cluster --workload tpcc
  godwit bench cluster --workload ycsb++ --rate 20000 --durability memory
  godwit bench cluster --workload tpcc --json tpcc.json --plot tpcc
  godwit bench cluster --workload tpcc --unreplicated
  godwit bench cluster --workload tpcc --clients network --sessions 128
  godwit bench cluster --workload tpcc --sessions 256 --round-trip 50ms --jitter 1ms
  godwit bench cluster --workload ycsb++ --rate 20000 --kill 100 --plot kills`,
		Args:    exactly(0),
		PreRunE: func(cmd *cobra.Command, _ []string) error { return cmp.Or(o.validate(cmd), faults.validate(&o)) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if faults.any() {
				o.expectFaults(cmd)
				return failed(o.failover(ctx, cmd, &faults))
			}
			return failed(o.measure(ctx, cmd))
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.unreplicated, "unreplicated", false, "an engine alone, without log and replicas, for comparison")
	f.StringVar(&o.plot, "plot", "", "draw the run over time, or with --kill or --pause the throughput around the median one: files of this name with .svg and .png")
	f.StringVar(&o.cpuProfile, "cpu-profile", "", "write processor profiles of the run, without load and check, to files of this name with the member's number")
	faults.declare(cmd)
	cmd.AddCommand(newClusterCompareCommand())
	return cmd
}

// newClientsCommand is the process of all clients.
func newClientsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "clients",
		Short:  "Be the clients of a cluster that is measured",
		Args:   exactly(0),
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(benchcluster.ServeClients(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
}

// newMemberCommand is the process of one member.
func newMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "member",
		Short:  "Be a member of a cluster that is measured",
		Args:   exactly(0),
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(benchcluster.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()))
		},
	}
}

func (o *clusterOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.workload, "workload", "tpcc", "tpcc or ycsb++")
	f.IntVar(&o.replicas, "replicas", 3, "1, 3 or 5")
	f.StringVar(&o.protocol, "engine", string(benchcluster.Godwit), `how it is replicated: godwit;
syncrepl: each transaction keeps its locks until it is replicated;
singlestream: all workers append to one stream behind one lock`)
	f.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "workers of each replica")
	f.StringVar(&o.clients, "clients", clientsLeader, `who draws the transactions: leader, in its own process;
network: another process, which calls the leader over TCP`)
	f.IntVar(&o.sessions, "sessions", 0, fmt.Sprintf("transactions that the leader executes at a time; default one per thread, with --clients network\nthe sessions, of one transaction at a time each, of which there are %d by default", networkSessions))
	o.links.declare(cmd)
	f.DurationVar(&o.duration, "duration", 10*time.Second, "measured time")
	f.DurationVar(&o.warmup, "warmup", 3*time.Second, "time before it that does not count")
	f.Float64Var(&o.rate, "rate", 0, "transactions executed per second at most; 0 is no bound")
	f.IntVar(&o.inFlight, "in-flight", bench.DefaultInFlightMax, "executed transactions that a session keeps unreleased before it waits")
	f.StringVar(&o.durability, "durability", "disk", "disk: released when a majority has synced; memory: when a majority has received")
	f.DurationVar(&o.election, "election-timeout", calmElection, fmt.Sprintf("how long a silent leader is waited for at most; with --kill or --pause by default %v", faultsElection))
	f.Var(tableFlag{&o.table}, "table", "kind of the tables that are only read by key: ordered or hash; default hash for tpcc, ordered for ycsb++")
	f.IntVar(&o.warehouses, "warehouses", 0, "tpcc: scale; default one per thread")
	f.IntVar(&o.items, "items", tpcc.DefaultItems, "tpcc: items and stock rows per warehouse; any other number is not TPC-C")
	f.IntVar(&o.customers, "customers", tpcc.DefaultCustomers, "tpcc: customers per district; any other number is not TPC-C")
	f.IntVar(&o.records, "records", ycsb.DefaultRecords, "ycsb++: records loaded")
	f.IntVar(&o.valueBytes, "value-bytes", ycsb.For(ycsb.PlusPlus).FieldBytes, "ycsb++: bytes per value")
	f.Float64Var(&o.theta, "theta", 0, "ycsb++: zipfian skew, above 0 and below 1; 0 is uniform")
	f.Int64Var(&o.memoryMiB, "memory", 4096, "limit of each replica's data in MiB")
	f.StringVar(&o.dir, "dir", "", "where the replicas have their folders; default a temporary folder, which is removed")
	f.Uint64Var(&o.seed, "seed", 1, "start of the random numbers")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
	f.StringVar(&o.json, "json", "", "write the result to this file")
}

func (o *clusterOptions) validate(cmd *cobra.Command) error {
	o.tableSet = cmd.Flags().Changed("table")
	switch {
	case o.replicas != 1 && o.replicas != 3 && o.replicas != 5:
		return usageError(fmt.Errorf("--replicas is %d, not 1, 3 or 5", o.replicas))
	case o.threads < 1 || o.sessions < 0:
		return usageError(fmt.Errorf("--threads is %d and --sessions %d, not at least 1", o.threads, o.sessions))
	case o.durability != "disk" && o.durability != "memory":
		return usageError(fmt.Errorf("--durability is %q, not disk or memory", o.durability))
	case o.duration <= 0 || o.warmup < 0 || o.rate < 0 || o.election <= 0 || o.memoryMiB < 1:
		return usageError(errors.New("--duration, --election-timeout and --memory have to be more than 0, --warmup and --rate not less"))
	}
	if err := benchcluster.Protocol(o.protocol).Validate(); err != nil {
		return usageError(fmt.Errorf("--engine: %w", err))
	}
	if err := o.validateClients(cmd); err != nil {
		return usageError(err)
	}
	if err := o.links.validate(cmd, o.replicas, o.unreplicated); err != nil {
		return usageError(err)
	}
	if w := o.spec(); w.TPCC == nil && w.YCSB == nil {
		return usageError(fmt.Errorf("--workload is %q, not tpcc or ycsb++", o.workload))
	} else if _, err := w.New(); err != nil {
		return usageError(err)
	}
	png, svg := "", ""
	if o.plot != "" {
		png, svg = plot.Files(o.plot)
	}
	for _, file := range []struct{ flag, name string }{{"--json", o.json}, {"--plot", png}, {"--plot", svg}, {"--cpu-profile", o.cpuProfile}} {
		if err := writable(file.name); err != nil {
			return usageError(fmt.Errorf("%s: %w", file.flag, err))
		}
	}
	return nil
}

// expectFaults sets what is different when leaders are taken away.
func (o *clusterOptions) expectFaults(cmd *cobra.Command) {
	if !cmd.Flags().Changed("election-timeout") {
		o.election = faultsElection
	}
}

func (o *clusterOptions) validateClients(cmd *cobra.Command) error {
	switch {
	case o.clients == clientsLeader:
		return nil
	case o.clients != clientsNetwork:
		return fmt.Errorf("--clients is %q, not leader or network", o.clients)
	case o.unreplicated:
		return errors.New("--clients network calls replicas; --unreplicated has none")
	case benchcluster.Protocol(o.protocol) == benchcluster.SyncRepl:
		return errors.New("--clients network is not for --engine syncrepl, which has no procedures that are called")
	case o.sessions > networkSessionsMax:
		return fmt.Errorf("--sessions is %d; with --clients network there are %d at most", o.sessions, networkSessionsMax)
	case cmd.Flags().Changed("in-flight"):
		return errors.New("--in-flight is not for --clients network: each of the --sessions waits for its answer")
	}
	return nil
}

// spec is the workload.
func (o *clusterOptions) spec() benchcluster.Workload {
	switch o.workload {
	case "tpcc":
		c := tpcc.Config{Warehouses: o.warehouses, Items: o.items, Customers: o.customers, KeyTables: bench.Hashed, Seed: o.seed}
		if o.warehouses == 0 {
			c.Warehouses = o.threads
		}
		if o.tableSet {
			c.KeyTables = o.table
		}
		return benchcluster.Workload{TPCC: &c}
	case "ycsb++":
		c := ycsb.For(ycsb.PlusPlus)
		c.Records, c.FieldBytes, c.Seed = o.records, o.valueBytes, o.seed
		if o.theta != 0 {
			c.Distribution, c.Theta = ycsb.Zipfian, o.theta
		}
		if o.tableSet {
			c.Table = o.table
		}
		return benchcluster.Workload{YCSB: &c}
	}
	return benchcluster.Workload{}
}

// config is the cluster's. cleanup removes a temporary folder.
func (o *clusterOptions) config(cmd *cobra.Command) (c benchcluster.Config, cleanup func(), err error) {
	binary, err := os.Executable()
	if err != nil {
		return c, nil, err
	}
	dir, cleanup := o.dir, func() {}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "godwit-cluster-"); err != nil {
			return c, nil, err
		}
		cleanup = func() { _ = os.RemoveAll(dir) } // what is left is temporary
	}
	c = benchcluster.Config{
		Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, binary, "bench", "member") },
		Dir:     dir, Replicas: o.replicas, Protocol: benchcluster.Protocol(o.protocol), Workload: o.spec(), Threads: o.threads, MemoryMiB: o.memoryMiB,
		Durability: o.durability, ElectionTimeout: o.election, Links: o.links.links(), Fault: o.links.broken(), Profile: o.cpuProfile,
		Run: benchcluster.RunOrder{Warmup: o.warmup, Duration: o.duration, Sessions: o.sessions, RatePerSecond: o.rate, InFlightMax: o.inFlight, Seed: o.seed},
	}
	if o.unreplicated {
		c.Replicas = 0
	}
	if o.clients == clientsNetwork {
		c.Clients = func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, binary, "bench", "clients") }
		c.Run.Sessions = cmp.Or(o.sessions, networkSessions)
	}
	if errs := cmd.ErrOrStderr(); !o.quiet {
		began := time.Now()
		c.Show = func(format string, args ...any) {
			fmt.Fprintf(errs, "%6.1fs "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
		}
	}
	return c, cleanup, nil
}

func (o *clusterOptions) measure(ctx context.Context, cmd *cobra.Command) error {
	c, cleanup, err := o.config(cmd)
	if err != nil {
		return err
	}
	defer cleanup()
	r, err := benchcluster.Measure(ctx, c)
	if err != nil {
		return err
	}
	err = r.Write(cmd.OutOrStdout())
	if o.json != "" {
		err = errors.Join(err, benchcluster.WriteJSON(o.json, r))
	}
	if o.plot != "" {
		err = errors.Join(err, plot.Timeline(r.Leader, o.plot))
	}
	return err
}
