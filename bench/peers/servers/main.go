package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type settings struct {
	only        []string
	rounds      int
	duration    time.Duration
	warmup      time.Duration
	idle        time.Duration
	size        float64
	connections int
	dir         string
	godwit      string
	json        string
	plot        string
}

// idleName is the measurement of servers that nobody uses, among the comparisons.
const idleName = "idle"

func parse(args []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("servers", flag.ContinueOnError)
	only := flags.String("only", "", "comparisons to make, with commas between them; all if it is empty")
	flags.IntVar(&s.rounds, "rounds", 5, "rounds of each comparison; each has both systems, the first one changes")
	flags.DurationVar(&s.duration, "duration", 3*time.Second, "measured time of the load that is made here")
	flags.DurationVar(&s.warmup, "warmup", time.Second, "time before it that does not count")
	flags.DurationVar(&s.idle, "idle", 10*time.Second, "for how long idle servers are watched")
	flags.Float64Var(&s.size, "size", 1, "how many times the usual requests redis-benchmark makes")
	flags.IntVar(&s.connections, "connections", 10, "connections that clients share which share some")
	flags.StringVar(&s.dir, "dir", "", "folder for the servers' data; default a temporary one")
	flags.StringVar(&s.godwit, "godwit", "", "the program godwit; default one that is built first")
	flags.StringVar(&s.json, "json", "", "write the results to this file; comparisons that it has already, and that are not made, stay")
	flags.StringVar(&s.plot, "plot", "", "draw the results, of the file too, to this name with .svg and .png")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if *only != "" {
		s.only = strings.Split(*only, ",")
	}
	names := []string{idleName}
	for _, c := range s.comparisons() {
		names = append(names, c.name)
	}
	for _, name := range s.only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("no comparison %q; there are %s", name, strings.Join(names, " "))
		}
	}
	if s.rounds < 1 || s.duration <= 0 || s.idle <= 0 || s.connections < 1 {
		return nil, errors.New("-rounds, -duration, -idle and -connections are positive")
	}
	return s, nil
}

func main() {
	s, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = s.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

// run makes what is wanted, and reports it.
func (s *settings) run(ctx context.Context) error {
	dir, err := os.MkdirTemp(s.dir, "servers-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.godwit == "" {
		s.godwit = filepath.Join(dir, "godwit")
		if err := build(ctx, s.godwit); err != nil {
			return err
		}
	}
	if s.godwit, err = filepath.Abs(s.godwit); err != nil {
		return err
	}
	r, err := s.before()
	if err != nil {
		return err
	}
	for _, c := range s.comparisons() {
		if !s.wanted(c.name) {
			continue
		}
		got, err := s.compare(ctx, dir, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		r.add(*got)
	}
	if s.wanted(idleName) {
		if r.Idle, err = s.watchIdle(ctx, dir); err != nil {
			return fmt.Errorf("%s: %w", idleName, err)
		}
	}
	return s.report(r)
}

// build builds godwit, in its own module: this one lacks some of its dependencies.
func build(ctx context.Context, program string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/godwitdb/godwit").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(root)), "-o", program, "./cmd/godwit").CombinedOutput() //nolint:gosec // our own paths
	if err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

func (s *settings) wanted(name string) bool { return len(s.only) == 0 || slices.Contains(s.only, name) }

// compare makes the rounds of a comparison.
func (s *settings) compare(ctx context.Context, dir string, c comparison) (*outcome, error) {
	o := &outcome{Name: c.name, What: c.what, Rival: c.rival, Bar: c.bar}
	for n := range s.rounds {
		var r round
		sides := []func() error{
			func() (err error) { r.Godwit, err = s.measure(ctx, dir, c.ours, c.ourLoad); return },
			func() (err error) { r.Rival, err = s.measure(ctx, dir, c.theirs, c.theirLoad); return },
		}
		if n%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			if err := side(); err != nil {
				return nil, err
			}
		}
		r.Ratio = r.Godwit.PerSecond / r.Rival.PerSecond
		fmt.Fprintf(os.Stderr, "%s %d: %.0f/s, %s %.0f/s: %.2f\n", c.name, n+1, r.Godwit.PerSecond, c.rival, r.Rival.PerSecond, r.Ratio)
		o.Rounds = append(o.Rounds, r)
	}
	o.sumUp()
	return o, nil
}

// measure starts a system in a fresh folder and measures it once.
func (s *settings) measure(ctx context.Context, dir string, starts starter, l load) (measurement, error) {
	data, err := os.MkdirTemp(dir, "data-")
	if err != nil {
		return measurement{}, err
	}
	defer os.RemoveAll(data)
	y, err := starts(ctx, data)
	if err != nil {
		return measurement{}, err
	}
	defer y.stop()
	return l(ctx, s, y)
}
