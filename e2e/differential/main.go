package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/signal"
	"slices"
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
		fmt.Fprintln(os.Stderr, "differential:", err)
		os.Exit(1)
	}
}

// options are what the command line says of a run.
type options struct {
	seed       uint64
	commands   int
	limit      time.Duration
	checkEvery int
	faultsMax  int
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("differential", flag.ContinueOnError)
	var o options
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "the `number` that all commands follow from") //nolint:gosec // any number will do
	flags.IntVar(&o.commands, "commands", 0, "how many to send; 0: as many as there is time for")
	flags.DurationVar(&o.limit, "for", 0, "how long; 0: 10 s, or until all commands were sent")
	flags.IntVar(&o.checkEvery, "check", 200, "compare all data every so many commands")
	flags.IntVar(&o.faultsMax, "faults", 10, "end after so many faults")
	redis := flags.String("redis", "", "the `address` of a Redis that runs; default: one is started")
	godwit := flags.String("godwit", "", "the `address` of a Godwit that runs; default: one is started")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.commands == 0 {
		o.commands = math.MaxInt
		if o.limit == 0 {
			o.limit = 10 * time.Second
		}
	}
	for _, server := range []struct {
		addr  *string
		start func(context.Context) (string, func() error, error)
	}{{redis, startRedis}, {godwit, startGodwit}} {
		if *server.addr != "" {
			continue
		}
		addr, stop, startErr := server.start(ctx)
		if startErr != nil {
			return startErr
		}
		*server.addr = addr
		defer func() { err = errors.Join(err, stop()) }()
	}
	r := &runner{options: o, generator: newGenerator(o.seed), out: out}
	if err := r.run(ctx, *redis, *godwit); err != nil {
		return fmt.Errorf("seed %d: %w", o.seed, err)
	}
	_, err = fmt.Fprintf(out, "seed %d: %d commands, %d faults\n", o.seed, r.sent, r.faults)
	for _, name := range slices.Sorted(maps.Keys(r.known)) {
		_, err = fmt.Fprintf(out, "%6d replies differ as is known: %s\n", r.known[name], name)
	}
	if r.faults > 0 {
		err = fmt.Errorf("%d faults; -seed %d has them again", r.faults, o.seed)
	}
	return err
}
