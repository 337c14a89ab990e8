package realslow

import (
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// network delays what goes through a Network.
type network struct {
	env.Network
	m *machine
}

func (n *network) Dial(to env.NodeID, r env.Receiver) env.Conn {
	c := &conn{m: n.m, r: r}
	c.inner = n.Network.Dial(to, c)
	return c
}

func (n *network) Listen(accept func(env.Conn) env.Receiver) {
	n.Network.Listen(func(inner env.Conn) env.Receiver {
		c := &conn{m: n.m, inner: inner}
		c.r = accept(c)
		return c
	})
}

// conn is a connection whose writes and reads wait their time, in order.
type conn struct {
	m      *machine
	inner  env.Conn
	r      env.Receiver
	queue  []func() // what waits; the first has the running timer's turn next
	closed bool
}

// later runs f when its time has come, after what waits already.
func (c *conn) later(f func()) {
	d := time.Duration(c.m.link.Load())
	if d == 0 && len(c.queue) == 0 {
		f()
		return
	}
	c.queue = append(c.queue, f)
	time.AfterFunc(d, func() {
		c.m.loop.Post(func() {
			next := c.queue[0]
			c.queue = c.queue[1:]
			if !c.closed {
				next()
			}
		})
	})
}

// Write implements env.Conn.
func (c *conn) Write(frames [][]byte) {
	if c.m.link.Load() == 0 && len(c.queue) == 0 {
		c.inner.Write(frames)
		return
	}
	kept := append([][]byte(nil), frames...) // the slice is the caller's
	c.later(func() { c.inner.Write(kept) })
}

// Close implements env.Conn.
func (c *conn) Close() {
	c.closed = true
	c.inner.Close()
}

// Connected implements env.Receiver.
func (c *conn) Connected() { c.later(func() { c.r.Connected() }) }

// Received implements env.Receiver.
func (c *conn) Received(data []byte) {
	if c.m.link.Load() == 0 && len(c.queue) == 0 {
		c.r.Received(data)
		return
	}
	kept := append([]byte(nil), data...)
	c.later(func() { c.r.Received(kept) })
}

// Written implements env.Receiver.
func (c *conn) Written() { c.r.Written() }

// Closed implements env.Receiver.
func (c *conn) Closed(err error) {
	if !c.closed {
		c.closed = true
		c.r.Closed(err)
	}
}
