package server

import (
	"context"
	"math"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/fifo"
)

const (
	// pollEvents is how many connections that are ready are found at once.
	pollEvents = 128
	// turnShare is how long it may take to serve those that are ready before one more goroutine helps, times processors: where
	// there are few of them, the clients or the rest of the process need the others.
	turnShare = 2 * time.Millisecond
	// syncQuick is how long a sync may take for all connections to wait for it in the turn that has begun it.
	syncQuick = 500 * time.Microsecond
	// gatherMax is how many connections are served before the replies of all are written.
	gatherMax = 64
	// pollHere is how long who has a turn waits for connections in a system call, before it sleeps in Go's hands: to be woken there
	// takes several threads.
	pollHere = time.Millisecond
	// sysEpollPwait2 is a system call that package syscall lacks. It has this number everywhere.
	sysEpollPwait2 = 441
	// pollStuck is how often somebody looks, while anybody is served, whether a connection holds up the others.
	pollStuck = 10 * time.Millisecond
)

// poller serves the connections that are not encrypted. Few goroutines do: each has a turn, in which it takes
// connections that are ready, one after the other, executes what has come, and writes the replies of all. So a request costs a
// read and a write, and no goroutine is woken for it. Most of the time one of them is enough; more help when many
// connections are ready.
//
// A connection that may wait, or takes long, keeps its goroutine, whose turn passes to another.
//
// Whenever connections are ready, somebody has a turn who does not wait for more of them.
type poller struct {
	server   *Server
	epoll    int      // of the connections
	file     *os.File // an epoll that Go's own waits for, and that hears of the first one only while somebody sleeps
	bell     syscall.RawConn
	turnsMax int
	events   [pollEvents]syscall.EpollEvent // of who waits or, while nobody does, looks

	mu struct {
		sync.Mutex
		conns   map[int64]*conn
		ready   fifo.Queue[*conn]
		each    time.Duration // how long it takes to serve one of them, about
		quick   bool          // the last sync was
		owed    bool          // replies of the last turn wait for others
		turns   map[*turn]struct{}
		waiting bool // somebody who has a turn waits until connections are ready
		closed  bool
		parked  []*conn     // that nobody waits for yet
		waits   bool        // somebody does, or will, for those that are parked
		watcher *time.Timer // calls watch
		watched bool        // it will
	}
}

// polled is what a poller knows of a connection. Its lock is held.
type polled struct {
	taken bool // it is among those that are ready, or somebody serves it
	more  bool // something has come since
	ended bool // the client sends no more than what has come
}

// turn is one goroutine's turn to serve connections. The poller's lock is held for its fields.
type turn struct {
	poller *poller
	passed bool // to another
	served int  // connections
	seen   int  // what served was when somebody looked last

	burst    godwit.Burst // of what it executes
	bursting bool         // it has begun
	began    time.Time    // when it has
	before   int          // what served was then
	single   bool         // only one connection was served before its end; it belongs to who has the turn
	buf      []byte       // of letOut; it belongs to who has the turn
	gathered []*conn      // whose replies are written when nobody is ready any more, or after gatherMax
	parked   []*conn      // since it has begun
}

