package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/godwitprom"
	"github.com/godwitdb/godwit/internal/admin"
	"github.com/godwitdb/godwit/internal/server"
)

// run serves until ctx ends.
func (o *serveConfig) run(ctx context.Context, log *slog.Logger) (err error) {
	opts, err := o.options(log)
	if err != nil {
		return usageError(err)
	}
	certs, err := o.certificates()
	if err != nil {
		return usageError(err)
	}
	metrics := godwitprom.New("godwit")
	opts.Metrics = metrics
	tracer, stopTracing, err := o.trace.start(ctx, o.cluster.node, log)
	if err != nil {
		return usageError(err)
	}
	defer stopTracing() // when there are no more
	if tracer != nil {
		opts.Tracer = tracer
	}
	began := time.Now()
	db, err := godwit.Open(o.dir, opts)
	if err != nil {
		return usageError(err)
	}
	defer func() { err = errors.Join(err, failed(db.Close())) }()
	metrics.Watch(db)
	defer metrics.Watch(nil)
	listener, err := o.listener(ctx, "listen", o.listen)
	if err != nil {
		return usageError(err)
	}
	defer func() { _ = listener.Close() }() // the server does that before, if it gets to it
	if certs != nil {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go reloadOnHangUp(ctx, certs, log)
	}
	ctx, shutdown := context.WithCancel(ctx)
	defer shutdown()
	s, err := server.New(server.Options{
		DB: db, Logger: log, TLS: certs, Version: bench.ThisBuild().Version, Shutdown: shutdown, ClientsMax: o.clientsMax, ClientsMemory: mebibytes(o.clientsMemoryMiB), ScriptTimeMax: o.scriptTimeMax, Advertise: o.advertise(listener.Addr()), Password: o.password, Secret: o.cluster.secret, Redirect: o.cluster.redirect, LeaderWait: o.cluster.leaderWait,
	})
	if err != nil {
		return failed(err)
	}
	defer s.Close()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(s.HeapBytes())
	}
	if o.admin != "" {
		operators, err := o.listener(ctx, "admin", o.admin)
		if err != nil {
			return usageError(err)
		}
		stop, err := admin.Serve(ctx, operators, admin.Options{Server: s, Database: metrics, Logger: log, TLS: certs, Open: o.insecure})
		if err != nil {
			return failed(err)
		}
		defer stop()
	}
	log.Info("serving", "listen", listener.Addr(), "dir", o.dir, "opened_in", time.Since(began).Round(time.Millisecond))
	done := make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	select {
	case err := <-done:
		return failed(err)
	case <-ctx.Done():
		log.Info("draining")
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drainTimeout)
		defer cancel()
		s.Drain(drain)
		log.Info("drained")
		return nil
	}
}

// advertise returns where other nodes reach the clients' port; "" if there are none.
func (o *serveConfig) advertise(listening net.Addr) string {
	switch {
	case o.cluster.node == 0:
		return ""
	case o.cluster.advertise != "":
		return o.cluster.advertise
	}
	return listening.String()
}

// parseNode reads the number of a node.
func parseNode(text string) (godwit.NodeID, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no number of a node, which is from 1", text)
	}
	return godwit.NodeID(n), nil
}
