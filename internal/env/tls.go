package env

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// handshakeTimeout is how long a TLS handshake may take.
	handshakeTimeout = 5 * time.Second
	// shakingMax bounds the handshakes of accepted connections that are under way.
	shakingMax = 64
	// recordBytes is what fits into a record of TLS.
	recordBytes = 16 << 10
)

// TLS is what a TCP needs to talk to nodes that prove who they are, and to nobody
// else. Both sides show a certificate that the other's authorities have signed and
// that bears the node's name.
//
// Certificates can change while it runs: set GetCertificate and GetClientCertificate,
// and, for the authorities, GetConfigForClient, instead of what they stand for. What
// they return is used for the next connections.
type TLS struct {
	// Server and Client are for connections that were accepted and dialled. Version
	// 1.3 is used, whatever they say.
	Server, Client *tls.Config
	// Name returns the name of a node that its certificate bears, a DNS name or an IP
	// address. Default: node-1 for node 1.
	Name func(NodeID) string
	// OnFailure, if not nil, is told on the loop of connections that were closed
	// because their handshake failed.
	OnFailure func(addr net.Addr, err error)
}

// UseTLS makes all connections be encrypted. It is called before any is made.
func (t *TCP) UseTLS(s TLS) error {
	switch {
	case s.Server == nil && t.listener != nil || s.Client == nil:
		return errors.New("env: TLS needs a configuration for both ways")
	case s.Server != nil && s.Server.GetConfigForClient == nil && s.Server.ClientAuth != tls.RequireAndVerifyClientCert:
		return errors.New("env: set ClientAuth to tls.RequireAndVerifyClientCert: nodes have to prove who they are")
	}
	s.Client = s.Client.Clone()
	s.Client.MinVersion = tls.VersionTLS13
	if s.Server != nil {
		s.Server = s.Server.Clone()
		s.Server.MinVersion = tls.VersionTLS13
		s.Server.SessionTicketsDisabled = true // each connection proves who it is
	}
	if s.Name == nil {
		s.Name = func(id NodeID) string { return fmt.Sprintf("node-%d", id) }
	}
	t.tls = &s
	return nil
}

// dialled makes the handshake of a connection that was dialled. The socket is closed
// if it fails.
func (t *TLS) dialled(ctx context.Context, nc net.Conn, to NodeID) (net.Conn, error) {
	config := t.Client.Clone()
	config.ServerName = t.Name(to)
	c := tls.Client(nc, config)
	return c, t.shake(ctx, c)
}

// accepted is dialled for the other side.
func (t *TLS) accepted(ctx context.Context, nc net.Conn) (net.Conn, error) {
	c := tls.Server(nc, t.Server)
	if err := t.shake(ctx, c); err != nil {
		return nil, err
	}
	// A configuration of GetConfigForClient may have asked for less.
	if s := c.ConnectionState(); len(s.VerifiedChains) == 0 || s.Version < tls.VersionTLS13 {
		discard(nc)
		return nil, errors.New("the other side has not proved who it is")
	}
	return c, nil
}

func (t *TLS) shake(ctx context.Context, c *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	err := c.HandshakeContext(ctx)
	if err != nil {
		discard(c.NetConn())
		return fmt.Errorf("TLS handshake: %w", cmp.Or(ctx.Err(), err))
	}
	return nil
}

func (t *TLS) tell(host Host, addr net.Addr, err error) {
	if t.OnFailure != nil {
		host.Post(func() { t.OnFailure(addr, err) })
	}
}

// tlsConn is an accepted connection whose other side has shown a certificate.
type tlsConn struct {
	*tcpConn
	tls *TLS
}

var _ Voucher = (*tlsConn)(nil)

// Vouches implements Voucher.
func (c *tlsConn) Vouches(id NodeID) error {
	leaf := c.nc.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return leaf.VerifyHostname(c.tls.Name(id))
}

// shaking bounds the handshakes under way, so that strangers who do not complete
// theirs cost little: of too many the oldest goes. The nodes of the cluster complete
// theirs at once.
type shaking struct {
	mu struct {
		sync.Mutex
		conns []net.Conn
	}
}

func (s *shaking) begin(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.conns = append(s.mu.conns, nc)
	if len(s.mu.conns) > shakingMax {
		discard(s.mu.conns[0]) // its handshake fails
		s.mu.conns = append(s.mu.conns[:0], s.mu.conns[1:]...)
	}
}

func (s *shaking) end(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.mu.conns {
		if c == nc {
			s.mu.conns = append(s.mu.conns[:i], s.mu.conns[i+1:]...)
			return
		}
	}
}
