package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/server"
)

// errNoRedis says that there is nothing to compare with.
var errNoRedis = errors.New("redis-server is not installed (Debian: apt-get install redis-server)")

const (
	startLimit = 30 * time.Second
	askEvery   = 10 * time.Millisecond
)

// listen returns a listener on a port of this machine that nobody uses.
func listen(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
}

// startRedis starts a redis-server without persistence.
func startRedis(ctx context.Context) (addr string, stop func() error, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, errNoRedis
	}
	l, err := listen(ctx)
	if err != nil {
		return "", nil, err
	}
	addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "differential-")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no") //nolint:noctx // stop ends it
	if err := cmd.Start(); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		return os.RemoveAll(dir)
	}
	if err := answers(ctx, addr); err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return addr, stop, nil
}

// answers waits until a server does.
func answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		c, err := dial(ctx, addr)
		if err == nil {
			_, err = c.do("PING")
			_ = c.conn.Close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", addr, err)
		}
	}
}

// startGodwit serves an empty database that is only in memory.
func startGodwit(ctx context.Context) (addr string, stop func() error, err error) {
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		return "", nil, err
	}
	s, err := server.New(server.Options{DB: db})
	if err != nil {
		return "", nil, errors.Join(err, db.Close())
	}
	l, err := listen(ctx)
	if err != nil {
		s.Close()
		return "", nil, errors.Join(err, db.Close())
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return l.Addr().String(), func() error {
		s.Close()
		return errors.Join(<-done, db.Close())
	}, nil
}
