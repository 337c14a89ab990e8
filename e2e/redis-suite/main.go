package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "redis-suite:", err)
		os.Exit(1)
	}
}

// report is all that a run found.
type report struct {
	Suite     string   `json:"suite"`
	Address   string   `json:"address"`
	Nodes     int      `json:"nodes,omitempty"` // that the run has started
	Options   []string `json:"options"`
	KeepGoing bool     `json:"keep_going"`
	Files     []score  `json:"files"`
	OK        int      `json:"ok"`
	Failed    int      `json:"failed"`
	Ignored   int      `json:"ignored"`
	Hung      int      `json:"hung"` // tests
	// Through is how many of Files ran to their end.
	Through int  `json:"through"`
	Crashed bool `json:"crashed"` // a node that the run has started
	// LeadChanges is how often another node led when a file began: tests that were under way may have failed for that.
	LeadChanges int `json:"lead_changes,omitempty"`
}

// options are what the command line says beside what a runner has.
type options struct {
	files   []string
	nodes   int
	binary  string
	limit   time.Duration
	bar     int
	report  string
	verbose bool
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("redis-suite", flag.ContinueOnError)
	r := &runner{}
	var o options
	flags.StringVar(&r.host, "host", "127.0.0.1", "the server's `host`")
	flags.StringVar(&r.port, "port", "6379", "the server's `port`")
	flags.IntVar(&o.nodes, "nodes", 0, "start so many `nodes` of Godwit for the run, replicas of one shard if they are several, and test the one that leads; instead of -host and -port")
	flags.StringVar(&o.binary, "godwit", "", "the `binary` that -nodes starts; default: it is built")
	flags.Func("file", "run only this `file` of tests, as unit/type/list; can be given several times", func(name string) error {
		o.files = append(o.files, name)
		return nil
	})
	flags.StringVar(&o.report, "out", "", "write the report as JSON to this `file`")
	flags.BoolVar(&r.keepGoing, "keep-going", false, "after a test that raises an error, which counts as failed, go on with the file; skip those that hang")
	flags.DurationVar(&r.testLimit, "test-limit", 5*time.Minute, "a test that takes longer hangs")
	flags.DurationVar(&r.fileLimit, "file-limit", 10*time.Minute, "a file that takes longer hangs")
	flags.DurationVar(&o.limit, "limit", time.Hour, "the run takes no longer: files that it does not get to are not run")
	flags.IntVar(&o.bar, "bar", 0, "fail if fewer `tests` are ok, one hangs, a file is not run or a node ends")
	flags.BoolVar(&o.verbose, "v", false, "print what failed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if r.dir, err = suite(ctx); err != nil {
		return err
	}
	all, err := r.units(ctx)
	if err != nil {
		return err
	}
	for _, name := range o.files {
		if !slices.Contains(all, name) {
			return fmt.Errorf("the suite has no file %s; it has %s", name, strings.Join(all, " "))
		}
	}
	if o.files == nil {
		o.files = all
	}
	if o.nodes == 0 {
		return r.runAll(ctx, o, nil, out)
	}
	nodes, err := startNodes(ctx, o.nodes, o.binary)
	if err != nil {
		return err
	}
	r.host = "127.0.0.1"
	return errors.Join(r.runAll(ctx, o, nodes, out), nodes.stop())
}

