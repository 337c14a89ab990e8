package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/plot"
	"github.com/godwitdb/godwit/cmd/godwit/benchdb"

	"github.com/spf13/cobra"
)

// benchOptions are the flags that all workloads have.
type benchOptions struct {
	name         string
	api          string
	threads      int
	goroutines   int
	duration     time.Duration
	warmup       time.Duration
	interval     time.Duration
	inFlight     int
	seed         uint64
	quiet        bool
	checkOnly    bool
	json, plot   string
	cpuProfile   string
	snapshot     bool
	checkpointIn time.Duration

	dir          string
	durability   string
	syncInterval time.Duration
	memoryMiB    int64
}

const benchSubject = `
A transaction is executed when its writes are visible to others, and released when
it is durable as --durability says. Both rates and both latencies are reported.
After the run the whole database is read and checked for consistency; with a
violation there is no result, and the exit code is 1.

With --api procedures, each thread runs transactions in the process, one after the
other, and goes on while earlier ones wait for their release, up to --in-flight of
them. With --api public, each goroutine calls DB.Update or DB.View and waits for
the release, as most programs do.

Progress goes to standard error, the result to standard output and, with --json
and --plot, to files.`

func newBenchCommand() *cobra.Command {
	cmd := newTPCCCommand()
	cmd.Use = "bench"
	cmd.Short = "Measure transactions: TPC-C, YCSB, YCSB++"
	cmd.Long = "Runs a workload and reports throughput, latency and what it cost. Without the name\nof a workload it runs TPC-C.\n" + benchSubject
	cmd.Example = `  godwit bench
  godwit bench tpcc --threads 2 --duration 30s --durability disk --dir data
  godwit bench ycsb++ --table hash --json hash.json
  godwit bench compare ordered.json hash.json --plot both`
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError(fmt.Errorf("unknown workload %q; godwit bench --help lists them", args[0]))
		}
		return nil
	}
	cmd.AddCommand(newTPCCCommand(), newYCSBCommand(), newYCSBPlusPlusCommand(), newCompareCommand(), newClusterCommand(), newMemberCommand(), newClientsCommand(), newChaosCommand(), newNodeCommand())
	return cmd
}

// flags declares the flags of o on a workload's command, which checks them before
// it does anything else.
func (o *benchOptions) flags(cmd *cobra.Command) {
	cmd.PreRunE = func(*cobra.Command, []string) error { return o.validate() }
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "workers of the database, and sessions with --api procedures")
	f.StringVar(&o.api, "api", string(benchdb.Procedures), "procedures, which run ahead of releases, or public, DB.Update and DB.View")
	f.IntVar(&o.goroutines, "goroutines", 64, "callers at once with --api public")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "measured time")
	f.DurationVar(&o.warmup, "warmup", 3*time.Second, "time before it that does not count")
	f.IntVar(&o.inFlight, "in-flight", bench.DefaultInFlightMax, "executed transactions that a session keeps unreleased before it waits")
	f.StringVar(&o.durability, "durability", godwit.DurabilityBackground.String(), "none: no files; background: released when executed, synced every --sync-interval; disk: released when synced")
	f.DurationVar(&o.syncInterval, "sync-interval", godwit.DefaultSyncInterval, "how often the log is synced with --durability background")
	f.StringVar(&o.dir, "dir", "", "data folder, which is kept; default a temporary one, which on some systems is no disk")
	f.Int64Var(&o.memoryMiB, "memory", 0, "limit of the data's memory in MiB; default three quarters of the machine's")
	f.DurationVar(&o.checkpointIn, "checkpoint-every", 0, "make checkpoints during the run, this long after each other")
	f.BoolVar(&o.snapshot, "snapshot", false, "keep a snapshot from before the run open during it")
	f.BoolVar(&o.checkOnly, "check-only", false, "load and run nothing, check the database that --dir has from an earlier run with the same settings")
	f.Uint64Var(&o.seed, "seed", 1, "start of the random numbers")
	f.DurationVar(&o.interval, "interval", time.Second, "time between two lines of progress")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
	f.StringVar(&o.name, "name", "", "what the result is called in comparisons; default the API and durability")
	f.StringVar(&o.json, "json", "", "write the result to this file")
	f.StringVar(&o.plot, "plot", "", "draw the run over time: files of this name with .svg and .png")
	f.StringVar(&o.cpuProfile, "cpu-profile", "", "write a processor profile of the run, without load and check, to this file")
}

