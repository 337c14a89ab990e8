package benchcluster

import "github.com/godwitdb/godwit/internal/env"

// counted is a Network that counts what goes out. It belongs to the node's loop.
type counted struct {
	env.Network
	bytes uint64
}

// Dial implements env.Network.
func (c *counted) Dial(to env.NodeID, r env.Receiver) env.Conn {
	return &countedConn{c.Network.Dial(to, r), c}
}

// Listen implements env.Network.
func (c *counted) Listen(accept func(env.Conn) env.Receiver) {
	c.Network.Listen(func(conn env.Conn) env.Receiver { return accept(&countedConn{conn, c}) })
}

type countedConn struct {
	env.Conn
	all *counted
}

// Write implements env.Conn.
func (c *countedConn) Write(frames [][]byte) {
	for _, f := range frames {
		c.all.bytes += uint64(len(f))
	}
	c.Conn.Write(frames)
}