// newPoller returns nil if there can be none.
func newPoller(s *Server) *poller {
	p := &poller{server: s, turnsMax: runtime.GOMAXPROCS(0)}
	if err := p.open(); err != nil {
		s.log.Warn("there is no epoll: each connection has a goroutine of its own", "error", err)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.conns, p.mu.turns = map[int64]*conn{}, map[*turn]struct{}{}
	p.mu.watcher = time.AfterFunc(pollStuck, p.watch)
	context.AfterFunc(s.ctx, func() { _ = p.file.Close() }) // who waits for it ends
	p.start()
	return p
}

// open makes both epolls.
func (p *poller) open() error {
	bell, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	_ = syscall.SetNonblock(bell, true)         // or else Go does not wait for it; it cannot fail
	p.file = os.NewFile(uintptr(bell), "epoll") //nolint:gosec // it is not negative
	if p.bell, err = p.file.SyscallConn(); err == nil {
		p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	}
	if err == nil {
		if err = syscall.EpollCtl(bell, syscall.EPOLL_CTL_ADD, p.epoll, &syscall.EpollEvent{}); err != nil {
			_ = syscall.Close(p.epoll)
		}
	}
	if err != nil {
		_ = p.file.Close()
	}
	return err
}

// close is to be called when nobody serves connections any more.
func (p *poller) close() {
	if p != nil {
		_ = syscall.Close(p.epoll)
	}
}

// start gives somebody a turn. The lock is held.
func (p *poller) start() {
	t := &turn{poller: p}
	p.mu.turns[t] = struct{}{}
	p.server.wg.Go(t.run)
}

// add begins to serve a connection, or returns false.
func (p *poller) add(c *conn) bool {
	if c.net.socket == nil {
		return false
	}
	p.mu.Lock()
	p.mu.conns[c.id] = c
	p.mu.Unlock()
	if err := p.register(c); err == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.polled.taken { // it was closed meanwhile, and somebody ends it
		return true
	}
	delete(p.mu.conns, c.id)
	return false
}

func (p *poller) register(c *conn) error {
	return c.net.socket.control(func(fd int) error {
		event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLET&math.MaxUint32, Fd: int32(c.id), Pad: int32(c.id >> 32)} //nolint:gosec // both halves of the number
		return syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
	})
}

// wake has somebody see that a connection is closed.
func (p *poller) wake(c *conn) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.conns[c.id] != c {
		return
	}
	p.come(c)
	if p.mu.waiting || len(p.mu.turns) == 0 {
		p.start()
	}
}

// come notes that a connection has something to serve. The lock is held.
func (p *poller) come(c *conn) {
	if c.polled.taken {
		c.polled.more = true
		return
	}
	c.polled.taken = true
	p.mu.ready.Push(c)
}

// run serves connections until nobody is needed for it.
func (t *turn) run() {
	p := t.poller
	var c *conn
	more := false
	for {
		if c = t.next(c, more); c == nil {
			return
		}
		c.turn = t
		var ok bool
		more, ok = c.serveReady()
		c.turn = nil
		switch {
		case !ok:
			p.remove(c)
			p.server.wg.Go(c.end)
			c = nil
		case c.parked != nil:
			t.park(c)
			c = nil
		}
	}
}

// park leaves a connection to who waits for those that are parked. What they wait for may begin with the end of the burst.
func (t *turn) park(c *conn) {
	c.parked.pending.Done() // or else nobody asks at the end of the burst
	t.poller.mu.Lock()
	defer t.poller.mu.Unlock()
	t.parked = append(t.parked, c)
}

// await has somebody wait for connections that are parked. The lock is held.
func (p *poller) await(parked []*conn) {
	p.mu.parked = append(p.mu.parked, parked...)
	if len(p.mu.parked) > 0 && !p.mu.waits {
		p.mu.waits = true
		p.server.wg.Go(p.unpark)
	}
}

// unpark has connections served that are parked when they need not be any more: those first that were first.
func (p *poller) unpark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var conns []*conn
	for len(p.mu.parked) > 0 {
		conns, p.mu.parked = p.mu.parked, conns[:0]
		p.mu.Unlock()
		h := p.server.hope.Load()
		for _, c := range conns {
			_ = h.wait(p.server.ctx, c.parked.pending) // or else it finds out why not
		}
		p.mu.Lock()
		for _, c := range conns {
			p.mu.ready.Push(c)
		}
		clear(conns)
		if p.mu.waiting || len(p.mu.turns) == 0 {
			p.start()
		}
	}
	p.mu.waits = false
}

