package server

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
)

// testAuthority issues certificates.
type testAuthority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestAuthority(t *testing.T) *testAuthority {
	a := &testAuthority{t: t}
	a.cert, a.key = a.issue("authority", nil)
	return a
}

func (a *testAuthority) issue(name string, by *testAuthority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA: by == nil, BasicConstraintsValid: true,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// write writes a new certificate with its key, and the authority's.
func (a *testAuthority) write(dir, name string) (certFile, keyFile, caFile string) {
	a.t.Helper()
	cert, key := a.issue(name, a)
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile, caFile = filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "ca")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Raw},
		keyFile:  {Type: "EC PRIVATE KEY", Bytes: raw},
		caFile:   {Type: "CERTIFICATE", Bytes: a.cert.Raw},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile, caFile
}

// client returns what a client of the authority's connects with.
func (a *testAuthority) client() *tls.Config {
	cert, key := a.issue("client", a)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		RootCAs: pool, MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	}
}

// dialTLS connects, and returns the name on the server's certificate.
func dialTLS(t *testing.T, addr string, config *tls.Config) (*testClient, string) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	name := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName //nolint:forcetypeassert // the dialer's
	return &testClient{t: t, conn: conn, in: bufio.NewReader(conn)}, name
}

func TestTLS(t *testing.T) {
	authority, stranger := newTestAuthority(t), newTestAuthority(t)
	dir := t.TempDir()
	certs, err := LoadCertificates(authority.write(dir, "first"))
	if err != nil {
		t.Fatal(err)
	}
	addr := newTestServer(t, func(o *Options) { o.TLS, o.Secret = certs, "s" })
	c, name := dialTLS(t, addr, authority.client())
	if name != "first" {
		t.Error(name)
	}
	c.answers("OK", "SET", "a", "1")
	c.answers("nil[]", "BLPOP", "l", "0.01") // the connection is of use after its end was looked for
	c.answers(`"1"`, "GET", "a")

	// Who has no certificate, or a stranger's, is not let in.
	for _, config := range []*tls.Config{
		{RootCAs: authority.client().RootCAs, MinVersion: tls.VersionTLS12},
		{RootCAs: authority.client().RootCAs, MinVersion: tls.VersionTLS12, Certificates: stranger.client().Certificates},
	} {
		conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil {
			t.Error("a client without a certificate is served")
		}
	}

	// Other nodes are dialled the same way.
	s, err := New(Options{DB: openTestDB(t), TLS: certs, Secret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	up, err := s.dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = up.Close()

	// New certificates are used for new connections; what is no certificate, never.
	authority.write(dir, "the second")
	if changed, err := certs.reloadChanged(); !changed || err != nil {
		t.Error(changed, err)
	}
	if _, name := dialTLS(t, addr, authority.client()); name != "the second" {
		t.Error(name)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := certs.reloadChanged(); !changed || err == nil {
		t.Error(changed, err)
	}
	if changed, err := certs.reloadChanged(); changed || err != nil {
		t.Error("what is wrong is reported twice:", err)
	}
	if _, name := dialTLS(t, addr, authority.client()); name != "the second" {
		t.Error(name)
	}
	c.answers(`"1"`, "GET", "a")
}

func openTestDB(t *testing.T) *godwit.DB {
	t.Helper()
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
