package server

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

func adminCommands() []connectionCommand {
	const admin = command.Admin | command.NoScript
	return []connectionCommand{
		entry("time", "server", 1, command.Fast, (*conn).time),
		entry("lastsave", "server", 1, command.Fast|command.Admin, (*conn).lastSave),
		entry("save", "server", 1, admin|command.NoMulti, (*conn).save),
		entry("bgsave", "server", -1, admin, (*conn).bgSave),
		entry("role", "server", 1, command.Fast|admin, (*conn).roleCommand),
		entry("shutdown", "server", -1, admin|command.NoMulti, (*conn).shutdown),
		entry("cluster", "server", -2, 0, (*conn).cluster),
		entry("debug", "server", -2, admin, (*conn).debug),
	}
}

func (c *conn) time(*command.Command, [][]byte) error {
	now := time.Now().UnixMicro()
	c.out.Array(2)
	c.out.BulkString(strconv.FormatInt(now/1e6, 10))
	c.out.BulkString(strconv.FormatInt(now%1e6, 10))
	return nil
}

// checkpoints are those that clients ask for.
type checkpoints struct {
	mu      sync.Mutex
	running bool
	err     error // of the last one
}

func (s *checkpoints) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// begin returns false if one is under way.
func (s *checkpoints) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return false
	}
	s.running = true
	return true
}

func (s *checkpoints) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.err = false, err
}

// checkpoint writes all data to disk. begin must have been called.
func (s *Server) checkpoint() error {
	err := s.db.Checkpoint(s.ctx)
	s.checkpoints.end(err)
	if err != nil {
		s.log.Warn("a checkpoint that a client has asked for failed", "error", err)
	}
	return err
}

// lastCheckpoint returns when the newest checkpoint was made; before the first, when the server began.
func (s *Server) lastCheckpoint() time.Time {
	if at := s.db.Stats().Checkpoint.Created; !at.IsZero() {
		return at
	}
	return s.started
}

func (c *conn) lastSave(*command.Command, [][]byte) error {
	c.out.Int(c.server.lastCheckpoint().Unix())
	return nil
}

func (c *conn) save(*command.Command, [][]byte) error {
	if !c.server.checkpoints.begin() {
		return command.Error("ERR Background save already in progress")
	}
	if err := c.server.checkpoint(); err != nil {
		return command.Errorf("ERR %v", err)
	}
	c.out.OK()
	return nil
}

func (c *conn) bgSave(_ *command.Command, args [][]byte) error {
	if len(args) > 2 || len(args) == 2 && !equal(args[1], "SCHEDULE") {
		return command.ErrSyntax
	}
	if !c.server.checkpoints.begin() {
		return command.Error("ERR Background save already in progress")
	}
	c.server.wg.Go(func() { _ = c.server.checkpoint() }) // it has told the log
	c.out.SimpleString("Background saving started")
	return nil
}

func (c *conn) roleCommand(*command.Command, [][]byte) error {
	r := c.server.replication(c.ctx)
	if r.name == "master" {
		c.out.Array(3)
		c.out.BulkString(r.name)
		c.out.Int(int64(r.offset)) //nolint:gosec // below 2^63
		c.out.Array(0)
		return nil
	}
	host, port := hostPort(r.leader)
	state := "connected"
	if r.leader == "" {
		state = "connect"
	}
	c.out.Array(5)
	c.out.BulkString(r.name)
	c.out.BulkString(host)
	c.out.Int(int64(port))
	c.out.BulkString(state)
	c.out.Int(int64(r.offset)) //nolint:gosec // below 2^63
	return nil
}

// hostPort splits an address; of none it returns nothing.
func hostPort(addr string) (host string, port int) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text)
	return host, port
}

// port returns the port of the first listener, 0 if it has none.
func (s *Server) port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.mu.listeners {
		_, port := hostPort(l.Addr().String())
		return port
	}
	return 0
}

// hosts returns the addresses, without ports, that clients connect to.
func (s *Server) hosts() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.mu.listeners {
		host, _ := hostPort(l.Addr().String())
		list = append(list, host)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// shutdown asks the process to end. If it does, the connection ends without a reply.
func (c *conn) shutdown(_ *command.Command, args [][]byte) error {
	for _, a := range args[1:] {
		switch {
		case equal(a, "ABORT"):
			return command.Error("ERR No shutdown in progress.")
		case !equal(a, "SAVE") && !equal(a, "NOSAVE") && !equal(a, "NOW") && !equal(a, "FORCE"):
			return command.ErrSyntax
		}
	}
	if c.server.opts.Shutdown == nil {
		return command.Error("ERR Errors trying to SHUTDOWN. Check logs.")
	}
	c.server.opts.Shutdown()
	c.closing = true
	return nil
}

func (c *conn) debug(*command.Command, [][]byte) error {
	return command.Error("ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.")
}
