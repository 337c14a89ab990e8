package server

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"

	"github.com/godwitdb/godwit/internal/command"
)

const (
	// multiBytesMax bounds the memory of the commands between MULTI and EXEC.
	multiBytesMax = 512 << 20
	// watchesMax bounds the keys that a connection watches, watchBytesMax their names.
	watchesMax    = 1 << 20
	watchBytesMax = 64 << 20

	callBytes = int(unsafe.Sizeof(command.Call{}))
	argBytes  = int(unsafe.Sizeof([]byte(nil)))
)

// multi is a connection's transaction: what it watches, and what was queued since MULTI.
type multi struct {
	on      bool
	failed  bool // a command could not be queued
	calls   []command.Call
	bytes   int
	watches []watch
	watched map[watched]struct{} // those of watches
	names   int                  // bytes of their names
}

// watched is a key that is watched.
type watched struct {
	db  int
	key string
}

// watch is a key as it was when WATCH was called.
type watch struct {
	db      int
	key     []byte
	version uint64
}

// fail says that a command between MULTI and EXEC cannot be executed.
func (m *multi) fail() { m.failed = m.failed || m.on }

// queue keeps a command for EXEC.
func (m *multi) queue(c *conn, cmd *command.Command, args [][]byte) {
	c.execute()
	if cmd.Flags&command.NoMulti != 0 {
		m.fail()
		c.fail(command.Error("ERR Command not allowed inside a transaction"))
		return
	}
	m.bytes += callBytes + argBytes*len(args)
	bytes := 0
	for _, a := range args {
		bytes += len(a)
	}
	if m.bytes += bytes; m.bytes > multiBytesMax {
		m.fail()
		m.calls = nil // it will not be executed
		c.fail(command.Errorf("ERR the transaction has more than %d bytes", multiBytesMax))
		return
	}
	kept, room := make([][]byte, len(args)), make([]byte, 0, bytes)
	for i, a := range args {
		room = append(room, a...)
		kept[i] = room[len(room)-len(a) : len(room) : len(room)]
	}
	m.calls = append(m.calls, command.Call{Command: cmd, Args: kept})
	c.out.SimpleString("QUEUED")
}

// end forgets the transaction. What is watched is not watched any more.
func (m *multi) end() { *m = multi{} }

// unwatch forgets what is watched.
func (m *multi) unwatch() { m.watches, m.watched, m.names = nil, nil, 0 }

// isControl tells whether a command is carried out between MULTI and EXEC at once.
func isControl(cmd *command.Command) bool {
	switch cmd.Name {
	case "exec", "discard", "multi", "watch", "quit", "reset":
		return true
	}
	return false
}

func (c *conn) beginMulti(*command.Command, [][]byte) error {
	if c.multi.on {
		return command.Error("ERR MULTI calls can not be nested")
	}
	c.multi.on = true
	c.out.OK()
	return nil
}

func (c *conn) discard(*command.Command, [][]byte) error {
	if !c.multi.on {
		return command.Error("ERR DISCARD without MULTI")
	}
	c.multi.end()
	c.out.OK()
	return nil
}

func (c *conn) unwatch(*command.Command, [][]byte) error {
	c.multi.unwatch()
	c.out.OK()
	return nil
}

// unwatchQueued is UNWATCH between MULTI and EXEC, whose watched keys count all the same.
func unwatchQueued(call *command.Call) error {
	call.Out.OK()
	return nil
}

// abort ends the transaction at hand because EXEC itself was refused with err.
func (c *conn) abort(err error) error {
	c.multi.end()
	return command.Errorf("EXECABORT Transaction discarded because of: %s", strings.TrimPrefix(command.Reply(err), "ERR "))
}

