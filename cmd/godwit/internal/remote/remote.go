// Package remote asks servers that run, over the port of their clients.
package remote

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/server"
)

// Node is a connection with a server. It is for one goroutine.
type Node struct {
	conn net.Conn
	in   *bufio.Reader
}

// Dial connects to a server: encrypted, unless secure is nil.
func Dial(ctx context.Context, addr string, secure *tls.Config) (*Node, error) {
	dial := new(net.Dialer).DialContext
	if secure != nil {
		dial = (&tls.Dialer{Config: secure}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Node{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Close ends the connection.
func (n *Node) Close() { _ = n.conn.Close() }

// Do sends a command and returns its reply; one that is an error becomes one.
func (n *Node) Do(ctx context.Context, args ...string) (resp.Value, error) {
	raw := make([][]byte, len(args))
	for i, a := range args {
		raw[i] = []byte(a)
	}
	stop := context.AfterFunc(ctx, func() { _ = n.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := n.conn.Write(resp.AppendCommand(nil, raw...)); err != nil {
		return resp.Value{}, errors.Join(err, ctx.Err())
	}
	return n.Next(ctx)
}

// Next returns the next reply of a command that has several.
func (n *Node) Next(ctx context.Context) (resp.Value, error) {
	stop := context.AfterFunc(ctx, func() { _ = n.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	v, err := resp.ReadReply(n.in, resp.ReplyLimits{})
	if err != nil {
		return v, errors.Join(err, ctx.Err())
	}
	if v.IsError() {
		return v, errors.New(string(v.Bytes))
	}
	return v, nil
}

// Status asks the node what it is and has.
func (n *Node) Status(ctx context.Context) (s server.Status, err error) {
	v, err := n.Do(ctx, "GODWIT", "STATUS")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(v.Bytes, &s); err != nil {
		return s, fmt.Errorf("the node's status cannot be read: %w", err)
	}
	return s, nil
}

// Status asks the node at an address what it is and has.
func Status(ctx context.Context, addr string) (server.Status, error) {
	n, err := Dial(ctx, addr, nil)
	if err != nil {
		return server.Status{}, err
	}
	defer n.Close()
	return n.Status(ctx)
}
