package benchcluster

import "github.com/godwitdb/godwit/internal/env"

// counted is a Network that counts what goes out and comes in. It belongs to the node's
// loop.
type counted struct {
	env.Network
	traffic
}

// traffic is what has gone over a network.
type traffic struct {
	sent, received uint64 // bytes, with the headers of frames
	writes         uint64 // batches of frames that went out, each in one call of the system
}

// Dial implements env.Network.
func (c *counted) Dial(to env.NodeID, r env.Receiver) env.Conn {
	return &countedConn{c.Network.Dial(to, &countedReceiver{r, c}), c}
}

// Listen implements env.Network.
func (c *counted) Listen(accept func(env.Conn) env.Receiver) {
	c.Network.Listen(func(conn env.Conn) env.Receiver {
		return &countedReceiver{accept(&countedConn{conn, c}), c}
	})
}

type countedConn struct {
	env.Conn
	all *counted
}

// Write implements env.Conn.
func (c *countedConn) Write(frames [][]byte) {
	for _, f := range frames {
		c.all.sent += uint64(len(f))
	}
	c.all.writes++
	c.Conn.Write(frames)
}

type countedReceiver struct {
	env.Receiver
	all *counted
}

// Received implements env.Receiver.
func (r *countedReceiver) Received(data []byte) {
	r.all.received += uint64(len(data))
	r.Receiver.Received(data)
}

// Buffer implements env.Filler.
func (r *countedReceiver) Buffer() []byte {
	if f, ok := r.Receiver.(env.Filler); ok {
		return f.Buffer()
	}
	return nil
}