// watch notes the versions of keys.
func (c *conn) watch(_ *command.Command, args [][]byte) error {
	if c.multi.on {
		return command.Error("ERR WATCH inside MULTI is not allowed")
	}
	keys := args[1:]
	m := &c.multi
	names := m.names
	var found []watch
	for _, key := range keys {
		if _, ok := m.watched[watched{c.session.DB, string(key)}]; ok {
			continue // what it was first counts
		}
		names += len(key)
		found = append(found, watch{db: c.session.DB, key: bytes.Clone(key)})
	}
	if len(m.watches)+len(found) > watchesMax || names > watchBytesMax {
		return command.Errorf("ERR a connection watches at most %d keys, whose names have at most %d bytes", watchesMax, watchBytesMax)
	}
	c.flush()
	p, err := c.attempt(func() error { return c.lookUp(found) })
	if c.elsewhere(err) {
		p = nil
		err = c.somewhere(&unit{session: c.session, kind: unitWatch, watches: found}, func() (err error) {
			p, err = c.attempt(func() error { return c.lookUp(found) })
			return err
		})
	}
	if err != nil {
		return err
	}
	if m.watched == nil {
		m.watched = map[watched]struct{}{}
	}
	for _, w := range found {
		key := watched{w.db, string(w.key)}
		if _, ok := m.watched[key]; !ok {
			m.watched[key] = struct{}{}
			m.names += len(w.key)
			m.watches = append(m.watches, w)
		}
	}
	c.out.OK()
	if p != nil {
		c.deliver(p, 1)
	}
	return nil
}

// lookUp finds the versions of keys.
func (c *conn) lookUp(watches []watch) error {
	defer func(db int) { c.tx.DB = db }(c.tx.DB)
	for i := range watches {
		w := &watches[i]
		c.tx.DB = w.db
		k, err := c.tx.Lookup(w.key)
		if err != nil {
			return err
		}
		w.version = k.Version()
	}
	return nil
}

// versions replies with the versions of keys.
func (c *conn) versions(watches []watch) error {
	p, err := c.attempt(func() error { return c.lookUp(watches) })
	if err != nil {
		return err
	}
	c.out.Array(len(watches))
	for _, w := range watches {
		c.out.Int(int64(w.version)) //nolint:gosec // read back the same way
	}
	c.deliver(p, 1)
	return nil
}

// exec executes what was queued as one transaction, if nothing that is watched has changed.
func (c *conn) exec(*command.Command, [][]byte) error {
	if !c.multi.on {
		return command.Error("ERR EXEC without MULTI")
	}
	m := c.multi
	c.multi.end()
	if m.failed {
		return command.Error("EXECABORT Transaction discarded because of previous errors.")
	}
	for i := range m.calls { // what is allowed may have changed since
		if err := c.permitted(m.calls[i].Command, m.calls[i].Args, "multi"); err != nil {
			return c.abort(err)
		}
	}
	for i := range m.calls {
		m.calls[i].Tracked = c.tracker.tracks()
	}
	c.flush()
	err := c.execMulti(m.watches, m.calls)
	if c.elsewhere(err) {
		if i := slices.IndexFunc(m.calls, func(call command.Call) bool { return call.Run == nil }); i >= 0 {
			return command.Errorf("ERR '%s' is about this connection, and another node executes the transaction: send it outside of MULTI, or to the node that leads", m.calls[i].Name)
		}
		c.server.counters.forwarded.Add(uint64(len(m.calls)))
		u := &unit{session: c.session, kind: unitMulti, watches: m.watches, calls: m.calls}
		err = c.somewhere(u, func() error { return c.execMulti(m.watches, m.calls) })
	}
	return err
}

// execMulti executes calls as one transaction, if nothing that is watched has changed.
func (c *conn) execMulti(watches []watch, calls []command.Call) error {
	p, err := c.attempt(func() error {
		_, err := c.once(c.asked, &c.out, &c.session, 1, func() (bool, error) { return true, c.callWatching(watches, calls) })
		return err
	})
	if err != nil {
		c.out.Reset()
		return err
	}
	c.server.counters.executed(c.id, calls)
	c.deliver(p, 1)
	return nil
}

// callWatching runs calls in the transaction at hand, if nothing that is watched has changed.
func (c *conn) callWatching(watches []watch, calls []command.Call) error {
	found := slices.Clone(watches)
	if err := c.lookUp(found); err != nil {
		return err
	}
	for i := range watches {
		if found[i].version != watches[i].version {
			c.out.NullArray()
			return nil
		}
	}
	c.out.Array(len(calls))
	for i := range calls {
		if err := c.call(&calls[i]); err != nil {
			return err
		}
	}
	return c.handOff(0)
}
