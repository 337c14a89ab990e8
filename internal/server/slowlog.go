package server

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// slowArgsMax is how many arguments the slow log keeps of a command, slowArgBytesMax how much of each.
	slowArgsMax     = 32
	slowArgBytesMax = 128
	// slowlogDefault is how many entries SLOWLOG GET returns by itself.
	slowlogDefault = 10
)

// slowlog notes the commands that took long.
type slowlog struct {
	mu      sync.Mutex
	next    int64
	entries []slowEntry // the newest first
}

type slowEntry struct {
	id   int64
	at   time.Time
	took time.Duration
	args [][]byte
	addr string
	name string
}

// add notes a command and forgets what is more than the log may have.
func (l *slowlog) add(e slowEntry, most int) {
	shown := e.args
	if len(shown) > slowArgsMax {
		shown = append(slices.Clip(shown[:slowArgsMax-1]), fmt.Appendf(nil, "... (%d more arguments)", len(e.args)-slowArgsMax+1))
	}
	e.args = nil
	for _, a := range shown {
		if len(a) > slowArgBytesMax {
			a = fmt.Appendf(bytes.Clone(a[:slowArgBytesMax]), "... (%d more bytes)", len(a)-slowArgBytesMax)
		}
		e.args = append(e.args, bytes.Clone(a))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.id = l.next
	l.next++
	l.entries = slices.Insert(l.entries, 0, e)
	l.entries = l.entries[:min(len(l.entries), most)]
}

func slowlogCommands() []connectionCommand {
	return []connectionCommand{
		entry("slowlog|help", "server", 2, 0, help(
			"GET [<count>]", "    Returns the newest entries: number, time, microseconds, arguments, address and name of the client.",
			"LEN", "    Returns how many entries there are.",
			"RESET", "    Removes all entries.",
		)),
		entry("slowlog|get", "server", -2, command.Admin, (*conn).slowlogGet),
		entry("slowlog|len", "server", 2, command.Admin, (*conn).slowlogLen),
		entry("slowlog|reset", "server", 2, command.Admin, (*conn).slowlogReset),
	}
}

func (c *conn) slowlogGet(cmd *command.Command, args [][]byte) error {
	count := int64(slowlogDefault)
	if len(args) > 3 {
		return command.Errorf("ERR wrong number of arguments for '%s' command", cmd.Name)
	}
	if len(args) == 3 {
		var ok bool
		if count, ok = resp.ParseInt(args[2]); !ok || count < -1 {
			return command.Error("ERR count should be greater than or equal to -1")
		}
	}
	l := &c.server.slowlog
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.entries)
	if count >= 0 {
		n = int(min(int64(n), count))
	}
	c.out.Array(n)
	for _, e := range l.entries[:n] {
		c.out.Array(6)
		c.out.Int(e.id)
		c.out.Int(e.at.Unix())
		c.out.Int(e.took.Microseconds())
		c.out.Array(len(e.args))
		for _, a := range e.args {
			c.out.Bulk(a)
		}
		c.out.BulkString(e.addr)
		c.out.BulkString(e.name)
	}
	return nil
}

func (c *conn) slowlogLen(*command.Command, [][]byte) error {
	l := &c.server.slowlog
	l.mu.Lock()
	defer l.mu.Unlock()
	c.out.Int(int64(len(l.entries)))
	return nil
}

func (c *conn) slowlogReset(*command.Command, [][]byte) error {
	l := &c.server.slowlog
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
	c.out.OK()
	return nil
}
