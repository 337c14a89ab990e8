// Package admin is what a node shows to operators and their tools, over HTTP:
//
//	/healthz      200 while the process is there
//	/readyz       200 while clients are served: a leader is known and the data is whole; else 503 and why
//	/metrics      for Prometheus
//	/debug/pprof  profiles of the process
//	/             the console: see package console
//
// Health and readiness are told to anybody. The rest is for users of the server, who log in on the page or with each request
// (HTTP Basic authentication), as package console says.
package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/godwitdb/godwit/internal/console"
	"github.com/godwitdb/godwit/internal/server"
)

const (
	// headerTimeout is how long a client may take to say what it wants.
	headerTimeout = 5 * time.Second
	// endTimeout is how long requests may take that run when the node ends.
	endTimeout = time.Second
	// statusTimeout is how long a node may take to say how it is.
	statusTimeout = 2 * time.Second
)

// Options are what is shown.
type Options struct {
	Server *server.Server
	// Database has the metrics of the database.
	Database prometheus.Collector
	Logger   *slog.Logger
	// TLS encrypts connections. Default: they are plain.
	TLS *server.Certificates
	// Open lets in everybody from everywhere while the server asks nobody for a password. Default: this machine only.
	Open bool
}

// newHandler returns the handler of all paths. pages are one of them, and know who is let in.
func newHandler(o Options, pages *console.Console) (*http.ServeMux, error) {
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{o.Database, newCollector(o.Server), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, o.Server) })
	mux.Handle("GET /metrics", pages.Guarded(promhttp.HandlerFor(registry, promhttp.HandlerOpts{})))
	for path, profile := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.Handle("GET /debug/pprof/"+path, pages.Guarded(profile))
	}
	mux.Handle("/", pages)
	return mux, nil
}

// ready tells whether clients are served.
func ready(w http.ResponseWriter, r *http.Request, s *server.Server) {
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	if why := unready(s.Status(ctx)); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// unready says why clients are not served; "" if they are.
func unready(s server.Status) string {
	switch {
	case s.LogFailed != "":
		return "the log has failed: " + s.LogFailed
	case s.Draining:
		return "the node is being stopped"
	case s.Role == server.RoleAlone || s.Role == server.RoleLeader:
		return ""
	case s.Role != server.RoleFollower:
		return "the node is " + string(s.Role)
	case s.LeaderAt == "":
		return "no leader is known"
	}
	return ""
}

// Serve serves what comes to a listener, which it closes. stop ends it and waits for that.
func Serve(ctx context.Context, listener net.Listener, o Options) (stop func(), err error) {
	pages := console.New(o.Server, console.Options{Logger: o.Logger, Open: o.Open})
	handler, err := newHandler(o, pages)
	if err != nil {
		pages.Close()
		return nil, errors.Join(err, listener.Close())
	}
	scheme := "http"
	if o.TLS != nil {
		scheme, listener = "https", tls.NewListener(listener, o.TLS.ForOperators())
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn)}
	o.Logger.Info("serving operators", "admin", scheme+"://"+listener.Addr().String())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("operators are not served any more", "error", err)
		}
	})
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		pages.Close() // which ends their streams
		if s.Shutdown(ctx) != nil {
			_ = s.Close() // they were given time
		}
		wg.Wait()
	}, nil
}
