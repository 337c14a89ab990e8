package server

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// pauseKind says what CLIENT PAUSE holds back. Each holds back what the one before does.
type pauseKind uint8

const (
	pauseNot   pauseKind = iota
	pauseWrite           // what may change keys or send messages
	pauseAll
)

// clientPause is what CLIENT PAUSE has asked for on this node. What it holds back has not begun: it goes on when the pause ends.
type clientPause struct {
	active atomic.Bool // there is one, or there was one until a moment ago. Written under mu

	mu      sync.Mutex
	kind    pauseKind
	until   time.Time
	changed chan struct{} // closed when the pause becomes another one
}

func (p *clientPause) init() { p.changed = make(chan struct{}) }

// now returns the pause that there is.
func (p *clientPause) now() (kind pauseKind, left time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left = time.Until(p.until); left <= 0 && p.kind != pauseNot {
		p.set(pauseNot, time.Time{})
	}
	return p.kind, left, p.changed
}

// set makes the pause another one. The lock is held.
func (p *clientPause) set(kind pauseKind, until time.Time) {
	p.kind, p.until = kind, until
	p.active.Store(kind != pauseNot)
	close(p.changed)
	p.changed = make(chan struct{})
}

// extend begins a pause. One that there is ends no earlier for it, and holds back no less.
func (p *clientPause) extend(kind pauseKind, until time.Time) {
	p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.Before(p.until) {
		until = p.until
	}
	p.set(max(kind, p.kind), until)
}

func (p *clientPause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(pauseNot, time.Time{})
}

// rest waits while a pause holds something back. What it is says changes: whether it may change keys or send messages.
func (c *conn) rest(changes func() bool) {
	p := &c.server.clientPause
	holds := func(kind pauseKind) bool { return kind == pauseAll || kind == pauseWrite && changes() }
	if kind, _, _ := p.now(); !holds(kind) {
		return
	}
	c.execute()
	c.flush()
	c.turn.pass()
	c.began = time.Time{} // that it waits is not the server's slowness
	c.held.Store(true)
	defer c.held.Store(false)
	defer c.net.watch(c.close)()
	for {
		kind, left, changed := p.now()
		if !holds(kind) {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		case <-c.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// changes tells whether a request may change keys or send messages.
func (c *conn) changes(cmd *command.Command, args [][]byte) bool {
	if cmd.Name == "exec" {
		return c.anyChanges(c.multi.calls)
	}
	return cmd.MayChange(&c.server.shared, args)
}

func (c *conn) anyChanges(calls []command.Call) bool {
	for i := range calls {
		if calls[i].Command.MayChange(&c.server.shared, calls[i].Args) {
			return true
		}
	}
	return false
}

// blocked tells whether the connection waits for somebody else, or for the end of a pause.
func (c *conn) blocked() bool { return c.waiting.Load() != nil || c.held.Load() }

// milliseconds parses a time in milliseconds.
func milliseconds(arg []byte) (time.Duration, error) {
	ms, ok := resp.ParseInt(arg)
	switch {
	case !ok:
		return 0, command.Error("ERR timeout is not an integer or out of range")
	case ms < 0:
		return 0, command.Error("ERR timeout is negative")
	}
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond, nil
}

func (c *conn) clientPause(_ *command.Command, args [][]byte) error {
	kind := pauseAll
	switch {
	case len(args) > 4:
		return command.Error("ERR unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT HELP.")
	case len(args) == 4 && equal(args[3], "WRITE"):
		kind = pauseWrite
	case len(args) == 4 && !equal(args[3], "ALL"):
		return command.Error("ERR CLIENT PAUSE mode must be WRITE or ALL")
	}
	d, err := milliseconds(args[2])
	if err != nil {
		return err
	}
	c.server.clientPause.extend(kind, time.Now().Add(d))
	c.out.OK()
	return nil
}

func (c *conn) clientUnpause(*command.Command, [][]byte) error {
	c.server.clientPause.end()
	c.out.OK()
	return nil
}
