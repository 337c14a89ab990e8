package godwit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"testing"
	"time"
)

// sign makes a certificate of template, signed by an authority or, without one, by itself.
func sign(t *testing.T, template *x509.Certificate, authority *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template.SerialNumber, template.Subject = big.NewInt(1), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if authority != nil {
		parent, signer = authority.Leaf, authority.PrivateKey.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// refusalHandler tells of refused connections that are logged.
type refusalHandler struct {
	slog.Handler
	refusals chan struct{}
}

func (refusalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (h refusalHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "a connection was refused" {
		select {
		case h.refusals <- struct{}{}:
		default:
		}
	}
	return nil
}

// TestClusterTLS: nodes whose certificates bear their names form a group; one with another's
// certificate is nobody to them.
func TestClusterTLS(t *testing.T) {
	authority := sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	pool := x509.NewCertPool()
	pool.AddCert(authority.Leaf)
	named := func(id NodeID) *ClusterTLS {
		cert := sign(t, &x509.Certificate{DNSNames: []string{fmt.Sprintf("node-%d", id)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}, &authority)
		return &ClusterTLS{
			Server: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
			Client: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool},
		}
	}
	forged := false
	refusals := make(chan struct{}, 1)
	c := newTestCluster(t, 3, func(o *Options) {
		id := o.Cluster.Node
		if forged {
			id++
		}
		o.Cluster.TLS = named(id)
		o.Logger = slog.New(refusalHandler{slog.DiscardHandler, refusals})
	})
	c.createTable("t")
	at := c.put("t", "key", []byte("one"))
	id, _ := c.follower()
	for _, db := range c.nodes {
		c.wantAt(db, at, "t", "key", "one")
	}
	c.stop(id)
	at = c.put("t", "key", []byte("two"))
	forged = true
	select { // one of a time when not all were up
	case <-refusals:
	default:
	}
	stranger := c.start(id, false)
	select {
	case <-refusals:
	case <-c.ctx.Done():
		t.Fatal("nobody refuses another node's certificate")
	}
	if s, err := stranger.Status(c.ctx); err != nil || s.Leader != 0 || s.Released >= at {
		t.Errorf("with another node's certificate: %+v, %v", s, err)
	}
	c.stop(id)
	forged = false
	c.wantAt(c.start(id, false), at, "t", "key", "two")
}
