//go:build unix

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testCertificate writes a certificate for this machine, which is its own authority, and its key.
func testCertificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestGuardedNode: a node that wants certificates and passwords is asked by the commands of an operator, and by tools over HTTPS.
func TestGuardedNode(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), nodesTimeout)
	defer cancel()
	dir := t.TempDir()
	cert, key := testCertificate(t, dir)
	addrs := freeAddrs(t, 2)
	t.Setenv("GODWIT_REQUIREPASS", "secret")
	p := startProcess(t, ctx, "serve", "--with-parent", "--dir", filepath.Join(dir, "data"), "--memory", "64", "--listen", addrs[0], "--admin", addrs[1],
		"--tls-cert", cert, "--tls-key", key, "--tls-ca", cert, "--log-format", "json")
	p.await(t, "serving")
	go p.drain()

	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []string{"--address", addrs[0], "--tls-ca", cert, "--tls-cert", cert, "--tls-key", key, "--password-file", password}
	if out, _ := succeed(t, append([]string{"status"}, all...)...); !strings.Contains(out, "alone") {
		t.Errorf("status: %s", out)
	}
	copied := filepath.Join(dir, "copy")
	succeed(t, append([]string{"backup", copied}, all...)...)
	succeed(t, "restore", copied, filepath.Join(dir, "restored"))
	for _, c := range []struct {
		leftOut string
		code    int
		want    string
	}{
		{"--tls-cert", exitUsage, "--tls-cert and --tls-key are needed both"},
		{"--tls-ca", exitFailed, "certificate"},
		{"--password-file", exitFailed, "NOAUTH"},
	} {
		args := []string{"status"}
		for i := 0; i < len(all); i += 2 {
			if all[i] != c.leftOut {
				args = append(args, all[i:i+2]...)
			}
		}
		if code, _, errs := execute(t, args...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("without %s: exit code %d, %s", c.leftOut, code, errs)
		}
	}

	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}}
	defer client.CloseIdleConnections()
	get := func(path, password string) (int, string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addrs[1]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			r.SetBasicAuth("default", password)
		}
		got, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, string(text)
	}
	for _, c := range []struct {
		path, password string
		code           int
	}{
		{"/healthz", "", http.StatusOK}, {"/readyz", "", http.StatusOK}, {"/metrics", "", http.StatusUnauthorized}, {"/metrics", "wrong", http.StatusUnauthorized},
		{"/metrics", "secret", http.StatusOK}, {"/debug/pprof/cmdline", "", http.StatusUnauthorized}, {"/debug/pprof/cmdline", "secret", http.StatusOK},
	} {
		if code, text := get(c.path, c.password); code != c.code {
			t.Errorf("%s with the password %q: %d %s", c.path, c.password, code, text)
		}
	}
	if _, text := get("/metrics", "secret"); !strings.Contains(text, "\ngo_gc_gomemlimit_bytes ") || strings.Contains(text, "\ngo_gc_gomemlimit_bytes 9.22") {
		t.Error("the heap has no limit")
	}
	if err := p.input.Close(); err != nil {
		t.Error(err)
	}
}
