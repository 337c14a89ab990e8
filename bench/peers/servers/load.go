package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwitdb/godwit/bench"
)

// keysEach is how many keys a client writes, one after the other. Nobody else writes them.
const keysEach = 100

// client is one of the clients of a load.
type client interface {
	// put writes a value, and returns when the system says that it is as safe as the comparison wants.
	put(ctx context.Context, key, value string) error
	// read returns values; "" is one that does not exist.
	read(ctx context.Context, keys []string) ([]string, error)
	close()
}

// puts measures how fast clients put values, each one after the other, and looks afterwards whether the last values that
// were acknowledged are there.
func puts(clients int, connect func(ctx context.Context, s *settings, y *system, clients int) ([]client, error)) load {
	return func(ctx context.Context, s *settings, y *system) (measurement, error) {
		all, err := connect(ctx, s, y, clients)
		if err != nil {
			return measurement{}, err
		}
		defer func() {
			for _, c := range all {
				c.close()
			}
		}()
		began := time.Now()
		w := window{from: began.Add(s.warmup), to: began.Add(s.warmup + s.duration)}
		writers := make([]writer, len(all))
		failures := make(chan error, len(all))
		var wg sync.WaitGroup
		for i, c := range all {
			writers[i] = writer{client: c, number: i}
			wg.Go(func() { failures <- writers[i].run(ctx, w) })
		}
		wg.Wait()
		close(failures)
		for err := range failures {
			if err != nil {
				return measurement{}, err
			}
		}
		var latencies []time.Duration
		for i := range writers {
			latencies = append(latencies, writers[i].latencies...)
			if err := writers[i].check(ctx); err != nil {
				return measurement{}, err
			}
		}
		if len(latencies) == 0 {
			return measurement{}, errors.New("nothing was put")
		}
		return measurement{PerSecond: float64(len(latencies)) / s.duration.Seconds(), Latency: summary(latencies)}, nil
	}
}

// window is the time that counts.
type window struct{ from, to time.Time }

// writer writes values through a client, and knows what has to be there.
type writer struct {
	client    client
	number    int
	written   int // the values, from the first on; each key has the last one that it got
	latencies []time.Duration
}

func (w *writer) key(n int) string { return fmt.Sprintf("client:%05d:%03d", w.number, n%keysEach) }

// value is the n-th value that is written. It is one of a kind.
func (w *writer) value(n int) string {
	v := fmt.Sprintf("%05d:%d:", w.number, n)
	return v + strings.Repeat("x", valueBytes-len(v))
}

// run writes until the window has passed.
func (w *writer) run(ctx context.Context, win window) error {
	for {
		from := time.Now()
		if from.After(win.to) {
			return nil
		}
		if err := w.client.put(ctx, w.key(w.written), w.value(w.written)); err != nil {
			return err
		}
		w.written++
		if to := time.Now(); from.After(win.from) && !to.After(win.to) {
			w.latencies = append(w.latencies, to.Sub(from))
		}
	}
}

// check reads back the last value of each key.
func (w *writer) check(ctx context.Context) error {
	var keys, values []string
	for n := max(0, w.written-keysEach); n < w.written; n++ {
		keys, values = append(keys, w.key(n)), append(values, w.value(n))
	}
	if len(keys) == 0 {
		return fmt.Errorf("client %d has written nothing", w.number)
	}
	got, err := w.client.read(ctx, keys)
	if err != nil {
		return err
	}
	for i := range keys {
		if got[i] != values[i] {
			return fmt.Errorf("%s is %q, and %q was acknowledged", keys[i], got[i], values[i])
		}
	}
	return nil
}

// summary sums up latencies, of which there is one at least.
func summary(all []time.Duration) bench.Latency {
	slices.Sort(all)
	at := func(share float64) time.Duration { return all[min(len(all)-1, int(share*float64(len(all))))] }
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return bench.Latency{Mean: sum / time.Duration(len(all)), P50: at(0.50), P99: at(0.99), P999: at(0.999), Max: all[len(all)-1]}
}
