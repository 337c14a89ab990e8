package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchdb"
)

// opener opens an empty store in a folder.
type opener func(dir string, sync bool) (bench.Engine, error)

// stores are the stores to choose from; Godwit is the one that the others are
// measured against.
func stores() map[string]opener {
	return map[string]opener{"godwit": openGodwit, "badger": openBadger, "bbolt": openBBolt, "pebble": openPebble}
}

func openGodwit(dir string, sync bool) (bench.Engine, error) {
	o := &godwit.Options{Durability: godwit.DurabilityBackground}
	if sync {
		o.Durability = godwit.DurabilityDisk
	}
	db, err := godwit.Open(dir, o)
	if err != nil {
		return nil, err
	}
	return benchdb.New(db, benchdb.Public, "godwit")
}

type settings struct {
	stores     []string
	goroutines []int
	syncs      []bool
	records    int
	duration   time.Duration
	warmup     time.Duration
	dir        string
	json       string
}

func parse() (*settings, error) {
	s := &settings{}
	names := flag.String("stores", "godwit,badger,bbolt,pebble", "stores to run, the first is what the others are compared with")
	goroutines := flag.String("goroutines", "1,2,64", "numbers of goroutines")
	durability := flag.String("durability", "unsynced,synced", "unsynced: the store's log is written but not synced before an update returns; synced: it is")
	flag.IntVar(&s.records, "records", 1_000_000, "records of 8 + 100 bytes")
	flag.DurationVar(&s.duration, "duration", 10*time.Second, "measured time of each run")
	flag.DurationVar(&s.warmup, "warmup", 2*time.Second, "time before it that does not count")
	flag.StringVar(&s.dir, "dir", "", "folder for the stores' data; default a temporary one")
	flag.StringVar(&s.json, "json", "", "folder for one JSON result per run")
	flag.Parse()
	for _, name := range strings.Split(*names, ",") {
		if stores()[name] == nil {
			return nil, fmt.Errorf("no store %q", name)
		}
		s.stores = append(s.stores, name)
	}
	for _, text := range strings.Split(*goroutines, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of goroutines", text)
		}
		s.goroutines = append(s.goroutines, n)
	}
	for _, text := range strings.Split(*durability, ",") {
		if text != "unsynced" && text != "synced" {
			return nil, fmt.Errorf("no durability %q", text)
		}
		s.syncs = append(s.syncs, text == "synced")
	}
	if s.json != "" {
		if err := os.MkdirAll(s.json, 0o755); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func main() {
	s, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(2)
	}
	if err := s.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run runs everything, and compares the stores after each round.
func (s *settings) run(ctx context.Context) error {
	for _, sync := range s.syncs {
		for _, n := range s.goroutines {
			var results []*bench.Result
			for _, name := range s.stores {
				r, err := s.measure(ctx, name, sync, n)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				results = append(results, r)
			}
			fmt.Printf("\nYCSB++, %s, %d goroutines\n", mode(sync), n)
			if err := bench.WriteComparison(os.Stdout, results, s.stores); err != nil {
				return err
			}
		}
	}
	return nil
}

func mode(sync bool) string {
	if sync {
		return "synced"
	}
	return "unsynced"
}

func (s *settings) measure(ctx context.Context, name string, sync bool, goroutines int) (_ *bench.Result, err error) {
	dir, err := os.MkdirTemp(s.dir, "peers-"+name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	e, err := stores()[name](dir, sync)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := e.Close(); err == nil {
			err = cerr
		}
	}()
	c := ycsb.For(ycsb.PlusPlus)
	c.Records = s.records
	w, err := ycsb.New(c)
	if err != nil {
		return nil, err
	}
	note := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s %s %d: %s\n", name, mode(sync), goroutines, fmt.Sprintf(format, args...))
	}
	r, err := bench.Measure(ctx, e, w, bench.Config{Sessions: goroutines, Duration: s.duration, Warmup: s.warmup, Seed: 1}, note)
	if err != nil || s.json == "" {
		return r, err
	}
	return r, r.WriteFile(filepath.Join(s.json, fmt.Sprintf("peers-%s-%s-%d.json", name, mode(sync), goroutines)))
}
