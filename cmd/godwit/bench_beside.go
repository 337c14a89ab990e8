package main

import (
	"context"
	"errors"
	"os"
	"runtime/pprof"
	"time"

	"github.com/godwitdb/godwit"
)

// beside returns what the flags want to happen while the sessions run, nil if that
// is nothing.
func (o *benchOptions) beside(db *godwit.DB) func(context.Context) error {
	var all []func(context.Context) error
	if o.cpuProfile != "" {
		all = append(all, o.profile)
	}
	if o.snapshot {
		all = append(all, func(ctx context.Context) error { return holdSnapshot(ctx, db) })
	}
	if o.checkpointIn > 0 {
		all = append(all, func(ctx context.Context) error { return checkpointEvery(ctx, db, o.checkpointIn) })
	}
	if all == nil {
		return nil
	}
	return func(ctx context.Context) error { return together(ctx, all) }
}

// together runs all at once and joins them.
func together(ctx context.Context, all []func(context.Context) error) error {
	results := make(chan error)
	for _, f := range all {
		go func() { results <- f(ctx) }()
	}
	var errs []error
	for range all {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

func (o *benchOptions) profile(ctx context.Context) error {
	f, err := os.Create(o.cpuProfile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	<-ctx.Done()
	pprof.StopCPUProfile()
	return f.Close()
}

// holdSnapshot keeps a snapshot open, so that every version that the run replaces
// has to stay.
func holdSnapshot(ctx context.Context, db *godwit.DB) error {
	s, err := db.Snapshot(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	defer s.Close()
	<-ctx.Done()
	return nil
}

func checkpointEvery(ctx context.Context, db *godwit.DB, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := db.Checkpoint(ctx); err != nil {
			return ended(ctx, err)
		}
		timer.Reset(pause)
	}
}

// ended drops an error that only says that the run is over.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}
