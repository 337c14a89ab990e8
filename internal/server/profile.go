package server

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// profile is what others may see of a connection. Its goroutine writes it.
type profile struct {
	addr, laddr string
	fd          int          // -1 if it has none
	active      atomic.Int64 // when it has asked for something last, in milliseconds of the server's clock
	last        atomic.Pointer[command.Command]

	mu struct {
		sync.Mutex
		shown
	}
}

// shown is a profile's part that is replaced as one.
type shown struct {
	name, library, libraryVersion string
	user                          string
	db, proto                     int
	channels, patterns, shards    int // that it has subscribed to
	queued                        int // commands since MULTI, -1 outside
	queuedBytes, argBytes         int
	watches                       int
	inUsed, inFree                int
	noEvict                       bool
	closing                       bool
	peer                          bool // it is another node
	tracking, broadcast           bool
	redirect                      int64
	feed                          bool // of another node
	monitor                       bool
}

func (p *profile) init(nc net.Conn) {
	p.addr, p.laddr, p.fd = nc.RemoteAddr().String(), nc.LocalAddr().String(), descriptor(nc)
	p.mu.queued = -1
}

// show makes what others see of the connection what it is.
func (c *conn) show() {
	c.keep()
	used, free := c.in.Size()
	p := &c.profile
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.mu.shown
	s.name, s.library, s.libraryVersion, s.user = c.name, c.library, c.libraryVersion, c.session.User
	s.db, s.proto, s.noEvict, s.closing, s.peer = c.session.DB, c.session.Proto, c.noEvict, c.closing, c.peer.Load()
	s.tracking, s.broadcast, s.redirect = c.tracker.on, c.tracker.broadcast, c.tracker.redirection()
	s.channels, s.patterns, s.shards = c.subs.sizes()
	s.queued, s.queuedBytes, s.watches = -1, c.multi.bytes, len(c.multi.watches)
	if c.multi.on {
		s.queued = len(c.multi.calls)
	}
	s.inUsed, s.inFree, s.feed, s.monitor = used, free, c.fed, c.monitoring
}

func (c *conn) shown() shown {
	c.profile.mu.Lock()
	defer c.profile.mu.Unlock()
	return c.profile.mu.shown
}

// idle is for how long the client has asked for nothing.
func (c *conn) idle(now int64) time.Duration {
	return time.Duration(now-c.profile.active.Load()) * time.Millisecond
}

// kind returns what CLIENT LIST TYPE and CLIENT KILL TYPE call the client.
func (s *shown) kind() string {
	if s.feed {
		return "replica"
	}
	if s.channels+s.patterns+s.shards > 0 {
		return "pubsub"
	}
	return "normal"
}

// flags returns the letters of a connection's state in CLIENT LIST.
func (c *conn) flags(s *shown) string {
	var f strings.Builder
	for _, l := range []struct {
		on     bool
		letter byte
	}{
		{s.feed, 'S'},
		{s.monitor, 'O'},
		{s.kind() == "pubsub", 'P'},
		{s.queued >= 0, 'x'},
		{c.blocked() || c.away.Load() != nil, 'b'},
		{s.closing, 'c'},
		{s.tracking, 't'},
		{c.tracker.broken.Load(), 'R'},
		{s.broadcast, 'B'},
		{s.noEvict, 'e'},
	} {
		if l.on {
			f.WriteByte(l.letter)
		}
	}
	if f.Len() == 0 {
		return "N"
	}
	return f.String()
}

// line describes the connection as CLIENT LIST does.
func (c *conn) line(now int64) string {
	s := c.shown()
	items, bytes := c.outbox.size()
	last := "NULL"
	if cmd := c.profile.last.Load(); cmd != nil {
		last = cmd.Name
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s fd=%d name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d qbuf-free=%d argv-mem=%d multi-mem=%d rbs=%d rbp=%d obl=%d oll=%d omem=%d tot-mem=%d events=r cmd=%s user=%s redir=%d resp=%d lib-name=%s lib-ver=%s",
		c.id, c.profile.addr, c.profile.laddr, c.profile.fd, s.name, int64(time.Since(c.created).Seconds()), int64(c.idle(now).Seconds()),
		c.flags(&s), s.db, s.channels, s.patterns, s.shards, s.queued,
		s.inUsed, s.inFree, s.argBytes, s.queuedBytes, 0, 0, 0, items, bytes, c.memory(), last, s.user, s.redirect, s.proto, s.library, s.libraryVersion)
}
