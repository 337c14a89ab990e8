package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

// replyLimit is how long a reply may take.
const replyLimit = 30 * time.Second

// client is a connection with a server.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, addr string) (*client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// do sends a command and returns its reply.
func (c *client) do(args ...string) (resp.Value, error) {
	request := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		request = append(strconv.AppendInt(append(request, '$'), int64(len(arg)), 10), "\r\n"...)
		request = append(append(request, arg...), "\r\n"...)
	}
	if err := c.conn.SetDeadline(time.Now().Add(replyLimit)); err != nil {
		return resp.Value{}, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return resp.Value{}, err
	}
	return resp.ReadReply(c.in, resp.ReplyLimits{})
}
