package env

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	readBytes = 64 << 10
	// dialTimeout and writeTimeout are how long a peer may be silent: the first
	// when it is dialled, the second while it takes nothing of what is sent.
	dialTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	// writeNowBytes is the most that the loop writes by itself.
	writeNowBytes = 64 << 10
)

// TCP is the Network of the real world. Each connection has a goroutine that
// reads and one that writes; they hand over to the node's loop and never hold
// more than one batch, so that a loop that is behind slows its peers down. Who reads does the loop's work
// with what has come, unless somebody does already; and what is
// small and what the system takes at once the loop writes itself: to have goroutines
// woken costs more than that. Go is not told of these system calls, which do not wait: it would
// have a thread of its own watch for the end of each.
type TCP struct {
	host     Host
	addrs    map[NodeID]string
	listener net.Listener
	tls      *TLS // nil for none
	shaking  shaking
	running  sync.WaitGroup
	dialing  context.Context // ends with Close
	hangUp   context.CancelFunc
	mu       struct {
		sync.Mutex
		conns  map[*tcpConn]struct{}
		closed bool
	}
}

// NewTCP returns a Network that finds the other nodes at these addresses and is
// found at the listener's. A nil listener is for nodes that only call. It is used
// on the loop of the host.
func NewTCP(host Host, addrs map[NodeID]string, listener net.Listener) *TCP {
	t := &TCP{host: host, addrs: addrs, listener: listener}
	t.dialing, t.hangUp = context.WithCancel(context.Background())
	t.mu.conns = map[*tcpConn]struct{}{}
	return t
}

// ListenTCP is NewTCP with a listener of its own at an address, unless that is
// empty.
func ListenTCP(host Host, addrs map[NodeID]string, addr string) (*TCP, error) {
	if addr == "" {
		return NewTCP(host, addrs, nil), nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewTCP(host, addrs, listener), nil
}

// SetAddr says where another node is found from now on. It is called on the loop.
func (t *TCP) SetAddr(id NodeID, addr string) { t.addrs[id] = addr }

// Addr returns where the node is found, and nothing if it only calls.
func (t *TCP) Addr() string {
	if t.listener == nil {
		return ""
	}
	return t.listener.Addr().String()
}

var _ Network = (*TCP)(nil)

// tcpConn is a connection.
type tcpConn struct {
	net   *TCP
	r     Receiver
	nc    net.Conn        // set before running goroutines see it
	raw   syscall.RawConn // of nc, nil with TLS
	in    io.Reader       // nc, or what reads from raw
	out   net.Buffers     // what is being written
	joint []byte          // small pieces of it, put together for TLS
	// write tells the writer that out is there; closed by stop.
	write chan struct{}
	// taken tells the reader that its bytes have been received, and where those that
	// come next are wanted, if anywhere.
	taken chan []byte
	over  bool // nothing more is told to the receiver; of the loop
	stop  sync.Once
	gone  chan struct{} // closed by stop
}

func (t *TCP) conn(r Receiver) (*tcpConn, bool) {
	c := &tcpConn{net: t, r: r, write: make(chan struct{}, 1), taken: make(chan []byte, 1), gone: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return c, false
	}
	t.mu.conns[c] = struct{}{}
	t.running.Add(1) // until it is established or has failed
	return c, true
}

// Dial implements Network.
func (t *TCP) Dial(to NodeID, r Receiver) Conn {
	c, ok := t.conn(r)
	addr, known := t.addrs[to]
	if !ok || !known {
		err := fmt.Errorf("no address of node %d", to)
		if !ok {
			err = net.ErrClosed
		} else {
			t.running.Done()
		}
		c.post(func() { c.fail(err) })
		return c
	}
	go func() {
		defer t.running.Done()
		dialer := net.Dialer{Timeout: dialTimeout}
		nc, err := dialer.DialContext(t.dialing, "tcp", addr)
		if err == nil && t.tls != nil {
			nc, err = t.tls.dialled(t.dialing, nc, to)
		}
		if err != nil {
			c.post(func() { c.fail(err) })
			return
		}
		if c.start(nc) {
			c.post(func() { c.r.Connected() })
			c.run()
		}
	}()
	return c
}

// Listen implements Network.
func (t *TCP) Listen(accept func(Conn) Receiver) {
	if t.listener == nil {
		return
	}
	t.running.Add(1)
	go func() {
		defer t.running.Done()
		pause := 5 * time.Millisecond
		for {
			nc, err := t.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				// Out of file descriptors, for one: it passes.
				time.Sleep(pause)
				pause = min(2*pause, time.Second)
				continue
			}
			pause = 5 * time.Millisecond
			c, ok := t.conn(nil)
			if !ok {
				discard(nc)
				return
			}
			if t.tls == nil {
				c.offer(nc, accept)
				t.running.Done()
				continue
			}
			t.shaking.begin(nc)
			go func() {
				defer t.running.Done()
				secure, err := t.tls.accepted(t.dialing, nc)
				t.shaking.end(nc)
				if err != nil {
					c.end()
					t.tls.tell(t.host, nc.RemoteAddr(), err)
					return
				}
				c.offer(secure, accept)
			}()
		}
	}()
}

// offer hands an accepted connection to the loop.
func (c *tcpConn) offer(nc net.Conn, accept func(Conn) Receiver) {
	if !c.start(nc) {
		return
	}
	var conn Conn = c
	if c.net.tls != nil {
		conn = &tlsConn{c, c.net.tls}
	}
	c.net.host.Post(func() {
		if c.over {
			return
		}
		if c.r = accept(conn); !c.over {
			c.run()
		}
	})
}

