package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"

	"github.com/spf13/pflag"
)

// passwordVariable has the password of who asks, if one is needed.
const passwordVariable = environmentPrefix + "PASSWORD"

// nodeFlags say whom to ask, how, and as whom.
type nodeFlags struct {
	addr         string
	user         string
	passwordFile string
	encrypted    bool
	tls          tlsFiles

	// read has found these.
	secure   *tls.Config // nil: connections are not encrypted
	password string      // "" for none
}

func (n *nodeFlags) declare(f *pflag.FlagSet, addr string) {
	f.StringVar(&n.addr, "address", addr, "where clients of the node connect")
	f.StringVar(&n.user, "user", "default", "who asks, if the node wants to know; the password is in "+passwordVariable+" or --password-file")
	f.StringVar(&n.passwordFile, "password-file", "", "a file whose first line is the password")
	f.BoolVar(&n.encrypted, "tls", false, "encrypt the connection; the node's certificate must be from an authority that this machine trusts")
	f.StringVar(&n.tls.ca, "tls-ca", "", "file of the authorities that the node's certificate must be from; --tls is understood")
	f.StringVar(&n.tls.cert, "tls-cert", "", "file of the certificate that the node sees, if it wants one; --tls is understood")
	f.StringVar(&n.tls.key, "tls-key", "", "file of its key")
}

// read reads the files. It is called before dial.
func (n *nodeFlags) read() error {
	var errs [2]error
	n.secure, errs[0] = n.encryption()
	n.password, errs[1] = n.readPassword()
	if err := errors.Join(errs[:]...); err != nil {
		return usageError(err)
	}
	return nil
}

// dial connects to a node.
func (n *nodeFlags) dial(ctx context.Context, addr string) (*remote.Node, error) {
	c, err := remote.Dial(ctx, addr, n.secure)
	if err != nil {
		return nil, err
	}
	if n.password != "" {
		if _, err := c.Do(ctx, "AUTH", n.user, n.password); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// encryption returns how connections are encrypted; nil if they are not.
func (n *nodeFlags) encryption() (*tls.Config, error) {
	if !n.encrypted && n.tls == (tlsFiles{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if (n.tls.cert == "") != (n.tls.key == "") {
		return nil, errors.New("--tls-cert and --tls-key are needed both")
	}
	if n.tls.cert != "" {
		pair, err := tls.LoadX509KeyPair(n.tls.cert, n.tls.key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if n.tls.ca != "" {
		pem, err := os.ReadFile(n.tls.ca)
		if err != nil {
			return nil, err
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", n.tls.ca)
		}
	}
	return c, nil
}

// readPassword returns that of who asks, "" for none.
func (n *nodeFlags) readPassword() (string, error) {
	if n.passwordFile == "" {
		return os.Getenv(passwordVariable), nil
	}
	text, err := os.ReadFile(n.passwordFile)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("%s has no password in its first line", n.passwordFile)
	}
	return line, nil
}
