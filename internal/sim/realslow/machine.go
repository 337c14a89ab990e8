package realslow

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// Machine is a node that can be made slow.
type Machine struct {
	ID      env.NodeID
	Runtime *quorum.Runtime

	loop *env.Loop
	tcp  *env.TCP
	done chan struct{} // closed when the loop has ended

	// How slow it is, in nanoseconds; anybody writes, the machine reads.
	step atomic.Int64 // before each round of the loop
	sync atomic.Int64 // before each sync
	link atomic.Int64 // before what is sent goes out, and before what came is taken

	pausing sync.Once
	resume  chan struct{} // closed at the end of a pause
}

// newMachine returns a node at its address in addrs, which its loop serves.
func newMachine(id env.NodeID, addrs map[env.NodeID]string) (*Machine, error) {
	m := &Machine{ID: id, loop: env.NewLoop(), done: make(chan struct{}), resume: make(chan struct{})}
	m.Runtime = quorum.NewRuntime(id, m.loop)
	var err error
	if m.tcp, err = env.ListenTCP(m.loop, addrs, addrs[id]); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.done)
		m.loop.Run(func() time.Duration {
			time.Sleep(time.Duration(m.step.Load()))
			return m.Runtime.Poll()
		})
	}()
	return m, nil
}

// Network returns the machine's way to the others.
func (m *Machine) Network() env.Network { return &network{m.tcp, m} }

// Files returns the machine's disk.
func (m *Machine) Files() env.FS { return &files{env.OS(), m} }

// SlowLoop makes each round of the loop begin late.
func (m *Machine) SlowLoop(d time.Duration) { m.step.Store(int64(d)) }

// SlowSync makes each sync take longer.
func (m *Machine) SlowSync(d time.Duration) { m.sync.Store(int64(d)) }

// SlowLink makes all that is sent and received late, each way.
func (m *Machine) SlowLink(d time.Duration) { m.link.Store(int64(d)) }

// Pause stops the loop until the machine is stopped.
func (m *Machine) Pause() {
	m.pausing.Do(func() { m.loop.Post(func() { <-m.resume }) })
}

// Stop ends all that the machine does. It may be called twice.
func (m *Machine) Stop() {
	m.SlowLoop(0)
	m.SlowSync(0)
	m.pausing.Do(func() {}) // not any more
	select {
	case <-m.resume:
	default:
		close(m.resume)
	}
	m.loop.Post(func() {
		m.tcp.Close()
		m.Runtime.Shutdown(m.loop.Stop)
	})
	<-m.done
	m.tcp.Wait()
}

// files is a disk whose syncs are slow.
type files struct {
	env.FS
	m *Machine
}

func (f *files) wait() { time.Sleep(time.Duration(f.m.sync.Load())) }

func (f *files) SyncDir(dir string) error {
	f.wait()
	return f.FS.SyncDir(dir)
}

func (f *files) handle(h env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{h, f}, nil
}

func (f *files) Create(name string) (env.File, error) { return f.handle(f.FS.Create(name)) }
func (f *files) Open(name string) (env.File, error)   { return f.handle(f.FS.Open(name)) }

type file struct {
	env.File
	files *files
}

func (f *file) Sync() error {
	f.files.wait()
	return f.File.Sync()
}

// network delays what goes through a Network.
type network struct {
	env.Network
	m *Machine
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
	m      *Machine
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
