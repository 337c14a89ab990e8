package server

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// monitors are the connections that see what clients of this node ask for (MONITOR): what was executed and is released,
// and what was not said with a password. They see each client's commands in their order.
type monitors struct {
	some atomic.Bool // there are any. Written under mu

	mu    sync.RWMutex
	conns map[*conn]struct{}
}

func (m *monitors) init() { m.conns = map[*conn]struct{}{} }

// join makes a connection one of them, and sends its reply: what others do once the client has that comes behind it.
func (m *monitors) join(c *conn) {
	c.outbox.makeRoom()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[c] = struct{}{}
	m.some.Store(true)
	c.flush()
}

// leave ends what join has begun, if it has.
func (m *monitors) leave(c *conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, c)
	m.some.Store(len(m.conns) > 0)
}

// show sends what was seen.
func (m *monitors) show(seen []byte) {
	if len(seen) == 0 {
		return
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for c := range m.conns {
		c.outbox.publish(seen)
	}
}

// monitor makes the connection a monitor.
func (c *conn) monitor(*command.Command, [][]byte) error {
	if c.inTx {
		return command.Error("ERR MONITOR isn't allowed for DENY BLOCKING client")
	}
	c.monitoring = true
	c.out.OK()
	c.server.monitors.join(c)
	return nil
}

// see notes a call for the monitors. They are shown it with the replies at hand.
func (c *conn) see(cmd *command.Command, args [][]byte, at time.Time, db int, from string) {
	if cmd.Flags&command.Admin != 0 {
		return
	}
	c.seen = fmt.Appendf(c.seen, "+%d.%06d [%d %s]", at.Unix(), at.Nanosecond()/int(time.Microsecond), db, from)
	for _, a := range redacted(cmd, args) {
		c.seen = append(c.seen, ' ')
		c.seen = appendQuoted(c.seen, a)
	}
	c.seen = append(c.seen, "\r\n"...)
}

// redacted returns the arguments of a call without passwords.
func redacted(cmd *command.Command, args [][]byte) [][]byte {
	from := len(args)
	switch cmd.Name {
	case "auth":
		from = 1
	case "hello":
		if at := slices.IndexFunc(args, func(a []byte) bool { return equal(a, "AUTH") }); at >= 0 {
			from = at + 1
		}
	}
	if from == len(args) {
		return args
	}
	shown := slices.Clone(args)
	for i := from; i < len(args) && (cmd.Name == "auth" || i <= from+1); i++ {
		shown[i] = []byte("(redacted)")
	}
	return shown
}

// appendQuoted appends an argument as Redis prints it.
func appendQuoted(dst, arg []byte) []byte {
	dst = append(dst, '"')
	for _, b := range arg {
		switch b {
		case '\\', '"':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\a':
			dst = append(dst, `\a`...)
		case '\b':
			dst = append(dst, `\b`...)
		default:
			if b < ' ' || b > '~' {
				dst = fmt.Appendf(dst, `\x%02x`, b)
			} else {
				dst = append(dst, b)
			}
		}
	}
	return append(dst, '"')
}
