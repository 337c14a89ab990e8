package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// certificatesEvery is how often the files of certificates are looked at.
	certificatesEvery = 5 * time.Second
	// handshakeTimeout is how long a client may take to agree on encryption.
	handshakeTimeout = 10 * time.Second
)

// Certificates are what a server proves itself to clients and other nodes with, and who of them it trusts. They are read
// again when their files change; what cannot be read is not used.
type Certificates struct {
	certFile, keyFile, caFile string

	current atomic.Pointer[tlsConfigs]
	mu      sync.Mutex // while files are read
	seen    string     // what the files were when they were read last
}

// tlsConfigs are both sides of connections.
type tlsConfigs struct{ server, client *tls.Config }

// LoadCertificates reads a certificate with its key, and, if caFile is not "", the authorities that clients' certificates must
// be from: without one nobody is let in. Other nodes are checked by them too, or else by those that the system trusts.
func LoadCertificates(certFile, keyFile, caFile string) (*Certificates, error) {
	c := &Certificates{certFile: certFile, keyFile: keyFile, caFile: caFile}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Mutual tells whether clients need certificates.
func (c *Certificates) Mutual() bool { return c.caFile != "" }

// Reload reads the files now. With an error nothing changes.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload(c.stat())
}

func (c *Certificates) reload(stat string) error {
	c.seen = stat // what is wrong now is reported once
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.certFile, err)
	}
	server := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	client := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return fmt.Errorf("authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("authorities %s: no certificate in it", c.caFile)
		}
		server.ClientCAs, server.ClientAuth, client.RootCAs = pool, tls.RequireAndVerifyClientCert, pool
	}
	c.current.Store(&tlsConfigs{server, client})
	return nil
}

// ForOperators returns how connections of operators are encrypted: with the newest certificate, and none is wanted from
// them, who log in.
func (c *Certificates) ForOperators() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &c.current.Load().server.Certificates[0], nil
		},
	}
}

// stat describes the files, so that a change of them is seen.
func (c *Certificates) stat() (text string) {
	for _, name := range []string{c.certFile, c.keyFile, c.caFile} {
		if info, err := os.Stat(name); err == nil {
			text += fmt.Sprintf("%d %d\n", info.Size(), info.ModTime().UnixNano())
		} else {
			text += "none\n"
		}
	}
	return text
}

// reloadChanged reads the files if they are others than when they were read last.
func (c *Certificates) reloadChanged() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stat := c.stat()
	if stat == c.seen {
		return false, nil
	}
	return true, c.reload(stat)
}

// watchCertificates reads certificates again when their files change.
func (s *Server) watchCertificates() {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := s.opts.TLS.reloadChanged()
		switch {
		case err != nil:
			s.log.Error("changed certificates cannot be used: those from before stay", "error", err)
		case changed:
			s.log.Info("changed certificates are in use")
		}
	}
}

// secured returns a client's connection, encrypted if the server has certificates. The handshake is to follow.
func (s *Server) secured(nc net.Conn) net.Conn {
	if s.opts.TLS == nil {
		return nc
	}
	return tls.Server(nc, s.opts.TLS.current.Load().server)
}

// shakeHands agrees on encryption with a client.
func (c *conn) shakeHands() error {
	t, ok := c.net.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	err := t.HandshakeContext(ctx)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.server.log.Info("a client was refused", "client", c.net.RemoteAddr(), "error", err)
	}
	return err
}

// dialNode connects to the server of another node.
func (s *Server) dialNode(ctx context.Context, addr string) (net.Conn, error) {
	if s.opts.TLS == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	dialer := tls.Dialer{Config: s.opts.TLS.current.Load().client}
	return dialer.DialContext(ctx, "tcp", addr)
}