// validate reports what would otherwise be refused under another name, or only
// after the run.
func (o *benchOptions) validate() error {
	if o.threads < 1 {
		return usageError(fmt.Errorf("--threads is %d, not at least 1", o.threads))
	}
	if o.goroutines < 1 {
		return usageError(fmt.Errorf("--goroutines is %d, not at least 1", o.goroutines))
	}
	if o.api != string(benchdb.Procedures) && o.api != string(benchdb.Public) {
		return usageError(fmt.Errorf("--api is %q, not %s or %s", o.api, benchdb.Procedures, benchdb.Public))
	}
	if o.checkpointIn < 0 {
		return usageError(fmt.Errorf("--checkpoint-every is %v, below 0", o.checkpointIn))
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

// writable reports why a file could not be written, "" being none. It leaves
// what there is as it is: the run may yet fail.
func writable(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		return errors.Join(f.Close(), os.Remove(name))
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if f, err = os.OpenFile(name, os.O_WRONLY, 0); err != nil {
		return err
	}
	return f.Close()
}

// sessions is how many goroutines run transactions.
func (o *benchOptions) sessions() int {
	if o.api == string(benchdb.Public) {
		return o.goroutines
	}
	return o.threads
}

// config is the runner's configuration.
func (o *benchOptions) config(progress io.Writer) bench.Config {
	c := bench.Config{
		Sessions: o.sessions(), Warmup: o.warmup, Duration: o.duration, Interval: o.interval, InFlightMax: o.inFlight, Seed: o.seed,
	}
	if !o.quiet {
		c.Progress = func(i bench.Interval) { fmt.Fprintln(progress, i) }
	}
	return c
}

// databaseOptions are the options to open the database with. Their checks are
// the database's.
func (o *benchOptions) databaseOptions() (*godwit.Options, error) {
	d, err := parseDurability(o.durability)
	if err != nil {
		return nil, err
	}
	if o.checkOnly && (o.dir == "" || d == godwit.DurabilityNone) {
		return nil, errors.New("--check-only needs the --dir of an earlier run")
	}
	return &godwit.Options{
		Durability: d, SyncInterval: o.syncInterval, MemoryLimit: mebibytes(o.memoryMiB), Workers: o.threads,
	}, nil
}

func parseDurability(name string) (godwit.Durability, error) {
	for _, d := range []godwit.Durability{godwit.DurabilityNone, godwit.DurabilityBackground, godwit.DurabilityDisk} {
		if name == d.String() {
			return d, nil
		}
	}
	return 0, fmt.Errorf("--durability is %q, not none, background or disk", name)
}

// engineName says what is measured.
func (o *benchOptions) engineName() string {
	if o.name != "" {
		return o.name
	}
	return fmt.Sprintf("godwit (%s, %s)", o.api, o.durability)
}

// settings are what the result records about the database.
func (o *benchOptions) settings() map[string]any {
	s := map[string]any{"api": o.api, "durability": o.durability, "workers": o.threads, "memory_limit_mib": o.memoryMiB}
	if o.durability == godwit.DurabilityBackground.String() {
		s["sync_interval_seconds"] = o.syncInterval.Seconds()
	}
	if o.snapshot {
		s["snapshot_open"] = true
	}
	if o.checkpointIn > 0 {
		s["checkpoint_every_seconds"] = o.checkpointIn.Seconds()
	}
	return s
}

// run is the whole of a benchmark command.
func (o *benchOptions) run(cmd *cobra.Command, w bench.Workload) error {
	progress := cmd.ErrOrStderr()
	config := o.config(progress)
	options, err := o.databaseOptions()
	if err = errors.Join(err, config.Validate()); err != nil {
		return usageError(err)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	dir, cleanup, err := o.folder(options.Durability)
	if err != nil {
		return usageError(err)
	}
	defer cleanup()
	open := godwit.Open
	if o.checkOnly {
		open = openExisting
	}
	db, err := open(dir, options)
	if err != nil {
		return usageError(err)
	}
	e, err := benchdb.New(db, benchdb.API(o.api), o.engineName())
	if err != nil {
		return usageError(errors.Join(err, db.Close()))
	}
	config.Beside = o.beside(db)
	err = o.measure(ctx, cmd.OutOrStdout(), progress, e, w, config)
	return failed(errors.Join(err, e.Close()))
}

// folder returns the data folder and what removes it if it is temporary.
func (o *benchOptions) folder(d godwit.Durability) (dir string, cleanup func(), err error) {
	if o.dir != "" || d == godwit.DurabilityNone {
		return o.dir, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "godwit-bench-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

func (o *benchOptions) measure(ctx context.Context, out, progress io.Writer, e *benchdb.Engine, w bench.Workload, c bench.Config) error {
	note := func(format string, args ...any) {
		if !o.quiet {
			fmt.Fprintf(progress, format+"\n", args...)
		}
	}
	if o.checkOnly {
		if err := w.Open(e); err != nil {
			return err
		}
		note("checking %s", w.Name())
		if err := w.Check(ctx, e, c.Sessions); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%s: the database is consistent\n", w.Name())
		return err
	}
	r, err := bench.Measure(ctx, e, w, c, note)
	if err != nil {
		return err
	}
	r.Settings = o.settings()
	if err := r.WriteSummary(out); err != nil {
		return err
	}
	if o.json != "" {
		err = r.WriteFile(o.json)
	}
	if o.plot != "" {
		err = errors.Join(err, plot.Timeline(r, o.plot))
	}
	return err
}