// Close implements Network.
func (t *TCP) Close() {
	// First, so that a peer whose connection ends does not get another one, to lose
	// a request in it.
	if t.listener != nil {
		_ = t.listener.Close() // nobody can connect any more, whatever it says
	}
	t.mu.Lock()
	t.mu.closed = true
	for c := range t.mu.conns {
		c.over = true
		go c.end()
	}
	t.mu.Unlock()
	t.hangUp()
}

// Wait waits until nothing of a closed TCP runs any more. Not on the loop.
func (t *TCP) Wait() { t.running.Wait() }

// post runs f on the loop unless the receiver has heard its last.
func (c *tcpConn) post(f func()) {
	c.net.host.Post(func() {
		if !c.over {
			f()
		}
	})
}

// start gives the connection its socket. It returns false if it has been closed
// meanwhile.
func (c *tcpConn) start(nc net.Conn) bool {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	select {
	case <-c.gone:
		discard(nc)
		return false
	default:
	}
	if c.net.mu.closed {
		discard(nc)
		return false
	}
	c.nc, c.in = nc, nc
	if tcp, ok := nc.(*net.TCPConn); ok {
		if c.raw, _ = tcp.SyscallConn(); c.raw != nil { // without it the writer writes
			c.in = reader(nc, c.raw)
		}
	}
	return true
}

// run starts the connection's goroutines.
func (c *tcpConn) run() {
	c.net.running.Add(2)
	go c.read()
	go c.writeAll()
}

func (c *tcpConn) read() {
	defer c.net.running.Done()
	own := make([]byte, readBytes)
	var wanted []byte
	for {
		var b []byte
		var n int
		var err error
		if len(wanted) > 0 {
			b = wanted
			n, err = io.ReadFull(c.in, b)
		} else {
			b = own
			n, err = c.in.Read(b)
		}
		if n > 0 {
			c.net.host.Here(func() { c.received(b[:n]) })
			select {
			case wanted = <-c.taken:
			case <-c.gone:
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the other side has closed")
			}
			c.post(func() { c.fail(err) })
			return
		}
	}
}

// received hands bytes over, on the loop.
func (c *tcpConn) received(b []byte) {
	if !c.over {
		c.r.Received(b)
	}
	var wanted []byte
	if f, ok := c.r.(Filler); ok && !c.over {
		wanted = f.Buffer()
	}
	c.taken <- wanted
}

func (c *tcpConn) writeAll() {
	defer c.net.running.Done()
	for {
		select {
		case <-c.gone:
			return
		case <-c.write:
		}
		err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			err = c.writeOut()
		}
		if err == nil {
			err = c.nc.SetWriteDeadline(time.Time{}) // of what the loop writes
		}
		if err != nil {
			c.post(func() { c.fail(err) })
			return
		}
		c.post(func() { c.r.Written() })
	}
}

// writeOut writes what is to be written: in one call of the system, if that takes
// pieces. TLS does not: there small ones are put together, so that each does not
// become a record of its own.
func (c *tcpConn) writeOut() error {
	if c.net.tls == nil {
		_, err := c.out.WriteTo(c.nc)
		return err
	}
	for i, b := range c.out {
		if len(b) >= recordBytes/2 {
			if err := c.writeJoint(0); err != nil {
				return err
			}
			if _, err := c.nc.Write(b); err != nil {
				return err
			}
			continue
		}
		c.joint = append(c.joint, b...)
		c.out[i] = nil
		if err := c.writeJoint(recordBytes); err != nil {
			return err
		}
	}
	return c.writeJoint(0)
}

// writeJoint writes what was put together, if it is more than so many bytes.
func (c *tcpConn) writeJoint(bytes int) error {
	if len(c.joint) <= bytes {
		return nil
	}
	_, err := c.nc.Write(c.joint)
	c.joint = c.joint[:0]
	return err
}

// Write implements Conn.
func (c *tcpConn) Write(frames [][]byte) {
	n := 0
	if bytes := bytesOf(frames); c.raw != nil && bytes <= writeNowBytes {
		var err error
		if n, err = writeNow(c.raw, frames); err != nil {
			c.post(func() { c.fail(err) })
			return
		}
		if n == bytes {
			c.post(c.r.Written)
			return
		}
	}
	c.out = skip(append(c.out[:0:0], frames...), n)
	c.write <- struct{}{}
}

func bytesOf(frames [][]byte) (n int) {
	for _, f := range frames {
		n += len(f)
	}
	return n
}

// skip returns what is left behind n bytes.
func skip(frames net.Buffers, n int) net.Buffers {
	for n >= len(frames[0]) {
		n -= len(frames[0])
		frames = frames[1:]
	}
	frames[0] = frames[0][n:]
	return frames
}

// Close implements Conn.
func (c *tcpConn) Close() {
	c.over = true
	c.end()
}

// fail ends the connection and says why.
func (c *tcpConn) fail(err error) {
	c.over = true
	c.end()
	c.r.Closed(err)
}

// discard closes a socket that nothing more is expected of: what was not sent is
// lost, as it is on a network.
func discard(nc net.Conn) { _ = nc.Close() }

// end closes the socket.
func (c *tcpConn) end() {
	c.stop.Do(func() {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		close(c.gone)
		delete(c.net.mu.conns, c)
		if c.nc != nil {
			discard(c.nc)
		}
	})
}
