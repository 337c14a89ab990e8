package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// respConn is a connection to a server that speaks the Redis protocol, as far as it is needed here.
type respConn struct {
	net net.Conn
	in  *bufio.Reader
	out []byte
}

func dial(ctx context.Context, address string) (*respConn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &respConn{net: nc, in: bufio.NewReader(nc)}, nil
}

// add puts a request into the buffer that flush sends.
func (c *respConn) add(args ...string) {
	c.out = fmt.Appendf(c.out, "*%d\r\n", len(args))
	for _, a := range args {
		c.out = strconv.AppendInt(append(c.out, '$'), int64(len(a)), 10)
		c.out = append(append(append(c.out, '\r', '\n'), a...), '\r', '\n')
	}
}

func (c *respConn) flush() error {
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

// reply reads a reply that is a string or a number; null is found=false.
func (c *respConn) reply() (text string, found bool, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", false, err
	}
	if len(line) < 3 {
		return "", false, fmt.Errorf("servers: reply %q", line)
	}
	body := line[1 : len(line)-2]
	switch line[0] {
	case '+', ':':
		return string(body), true, nil
	case '-':
		return "", false, errors.New(string(body))
	case '$':
		n, err := strconv.Atoi(string(body))
		if err != nil || n < 0 {
			return "", false, err
		}
		data := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, data); err != nil {
			return "", false, err
		}
		return string(data[:n]), true, nil
	}
	return "", false, fmt.Errorf("servers: reply %q", line)
}

// ask sends one request and returns its reply.
func (c *respConn) ask(args ...string) (string, bool, error) {
	c.add(args...)
	if err := c.flush(); err != nil {
		return "", false, err
	}
	return c.reply()
}

// once asks one thing on a connection of its own.
func once(ctx context.Context, address string, args ...string) (string, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return "", err
	}
	defer c.net.Close()
	text, _, err := c.ask(args...)
	return text, err
}

func answers(ctx context.Context, address string) bool {
	text, err := once(ctx, address, "PING")
	return err == nil && text == "PONG"
}

// leads tells whether a node accepts writes itself.
func leads(ctx context.Context, address string) bool {
	text, err := once(ctx, address, "INFO", "replication")
	if err != nil || !strings.Contains(text, "role:master") {
		return false
	}
	_, err = once(ctx, address, "DEL", "ready")
	return err == nil
}

// follows tells whether a replica of Redis has all that its master has.
func follows(ctx context.Context, address string) bool {
	text, err := once(ctx, address, "INFO", "replication")
	return err == nil && strings.Contains(text, "master_link_status:up")
}
