package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// idle is what a server costs that nobody uses.
type idle struct {
	What     string  `json:"what"`
	Share    float64 `json:"processor_share"` // of one processor
	Resident int64   `json:"resident_bytes"`
}

const (
	// idleShareMax and idleBytesMax are the bars of an idle server.
	idleShareMax = 0.01
	idleBytesMax = 60 << 20
)

// watchIdle watches a server that is alone, and three of a group, that have just been started.
func (s *settings) watchIdle(ctx context.Context, dir string) ([]idle, error) {
	var all []idle
	for _, nodes := range []int{1, 3} {
		data, err := os.MkdirTemp(dir, "data-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(data)
		y, err := s.godwits(nodes, "disk")(ctx, data)
		if err != nil {
			return nil, err
		}
		got, err := s.watch(ctx, y)
		y.stop()
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

func (s *settings) watch(ctx context.Context, y *system) ([]idle, error) {
	used := make([]time.Duration, len(y.processes))
	for i, p := range y.processes {
		var err error
		if used[i], err = p.cpu(); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	select {
	case <-time.After(s.idle):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	passed := time.Since(began)
	var all []idle
	for i, p := range y.processes {
		now, err := p.cpu()
		if err != nil {
			return nil, err
		}
		bytes, err := p.resident()
		if err != nil {
			return nil, err
		}
		what := "alone"
		if len(y.processes) > 1 {
			what = fmt.Sprintf("node %d of %d", i+1, len(y.processes))
		}
		all = append(all, idle{What: what, Share: float64(now-used[i]) / float64(passed), Resident: bytes})
	}
	return all, nil
}