// runAll runs the files, prints and writes what came of them, and fails if that is less than it has to be.
func (r *runner) runAll(ctx context.Context, o options, started *nodes, out io.Writer) error {
	end := time.Now().Add(o.limit)
	total := report{Suite: "redis " + suiteVersion, Nodes: o.nodes, Options: suiteArgs, KeepGoing: r.keepGoing}
	for i, name := range o.files {
		if started != nil && !total.Crashed {
			port, err := started.leader(ctx)
			if err != nil {
				return err
			}
			if r.port != port && i > 0 {
				total.LeadChanges++
			}
			r.port = port
		}
		total.Address = r.host + ":" + r.port
		s := score{File: name, Outcome: notRun}
		if left := time.Until(end); left > 0 && !total.Crashed {
			r.fileLimit = min(r.fileLimit, left)
			s = r.run(ctx, name)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if total.Crashed = started != nil && started.crashed(); total.Crashed {
			fmt.Fprintf(out, "a node has ended while %s ran: %s\n", name, started.logs())
		}
		total.add(s)
		fmt.Fprintf(out, "%2d of %d: ", i+1, len(o.files))
		s.print(out, o.verbose)
	}
	total.print(out)
	if o.report != "" {
		data, err := json.MarshalIndent(total, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.report, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.bar > 0 {
		return total.reaches(o.bar)
	}
	return nil
}

// reaches fails if the run has not come as far as it has to.
func (r *report) reaches(bar int) error {
	switch ran := slices.IndexFunc(r.Files, func(s score) bool { return s.Outcome == notRun }) < 0; {
	case r.Crashed:
		return errors.New("a node has ended")
	case !ran:
		return errors.New("the time was over before all files had run")
	case r.Hung > 0:
		return fmt.Errorf("%d tests hung", r.Hung)
	case r.OK < bar:
		return fmt.Errorf("%d tests are ok, fewer than %d", r.OK, bar)
	}
	return nil
}

// add counts the score of one more file.
func (r *report) add(s score) {
	r.Files = append(r.Files, s)
	r.OK += s.OK
	r.Failed += s.Failed
	r.Ignored += s.Ignored
	r.Hung += len(s.Hung)
	if s.Outcome == hung {
		r.Hung++
	}
	if s.Outcome == through {
		r.Through++
	}
}

// failureLinesMax is how much of a failure's message is printed: the test, what it
// expected, the error. The report in JSON has the trace too.
const failureLinesMax = 3

// print writes the line of one file, and its failures if they are wanted.
func (s score) print(out io.Writer, failures bool) {
	outcome := s.Outcome
	if s.At != "" {
		outcome += fmt.Sprintf(" in %q", s.At)
	}
	if s.Error != "" {
		outcome += ": " + s.Error
	}
	if len(s.Hung) > 0 {
		outcome += fmt.Sprintf("; hung and skipped: %q", s.Hung)
	}
	fmt.Fprintf(out, "%-36s %5d %6d %7d %8.1f  %s\n", s.File, s.OK, s.Failed, s.Ignored, s.Seconds, outcome)
	if !failures {
		return
	}
	for _, message := range s.Failures {
		lines := strings.Split(strings.TrimSpace(message), "\n")
		lines = lines[:min(len(lines), failureLinesMax)]
		fmt.Fprintf(out, "    %s\n", strings.Join(lines, "\n        "))
	}
	for _, command := range slices.Compact(slices.Sorted(slices.Values(s.Refused))) {
		fmt.Fprintf(out, "    refused: %s\n", command)
	}
}

// print writes the score by file, the sum, and in which way it is not that of the suite alone.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%-36s %5s %6s %7s %8s  %s\n", "file", "ok", "failed", "ignored", "seconds", "outcome")
	refused := 0
	for _, s := range r.Files {
		s.print(out, false)
		refused += len(s.Refused)
	}
	fmt.Fprintf(out, "%-36s %5d %6d %7d           %d of %d files ran through, %d tests hung\n", "total", r.OK, r.Failed, r.Ignored, r.Through, len(r.Files), r.Hung)
	if r.KeepGoing {
		fmt.Fprintln(out, "Kept going: tests that raised an error count as failed, and those that hung were skipped; without --keep-going each ends its file.")
	}
	if r.LeadChanges > 0 {
		fmt.Fprintf(out, "The lead changed %d times: what was under way may have failed for that.\n", r.LeadChanges)
	}
	if refused > 0 {
		fmt.Fprintf(out, "The server refused %d commands that the suite asked around its tests, which ran without them.\n", refused)
	}
}
