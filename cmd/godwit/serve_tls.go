package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/godwitdb/godwit"
)

// tlsFiles are what connections between nodes are encrypted with; no names: they are not.
type tlsFiles struct{ cert, key, ca string }

// load reads the files. Certificate and key are read again for each connection, of which there are few: they can be
// replaced while the node runs.
func (f tlsFiles) load() (*godwit.ClusterTLS, error) {
	if f == (tlsFiles{}) {
		return nil, nil
	}
	if f.cert == "" || f.key == "" || f.ca == "" {
		return nil, errors.New("--node-tls-cert, --node-tls-key and --node-tls-ca are given together")
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", f.ca)
	}
	pair := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(f.cert, f.key)
		return &c, err
	}
	if _, err := pair(); err != nil {
		return nil, err
	}
	return &godwit.ClusterTLS{
		Server: &tls.Config{
			MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair() },
		},
		Client: &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: authorities,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair() },
		},
	}, nil
}