// next returns the next connection to serve, nil if there is none for this goroutine. before is the one that it has served,
// more that there is more to serve of it.
func (t *turn) next(before *conn, more bool) *conn {
	p := t.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if before != nil {
		more = more || before.polled.more || before.polled.ended
		before.polled.taken, before.polled.more = false, false
		if more {
			p.look() // or else nobody does while it has more
			p.come(before)
		}
	}
	if t.passed && p.mu.ready.Len() > 0 && (p.mu.waiting || len(p.mu.turns) == 0) { // nobody else sees to them
		t.passed = false
		p.mu.turns[t] = struct{}{}
	}
	for !t.passed {
		if p.mu.ready.Len() > 0 {
			if t.served-t.before >= gatherMax && t.letOut(false) {
				continue
			}
			if t.served++; !t.bursting {
				t.burst, t.bursting, t.began, t.before = p.server.db.Burst(), true, time.Now(), t.served-1
			}
			if !p.mu.watched {
				p.mu.watched = true
				p.mu.watcher.Reset(pollStuck)
			}
			return p.mu.ready.Pop()
		}
		if t.letOut(true) {
			continue // more may be ready by now
		}
		if p.mu.waiting || p.mu.closed {
			break
		}
		p.poll()
	}
	t.letOut(false)
	delete(p.mu.turns, t)
	return nil
}

// gather tells whether the replies of a connection, which the turn serves, may be written together with those of others that are
// ready: who gets several of them is woken once. It sees to it that they are.
func (t *turn) gather(c *conn) bool {
	if t == nil {
		return false
	}
	t.poller.mu.Lock()
	defer t.poller.mu.Unlock()
	if t.passed {
		return false
	}
	if n := len(t.gathered); n == 0 || t.gathered[n-1] != c {
		t.gathered = append(t.gathered, c)
	}
	return true
}

// letOut sends what was gathered, and tells whether anything was executed. With wait, it is made durable here, before the replies
// are written, if that is for a client that is served alone, and was before, or the disk is quick: who hears of the disk from
// others hears later. If more connections are ready, they are better served meanwhile. The lock is held, but not meanwhile.
func (t *turn) letOut(wait bool) bool {
	if len(t.gathered) == 0 && !t.bursting && len(t.parked) == 0 {
		return false
	}
	conns, parked, bursting := t.gathered, t.parked, t.bursting
	here := len(conns) == 1 && t.single
	if p := t.poller; bursting {
		p.mu.quick = t.burst.Quick(syncQuick)
		p.mu.each += (time.Since(t.began)/time.Duration(t.served-t.before) - p.mu.each) / 8
		here = here || p.mu.quick
	}
	t.gathered, t.parked, t.bursting = nil, nil, false
	t.poller.mu.Unlock()
	if bursting {
		t.burst.End(wait && here)
	}
	t.single = len(conns) == 1
	owed := len(parked) > 0
	for _, c := range conns {
		var left bool
		t.buf, left = c.outbox.letOut(t.buf)
		owed = owed || left
	}
	if cap(t.buf) > 4*writeBytes {
		t.buf = nil
	}
	clear(conns)
	t.poller.mu.Lock()
	t.poller.mu.owed = owed
	t.poller.await(parked)
	clear(parked)
	if t.gathered == nil {
		t.gathered = conns[:0]
	}
	if t.parked == nil {
		t.parked = parked[:0]
	}
	return true
}

// poll waits until connections are ready, unless some are. The lock is held, but not meanwhile.
func (p *poller) poll() {
	here := !p.mu.owed && p.turnsMax > 1 // or else it would keep the processor from those that replies, or all, wait for
	p.mu.waiting = true
	p.mu.Unlock()
	n, again, err := 0, false, error(nil)
	if here {
		n, again = p.readySoon()
	}
	if n == 0 && !again {
		n, err = p.sleep()
	}
	p.mu.Lock()
	p.mu.waiting = false
	p.mu.closed = p.mu.closed || err != nil
	p.found(n)
}

