package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/godwitdb/godwit/bench"
)

const (
	// benchKeys is how many keys redis-benchmark chooses from, and valueBytes the size of their values.
	benchKeys  = 100_000
	valueBytes = 100
	// warmupShare is the part of the requests that are made before, and not counted.
	warmupShare = 5
)

// redisBenchmark measures with redis-benchmark how fast a command is.
func redisBenchmark(command string, connections, pipeline, requests int) load {
	return func(ctx context.Context, s *settings, y *system) (measurement, error) {
		if err := fill(ctx, y.address); err != nil {
			return measurement{}, err
		}
		run := func(requests int) (measurement, error) {
			out, err := exec.CommandContext(ctx, "redis-benchmark", "-h", "127.0.0.1", "-p", portOf(y.address), "-c", fmt.Sprint(connections), //nolint:gosec // our own arguments
				"-P", fmt.Sprint(pipeline), "-n", fmt.Sprint(requests), "-d", fmt.Sprint(valueBytes), "-r", fmt.Sprint(benchKeys), "-t", command, "--csv").CombinedOutput()
			if err != nil {
				return measurement{}, fmt.Errorf("redis-benchmark: %w: %s", err, out)
			}
			return parseBenchmark(string(out))
		}
		requests := max(connections*pipeline, int(float64(requests)*s.size))
		if _, err := run(max(connections*pipeline, requests/warmupShare)); err != nil {
			return measurement{}, err
		}
		m, err := run(requests)
		if err != nil {
			return measurement{}, err
		}
		return m, checkFilled(ctx, y.address)
	}
}

// parseBenchmark reads what redis-benchmark --csv prints for one command.
func parseBenchmark(out string) (measurement, error) {
	_, table, found := strings.Cut(out, `"test",`)
	if !found {
		return measurement{}, fmt.Errorf("redis-benchmark says %q", out)
	}
	rows, err := csv.NewReader(strings.NewReader(`"test",` + table)).ReadAll()
	if err != nil {
		return measurement{}, err
	}
	if len(rows) != 2 {
		return measurement{}, fmt.Errorf("redis-benchmark says %q", out)
	}
	var m measurement
	for i, name := range rows[0] {
		if name == "test" {
			continue
		}
		v, err := strconv.ParseFloat(rows[1][i], 64)
		if err != nil {
			return measurement{}, err
		}
		d := time.Duration(v * float64(time.Millisecond))
		switch name {
		case "rps":
			m.PerSecond = v
		case "avg_latency_ms":
			m.Latency.Mean = d
		case "p50_latency_ms":
			m.Latency.P50 = d
		case "p99_latency_ms":
			m.Latency.P99 = d
		case "max_latency_ms":
			m.Latency.Max = d
		}
	}
	if m.PerSecond <= 0 || m.Latency == (bench.Latency{}) {
		return measurement{}, fmt.Errorf("redis-benchmark says %q", out)
	}
	return m, nil
}

// fillAtOnce is how many keys are written or read in one go.
const fillAtOnce = 1000

func benchKey(n int) string { return fmt.Sprintf("key:%012d", n) }

// fill writes all keys that redis-benchmark chooses from.
func fill(ctx context.Context, address string) error {
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.net.Close()
	value := strings.Repeat("x", valueBytes)
	for from := 0; from < benchKeys; from += fillAtOnce {
		args := []string{"MSET"}
		for n := from; n < from+fillAtOnce; n++ {
			args = append(args, benchKey(n), value)
		}
		if _, _, err := c.ask(args...); err != nil {
			return err
		}
	}
	return nil
}

// checkFilled fails unless all keys are there, no others are, and their values have the right size.
func checkFilled(ctx context.Context, address string) error {
	c, err := dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.net.Close()
	size, _, err := c.ask("DBSIZE")
	if err != nil {
		return err
	}
	if size != fmt.Sprint(benchKeys) {
		return fmt.Errorf("%s keys instead of %d", size, benchKeys)
	}
	for from := 0; from < benchKeys; from += fillAtOnce {
		for n := from; n < from+fillAtOnce; n++ {
			c.add("STRLEN", benchKey(n))
		}
		if err := c.flush(); err != nil {
			return err
		}
		for n := from; n < from+fillAtOnce; n++ {
			length, _, err := c.reply()
			if err != nil {
				return err
			}
			if length != fmt.Sprint(valueBytes) {
				return fmt.Errorf("%s has %s bytes instead of %d", benchKey(n), length, valueBytes)
			}
		}
	}
	return nil
}
