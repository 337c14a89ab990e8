package console

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"

	"github.com/godwitdb/godwit/internal/resp"
)

// replyLimits bound what a page can show.
func replyLimits() resp.ReplyLimits {
	return resp.ReplyLimits{ElementsMax: 100_000, BytesMax: 64 << 20}
}

// client is a client of the node. After an error it is of no use.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	stop func() bool
}

// dial connects a user's client, until ctx ends.
func dial(ctx context.Context, source Source, user string) *client {
	conn := source.Connect(user)
	c := &client{conn: conn, in: bufio.NewReader(conn)}
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return c
}

func (c *client) close() {
	c.stop()
	_ = c.conn.Close()
}

// do sends a command and returns its reply, which may be an error of the server.
func (c *client) do(words ...string) (resp.Value, error) {
	values, err := c.all([][]string{words})
	if err != nil {
		return resp.Value{}, err
	}
	return values[0], nil
}

// all sends commands together and returns their replies.
func (c *client) all(commands [][]string) ([]resp.Value, error) {
	var request []byte
	for _, words := range commands {
		args := make([][]byte, len(words))
		for i, w := range words {
			args[i] = []byte(w)
		}
		request = resp.AppendCommand(request, args...)
	}
	sent := make(chan error, 1)
	go func() { // the server may want its replies read first
		_, err := c.conn.Write(request)
		sent <- err
	}()
	values := make([]resp.Value, 0, len(commands))
	var err error
	for range commands {
		var v resp.Value
		if v, err = resp.ReadReply(c.in, replyLimits()); err != nil {
			_ = c.conn.Close()
			break
		}
		values = append(values, v)
	}
	return values, errors.Join(err, <-sent)
}

// tookTooLong tells whether a client failed because its time was over.
func tookTooLong(ctx context.Context, err error) bool {
	return err != nil && (errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded))
}