// sleep waits in Go's hands until connections are ready, and returns how many, or with an error that the server ends.
func (p *poller) sleep() (n int, err error) {
	rings := false
	err = p.bell.Read(func(bell uintptr) bool {
		if !rings {
			p.ring(bell, syscall.EPOLLIN)
			rings = true
		}
		n = p.readyNow() // after that: to begin does not always ring for what had come before
		return n > 0
	})
	_ = p.bell.Control(func(bell uintptr) { p.ring(bell, 0) })
	return n, err
}

// ring says which events of the connections' epoll wake who sleeps.
func (p *poller) ring(bell uintptr, events uint32) {
	_ = syscall.EpollCtl(int(bell), syscall.EPOLL_CTL_MOD, p.epoll, &syscall.EpollEvent{Events: events}) //nolint:gosec // it is small
}

// readyNow returns how many connections are ready, which are in events. It does not wait.
func (p *poller) readyNow() int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events)), pollEvents, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n) //nolint:gosec // it is small
}

// readySoon is readyNow that waits for them a little. again tells that it was interrupted. Go is not told of the system call, which
// it would take as a reason to look for other work all the time; when it needs the thread it sends a signal.
func (p *poller) readySoon() (n int, again bool) {
	limit := syscall.NsecToTimespec(int64(pollHere))
	got, _, errno := syscall.RawSyscall6(sysEpollPwait2, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events)), pollEvents, uintptr(unsafe.Pointer(&limit)), 0, 0)
	if errno != 0 {
		return 0, errno == syscall.EINTR // or the system is older than Linux 5.11
	}
	return int(got), false //nolint:gosec // it is small
}

// look finds connections that are ready, without waiting. The lock is held.
func (p *poller) look() {
	if p.mu.waiting || p.mu.closed {
		return // who waits finds them
	}
	p.found(p.readyNow())
}

// found notes that the connections of the first n events are ready. The lock is held.
func (p *poller) found(n int) {
	for i := range p.events[:max(n, 0)] {
		e := &p.events[i]
		if c := p.mu.conns[int64(uint32(e.Fd))|int64(e.Pad)<<32]; c != nil { //nolint:gosec // both halves of the number
			c.polled.ended = c.polled.ended || e.Events&^syscall.EPOLLIN != 0
			p.come(c)
		}
	}
	for len(p.mu.turns) < p.turnsFor(p.mu.ready.Len()) {
		p.start()
	}
}

// turnsFor returns how many turns it takes to serve so many connections. The lock is held.
func (p *poller) turnsFor(ready int) int {
	return min(p.turnsMax, 1+int(time.Duration(ready*p.turnsMax)*p.mu.each/turnShare))
}

// remove forgets a connection, which nobody else serves.
func (p *poller) remove(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.mu.conns, c.id)
}

// pass lets others be served while a connection waits. It may be nil.
func (t *turn) pass() {
	if t == nil {
		return
	}
	t.poller.mu.Lock()
	defer t.poller.mu.Unlock()
	t.giveUp()
	t.letOut(false)
}

// giveUp is pass with the lock held.
func (t *turn) giveUp() {
	if t.passed {
		return
	}
	t.passed = true
	delete(t.poller.mu.turns, t)
	if !t.poller.mu.waiting && len(t.poller.mu.turns) == 0 {
		t.poller.start()
	}
}

// watch passes turns on that a connection has had for long, and sends what they have gathered. It goes on while anybody is
// served.
func (p *poller) watch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.watched = !p.mu.waiting && len(p.mu.turns) > 0 || len(p.mu.turns) > 1; !p.mu.watched {
		return // nobody is held up
	}
	p.mu.watcher.Reset(pollStuck)
	for t := range p.mu.turns {
		if t.served == t.seen && t.served > 0 {
			if t.bursting {
				t.bursting = false
				t.burst.End(false)
			}
			for _, c := range t.gathered {
				p.server.wg.Go(func() { _, _ = c.outbox.letOut(nil) }) // which may be held up as well
			}
			t.gathered = nil
			p.await(t.parked)
			t.parked = nil
			if !p.mu.waiting {
				t.giveUp()
			}
		}
		t.seen = t.served
	}
}
