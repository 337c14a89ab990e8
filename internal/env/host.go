package env

import "time"

// NodeID names a node of a cluster. Zero is no node.
type NodeID uint32

// Host is what one node's event loop stands on: its clock, its randomness and
// the way back onto the loop. A loop and everything that runs on it is single-
// threaded; only Post may be called from elsewhere.
type Host interface {
	// Elapsed is the time since some moment before the first call. It never goes
	// back. It may run a little faster or slower than the time of other nodes.
	Elapsed() time.Duration
	// Now is the wall-clock time. It may jump, both ways.
	Now() time.Time
	// Uint64 returns random bits.
	Uint64() uint64
	// Pick chooses which of n > 0 runnable tasks goes next, where 0 is the one
	// that has waited longest.
	Pick(n int) int
	// Post makes f run on the loop, soon, after what was posted before. It may
	// be called from any goroutine.
	Post(f func())
	// Here is Post for who can do the loop's work meanwhile, with f and what else there is to
	// do: it may return when all that is done. So it holds nothing that tasks or jobs may wait
	// for, and is not on the loop.
	Here(f func())
	// Go runs job beside the loop: it may block on disks. Then done runs on the
	// loop.
	Go(job, done func())
}

// Network connects one node with the others by streams of bytes. Every call to
// it is made on the node's loop, and so is every call that it makes.
type Network interface {
	// Dial starts to connect to a node. It returns at once; the receiver hears
	// Connected or Closed.
	Dial(to NodeID, r Receiver) Conn
	// Listen takes in connections from now on: accept is called with each and
	// returns what listens to it.
	Listen(accept func(Conn) Receiver)
	// Close ends listening and all connections. No receiver hears of it.
	Close()
}

// Conn is one connection.
type Conn interface {
	// Write sends frames one after the other. It must not be called again before
	// the receiver has heard Written. Until then the frames belong to the
	// network; the slice that holds them does not, once Write has returned.
	Write(frames [][]byte)
	// Close ends the connection. The receiver hears nothing more.
	Close()
}

// Receiver is told what happens to a connection.
type Receiver interface {
	// Connected: the connection stands. Only for those that were dialled.
	Connected()
	// Received hands over bytes that arrived, cut anywhere. They are the
	// receiver's until it returns.
	Received(data []byte)
	// Written: the frames of the last Write are out and may be used again.
	Written()
	// Closed is the last call: dialling failed, the other side has closed, or
	// the connection broke. err is never nil.
	Closed(err error)
}

// Filler is a Receiver that says where it wants to have what comes next.
type Filler interface {
	Receiver
	// Buffer returns where to receive to, or nothing if that does not matter. It is
	// called after Received. If the network can, it fills all of it and hands it over
	// by Received; if the connection ends before, the part that came.
	Buffer() []byte
}

// Voucher is a Conn that knows who the other side is, by a certificate for one.
type Voucher interface {
	// Vouches returns why the other side cannot be a node, if it cannot.
	Vouches(id NodeID) error
}
