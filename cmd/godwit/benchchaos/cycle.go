package benchchaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/wal"
)

// holdMax is how long a fault goes on beside the time until something is released.
const holdMax = 300 * time.Millisecond

// Run does what a configuration says. The error says what went wrong, of the machine or of
// the database; the result is good as far as the run has come.
func Run(ctx context.Context, config Config) (*Result, error) {
	r := newResult(config)
	c, err := start(ctx, config)
	if err != nil {
		r.Unfinished = err.Error()
		return r, err
	}
	defer c.end()
	x, err := newClients(ctx, c)
	if err != nil {
		r.Unfinished = err.Error()
		return r, c.said(err)
	}
	began := time.Now()
	err = r.run(ctx, c, x)
	r.Seconds = time.Since(began).Seconds()
	if err != nil {
		r.Unfinished = err.Error()
	}
	r.Clients = x.total
	x.close()
	if err != nil || len(r.Wrong) > 0 {
		err = c.said(errors.Join(err, r.verdict()))
	}
	return r, err
}

func (r *Result) run(ctx context.Context, c *cluster, x *clients) error {
	config := c.config
	rng := rand.New(rand.NewPCG(config.Seed, 0))
	k := &checks{c: c, x: x, old: map[uint64]uint64{}}
	began := time.Now()
	if _, err := x.firstReleased(ctx, began, 0); err != nil {
		return err
	}
	for n := 1; (config.Cycles == 0 || n <= config.Cycles) && (config.Duration == 0 || time.Since(began) < config.Duration); n++ {
		kind := config.Kinds[rng.IntN(len(config.Kinds))]
		if n <= len(config.Kinds) {
			kind = config.Kinds[n-1] // each once at least
		}
		if err := r.cycle(ctx, c, x, n, kind, rng); err != nil {
			return fmt.Errorf("cycle %d: %w", n, err)
		}
		if n%config.ChapterCycles == 0 {
			wrong, err := k.chapter(ctx)
			r.Wrong = append(r.Wrong, wrong...)
			if err != nil || len(r.Wrong) > 0 {
				return err
			}
			config.show("chapter %d is in order: %+v", k.n, x.total)
			if err := x.resume(ctx); err != nil {
				return err
			}
		}
	}
	wrong, err := k.end(ctx)
	r.Wrong = append(r.Wrong, wrong...)
	return err
}

// cycle has one fault happen, and waits until all is well again.
func (r *Result) cycle(ctx context.Context, c *cluster, x *clients, n int, kind Kind, rng *rand.Rand) error {
	if err := c.recovered(ctx); err != nil {
		return err
	}
	f, err := c.draw(ctx, kind, rng)
	if err != nil {
		return err
	}
	var above wal.Epoch
	if f.deposes && f.majority { // else the same one may go on, in the same epoch
		if above, err = x.epoch(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := f.begin(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.what, err)
	}
	hold := f.least + time.Duration(rng.Int64N(int64(holdMax)))
	if !f.majority {
		if err := rest(ctx, hold); err != nil {
			return err
		}
		began, hold = time.Now(), 0
		if err := f.end(ctx); err != nil {
			return fmt.Errorf("the end of %s: %w", f.what, err)
		}
	}
	first, err := x.firstReleased(ctx, began, above)
	if err != nil {
		return fmt.Errorf("%s: %w", f.what, err)
	}
	if f.majority {
		if err := rest(ctx, hold); err != nil {
			return err
		}
		if err := f.end(ctx); err != nil {
			return fmt.Errorf("the end of %s: %w", f.what, err)
		}
	}
	mended := time.Now()
	if err := c.recovered(ctx); err != nil {
		return fmt.Errorf("after %s: %w", f.what, err)
	}
	r.add(kind, f.deposes, first.Sub(began), time.Since(mended))
	c.config.show("%d: %s: released after %s, recovered after %s", n, f.what, bench.FormatDuration(first.Sub(began)), bench.FormatDuration(time.Since(mended)))
	return nil
}

func (c *Config) show(format string, args ...any) {
	if c.Show != nil {
		c.Show(format, args...)
	}
}
