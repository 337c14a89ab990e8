package quorum

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	signed := a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = signed.Leaf, signed.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// sign makes a certificate, of the authority itself if that has none yet.
func (a *authority) sign(template *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.Subject = pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// node returns the certificate of a node.
func (a *authority) node(name string) tls.Certificate {
	return a.sign(&x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
}

// tlsOf is the TLS of a node with the certificate that cert returns at the time.
func tlsOf(a *authority, cert func() tls.Certificate) TLS {
	return TLS{
		Server: &tls.Config{ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { c := cert(); return &c, nil }},
		Client: &tls.Config{RootCAs: a.pool,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { c := cert(); return &c, nil }},
	}
}

// secured is node 2, which serves echo through TLS.
type secured struct {
	r      *Runtime
	e      *Endpoint
	tcp    *TCP
	addrs  map[NodeID]string
	failed chan error // handshakes that failed
}

func serveTLS(t *testing.T, s TLS) *secured {
	r, stop := Start(2)
	n := &secured{r: r, failed: make(chan error, 1000)}
	s.OnFailure = func(_ net.Addr, err error) { n.failed <- err }
	err := r.Run(t.Context(), "serve", func(context.Context) error {
		var err error
		if n.tcp, err = ListenTCP(r, map[NodeID]string{2: "127.0.0.1:0"}); err != nil {
			return err
		}
		if err := n.tcp.UseTLS(s); err != nil {
			return err
		}
		n.addrs = map[NodeID]string{1: "", 2: n.tcp.Addr()}
		n.e = NewEndpoint(r, n.tcp, Options{}, nil)
		echoMethod().Handle(n.e, func(_ context.Context, _ NodeID, m *echoReq) (*echoResp, error) {
			return &echoResp{Text: m.Text}, nil
		})
		n.e.Listen()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Run(context.Background(), "close", func(context.Context) error { n.e.Close(); return nil })
		stop()
		n.tcp.Wait()
	})
	return n
}

// callTLS is one call of a new node 1; s is nil for a node without TLS.
func (n *secured) callTLS(t *testing.T, s *TLS, text string) error {
	r, stop := Start(1)
	defer stop()
	return r.Run(t.Context(), "call", func(ctx context.Context) error {
		tcp, err := ListenTCP(r, n.addrs)
		if err != nil {
			return err
		}
		if s != nil {
			if err := tcp.UseTLS(*s); err != nil {
				return err
			}
		}
		e := NewEndpoint(r, tcp, Options{HandshakeTimeout: time.Second}, nil)
		defer e.Close()
		resp, err := echoMethod().Call(ctx, e, 2, &echoReq{Text: text})
		if err == nil && resp.Text != text {
			return errBad
		}
		return err
	})
}

// Nodes with certificates talk; nobody else gets in, and a certificate is good for the
// node that it names only.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	two := ours.node("node-2")
	n := serveTLS(t, tlsOf(ours, func() tls.Certificate { return two }))
	of := func(a *authority, name string) *TLS {
		c := a.node(name)
		s := tlsOf(ours, func() tls.Certificate { return c })
		return &s
	}
	one := of(ours, "node-1")
	wantErr(t, n.callTLS(t, one, "small"), nil)
	wantErr(t, n.callTLS(t, one, strings.Repeat("large", 200_000)), nil)

	err := n.callTLS(t, of(ours, "node-3"), "")
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != RefusedIdentity || !strings.Contains(refused.Text, "node-3") {
		t.Errorf("another node's certificate: %v", err)
	}
	if err := n.callTLS(t, of(theirs, "node-1"), ""); err == nil {
		t.Error("a certificate of another authority is good")
	}
	if err := <-n.failed; !strings.Contains(err.Error(), "unknown authority") {
		t.Error(err)
	}
	if err := n.callTLS(t, nil, ""); err == nil {
		t.Error("a node without TLS gets in")
	}
	if err := <-n.failed; err == nil {
		t.Error("nothing failed")
	}
	// The other way round: node 2 has to be node 2.
	wrong := *one
	wrong.Name = func(id NodeID) string { return "other" }
	if err := n.callTLS(t, &wrong, ""); err == nil || !strings.Contains(err.Error(), "not other") {
		t.Errorf("a server without the right name: %v", err)
	}
	if err := n.tcp.UseTLS(TLS{Server: &tls.Config{}, Client: &tls.Config{}}); err == nil {
		t.Error("a server that asks for no certificate")
	}
}

// Certificates are exchanged while the node runs.
func TestCertificatesAreExchanged(t *testing.T) {
	a := newAuthority(t)
	good, bad := a.node("node-2"), a.node("node-5")
	now := make(chan tls.Certificate, 1) // holds the one that is used
	now <- good
	n := serveTLS(t, tlsOf(a, func() tls.Certificate { c := <-now; now <- c; return c }))
	one := a.node("node-1")
	s := tlsOf(a, func() tls.Certificate { return one })
	wantErr(t, n.callTLS(t, &s, "before"), nil)
	<-now
	now <- bad
	if err := n.callTLS(t, &s, ""); err == nil || !strings.Contains(err.Error(), "node-5") {
		t.Errorf("the new certificate is not used: %v", err)
	}
	<-now
	now <- good
	wantErr(t, n.callTLS(t, &s, "after"), nil)
}

// Those who connect and make no handshake do not keep out the nodes of the cluster.
func TestUnfinishedHandshakesAreBounded(t *testing.T) {
	a := newAuthority(t)
	two, one := a.node("node-2"), a.node("node-1")
	n := serveTLS(t, tlsOf(a, func() tls.Certificate { return two }))
	const silent, bound = 100, 64
	for range silent {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", n.addrs[2])
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	s := tlsOf(a, func() tls.Certificate { return one })
	wantErr(t, n.callTLS(t, &s, "in between"), nil)
	for range silent - bound {
		if err := <-n.failed; err == nil {
			t.Error("no error")
		}
	}
}
