package server

import (
	"bytes"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// ran is a call that has run, in the attempt at hand.
type ran struct {
	cmd  *command.Command
	args [][]byte
	took time.Duration
	db   int
	seen bool   // by monitors
	err  string // the reply, if it is an error
}

// note notes a call that has run since the last one.
func (c *conn) note(cmd *command.Command, args [][]byte, err string) {
	now := time.Since(c.server.started)
	c.ran = append(c.ran, ran{cmd, args, now - c.lap, c.lapDB, c.lapSeen, err})
	c.lap = now
}

// noted tells whether the slow log may have a command: not one with passwords, nor EXEC, whose parts it has.
func noted(cmd *command.Command) bool {
	switch cmd.Name {
	case "auth", "hello", "acl|setuser", "exec":
		return false
	}
	return true
}

// count counts the calls that have run, now that they have taken effect.
func (c *conn) count() {
	s := c.server
	slow := s.config.slowerThan.Load()
	monitored := s.monitors.some.Load()
	for i := range c.ran {
		r := &c.ran[i]
		if monitored && !r.seen {
			c.see(r.cmd, r.args, time.Now().Add(-r.took), r.db, c.profile.addr)
			c.seeScripted(i)
		}
		stat := s.stats.of(c, r.cmd)
		stat.micros.Add(r.took.Microseconds())
		stat.took[latencyBucket(r.took)].Add(1)
		if r.err != "" {
			stat.failed.Add(1)
			s.stats.failed(r.err)
		}
		if slow >= 0 && r.took.Microseconds() >= slow && noted(r.cmd) {
			s.slowlog.add(slowEntry{at: time.Now(), took: r.took, args: r.args, addr: c.profile.addr, name: c.name}, int(s.config.slowlogMax.Load()))
		}
		if r.cmd.Flags&command.Fast != 0 {
			s.slow(slowFastCommand, r.took)
		} else {
			s.slow(slowCommand, r.took)
		}
		c.profile.last.Store(r.cmd)
	}
	s.stats.executed[c.id%statShards].calls.Add(uint64(len(c.ran)))
	clear(c.ran)
	c.ran, c.scripted = c.ran[:0], c.scripted[:0]
}

// scripted is what a script has called, for monitors.
type scripted struct {
	cmd  *command.Command
	args [][]byte
	at   time.Time
	db   int
	by   int // which of the calls that have run is the script's
}

// watchScript returns what notes the calls of a script, nil if no monitor wants to see them.
func (c *conn) watchScript() func(cmd *command.Command, args [][]byte, db int) {
	if !c.server.monitors.some.Load() {
		return nil
	}
	return func(cmd *command.Command, args [][]byte, db int) {
		kept := make([][]byte, len(args))
		for i, a := range args {
			kept[i] = bytes.Clone(a)
		}
		c.scripted = append(c.scripted, scripted{cmd, kept, time.Now(), db, len(c.ran)})
	}
}

// seeScripted shows monitors what a script has called.
func (c *conn) seeScripted(by int) {
	for i := range c.scripted {
		if s := &c.scripted[i]; s.by == by {
			c.see(s.cmd, s.args, s.at, s.db, "lua")
		}
	}
}
