package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/godwitdb/godwit/internal/server"
)

// certificates reads those for clients, if there are any.
func (o *serveConfig) certificates() (*server.Certificates, error) {
	if o.tls.cert == "" && o.tls.key == "" && o.tls.ca == "" {
		return nil, nil
	}
	if o.tls.cert == "" || o.tls.key == "" {
		return nil, errors.New("--tls-cert and --tls-key are needed both")
	}
	return server.LoadCertificates(o.tls.cert, o.tls.key, o.tls.ca)
}

// listener listens at the address of a setting. Beyond this machine, who connects has to authenticate.
func (o *serveConfig) listener(ctx context.Context, setting, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", setting, err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); o.insecure || o.password != "" || o.tls.ca != "" || ok && tcp.IP.IsLoopback() {
		return l, nil
	}
	err = fmt.Errorf("--%s %s lets others in from beyond this machine: say --requirepass or --tls-ca, or --insecure if they need not authenticate", setting, addr)
	return nil, errors.Join(err, l.Close())
}

// reloadOnHangUp reads certificates again on SIGHUP, until ctx ends.
func reloadOnHangUp(ctx context.Context, certs *server.Certificates, log *slog.Logger) {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangUp:
		}
		if err := certs.Reload(); err != nil {
			log.Error("certificates cannot be used: those from before stay", "error", err)
		}
	}
}
