//go:build !linux

package server

// poller serves connections on few goroutines. There is none here: each connection has one.
type poller struct{}

type polled struct{}

type turn struct{}

func newPoller(*Server) *poller { return nil }

func (*poller) add(*conn) bool { return false }

func (*poller) close() {}

func (*poller) wake(*conn) {}

func (*turn) pass() {}

func (*turn) gather(*conn) bool { return false }

// socket is a connection that can be read and written without waiting. There is none here.
type socket struct{}

// takeOver makes the connection a socket if it can be one.
func (*peekable) takeOver() {}

// ready reads a connection that is ready.
type ready struct{ *peekable }

// writeNow writes, and waits for it.
func (p *peekable) writeNow(b []byte) (int, error) { return p.Write(b) }
