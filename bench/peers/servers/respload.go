package main

import (
	"context"
	"fmt"
	"strconv"
)

// respClient puts values with SET, and with WAIT 1 in the same write where a reply to SET alone does not say that
// another node has it.
type respClient struct {
	conn    *respConn
	confirm bool
}

// respClients connects clients, each with a connection of its own.
func respClients(ctx context.Context, _ *settings, y *system, clients int) ([]client, error) {
	var all []client
	for range clients {
		c, err := dial(ctx, y.address)
		if err != nil {
			for _, c := range all {
				c.close()
			}
			return nil, err
		}
		all = append(all, &respClient{conn: c, confirm: y.confirm})
	}
	return all, nil
}

func (c *respClient) put(_ context.Context, key, value string) error {
	c.conn.add("SET", key, value)
	if c.confirm {
		c.conn.add("WAIT", "1", "0")
	}
	if err := c.conn.flush(); err != nil {
		return err
	}
	if text, _, err := c.conn.reply(); err != nil || text != "OK" {
		return fmt.Errorf("servers: SET is answered with %q: %w", text, err)
	}
	if !c.confirm {
		return nil
	}
	text, _, err := c.conn.reply()
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(text); err != nil || n < 1 {
		return fmt.Errorf("servers: WAIT is answered with %q", text)
	}
	return nil
}

func (c *respClient) read(_ context.Context, keys []string) ([]string, error) {
	for _, k := range keys {
		c.conn.add("GET", k)
	}
	if err := c.conn.flush(); err != nil {
		return nil, err
	}
	var values []string
	for range keys {
		v, _, err := c.conn.reply()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func (c *respClient) close() { _ = c.conn.net.Close() }
