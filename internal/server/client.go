package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// clientCommands are the subcommands of CLIENT.
func clientCommands() []connectionCommand {
	const free, admin = command.NoScript, command.Admin | command.NoScript
	return []connectionCommand{
		entry("client|help", "connection", 2, 0, help(
			"CACHING (YES|NO)", "    Says whether what the next command reads is tracked, after TRACKING with OPTIN or OPTOUT.",
			"GETNAME", "    Returns the connection's name.",
			"GETREDIR", "    Returns which connection hears of stale keys: 0 for this one, -1 if the client tracks none.",
			"ID", "    Returns the connection's number.",
			"INFO", "    Describes the connection.",
			"KILL <ip:port>", "    Ends the connection from that address.",
			"KILL <option> <value> [...]", "    Ends all connections that fit: ADDR, LADDR, ID, TYPE, USER; SKIPME (YES|NO).",
			"LIST [TYPE (NORMAL|PUBSUB)] [ID <id> ...]", "    Describes connections.",
			"NO-EVICT (ON|OFF)", "    Says whether the connection is spared when clients take too much memory.",
			"PAUSE <milliseconds> [WRITE|ALL]", "    Holds back what clients of this node ask for, or what may change something.",
			"REPLY (ON|OFF|SKIP)", "    Says whether the connection gets replies.",
			"SETINFO (LIB-NAME|LIB-VER) <value>", "    Says what the client is written with.",
			"SETNAME <name>", "    Names the connection.",
			"UNPAUSE", "    Ends a pause.",
			"UNBLOCK <id> [TIMEOUT|ERROR]", "    Ends the wait of a connection.",
			"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]", "    Has the client told when keys that it has read have changed.",
			"TRACKINGINFO", "    Tells what the client tracks.",
		)),
		entry("client|id", "connection", 2, free, (*conn).clientID),
		entry("client|info", "connection", 2, free, (*conn).clientInfo),
		entry("client|list", "connection", -2, admin, (*conn).clientList),
		entry("client|setname", "connection", 3, free, (*conn).clientSetName),
		entry("client|getname", "connection", 2, free, (*conn).clientGetName),
		entry("client|setinfo", "connection", 4, free, (*conn).clientSetInfo),
		entry("client|kill", "connection", -3, admin, (*conn).clientKill),
		entry("client|reply", "connection", 3, free|command.NoMulti, (*conn).clientReply),
		entry("client|unblock", "connection", -3, admin, (*conn).clientUnblock),
		entry("client|pause", "connection", -3, admin, (*conn).clientPause),
		entry("client|unpause", "connection", 2, admin, (*conn).clientUnpause),
		entry("client|no-evict", "connection", 3, admin, (*conn).clientNoEvict),
	}
}

func (c *conn) clientID(*command.Command, [][]byte) error {
	c.out.Int(c.id)
	return nil
}

func (c *conn) clientInfo(*command.Command, [][]byte) error {
	c.show()
	c.out.Verbatim("txt", c.line(c.server.clock.now())+"\n")
	return nil
}

// connections returns the connections in the order in which they came.
func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.mu.conns))
	for _, c := range s.mu.conns {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *conn) int { return int(a.id - b.id) })
	return list
}

func (c *conn) clientList(_ *command.Command, args [][]byte) error {
	fits := func(*conn, *shown) bool { return true }
	switch {
	case len(args) == 4 && equal(args[2], "TYPE"):
		kind, err := clientType(args[3])
		if err != nil {
			return err
		}
		fits = func(_ *conn, s *shown) bool { return s.kind() == kind }
	case len(args) > 3 && equal(args[2], "ID"):
		var ids []int64
		for _, a := range args[3:] {
			id, ok := resp.ParseInt(a)
			if !ok || id <= 0 {
				return command.Error("ERR Invalid client ID")
			}
			ids = append(ids, id)
		}
		fits = func(o *conn, _ *shown) bool { return slices.Contains(ids, o.id) }
	case len(args) != 2:
		return command.ErrSyntax
	}
	c.show()
	var text strings.Builder
	now := c.server.clock.now()
	for _, o := range c.server.connections() {
		if s := o.shown(); fits(o, &s) {
			text.WriteString(o.line(now))
			text.WriteByte('\n')
		}
	}
	c.out.Verbatim("txt", text.String())
	return nil
}

// clientType parses a type of clients.
func clientType(arg []byte) (string, error) {
	switch kind := strings.ToLower(string(arg)); kind {
	case "normal", "pubsub", "master", "replica":
		return kind, nil
	case "slave":
		return "replica", nil
	}
	return "", command.Errorf("ERR Unknown client type '%s'", arg)
}

// validName tells whether a text can stand in CLIENT LIST: it has no spaces, line ends or special characters.
func validName(name []byte) bool {
	for _, b := range name {
		if b < '!' || b > '~' {
			return false
		}
	}
	return true
}

const errClientName command.Error = "ERR Client names cannot contain spaces, newlines or special characters."

func (c *conn) setName(name []byte) error {
	if !validName(name) {
		return errClientName
	}
	c.name = string(name)
	return nil
}

func (c *conn) clientSetName(_ *command.Command, args [][]byte) error {
	if err := c.setName(args[2]); err != nil {
		return err
	}
	c.out.OK()
	return nil
}

func (c *conn) clientGetName(*command.Command, [][]byte) error {
	if c.name == "" {
		c.out.Null()
	} else {
		c.out.BulkString(c.name)
	}
	return nil
}

func (c *conn) clientSetInfo(_ *command.Command, args [][]byte) error {
	var field *string
	switch {
	case equal(args[2], "LIB-NAME"):
		field = &c.library
	case equal(args[2], "LIB-VER"):
		field = &c.libraryVersion
	default:
		return command.Errorf("ERR Unrecognized option '%s'", args[2])
	}
	if !validName(args[3]) {
		return command.Errorf("ERR %s cannot contain spaces, newlines or special characters.", strings.ToLower(string(args[2])))
	}
	*field = string(args[3])
	c.out.OK()
	return nil
}

// killFilter says which connections CLIENT KILL ends. What is zero does not matter.
type killFilter struct {
	addr, laddr, kind, user string
	id                      int64
	me                      bool // this connection too
}

func parseKillFilter(args [][]byte) (f killFilter, err error) {
	if len(args)%2 != 0 {
		return f, command.ErrSyntax
	}
	for i := 0; i < len(args); i += 2 {
		name, value := args[i], args[i+1]
		switch {
		case equal(name, "ID"):
			id, ok := resp.ParseInt(value)
			if !ok || id < 1 {
				return f, command.Error("ERR client-id should be greater than 0")
			}
			f.id = id
		case equal(name, "TYPE"):
			if f.kind, err = clientType(value); err != nil {
				return f, err
			}
		case equal(name, "ADDR"):
			f.addr = string(value)
		case equal(name, "LADDR"):
			f.laddr = string(value)
		case equal(name, "USER"):
			f.user = string(value)
		case equal(name, "SKIPME") && (equal(value, "YES") || equal(value, "NO")):
			f.me = equal(value, "NO")
		default:
			return f, command.ErrSyntax
		}
	}
	return f, nil
}

func (f *killFilter) fits(c *conn) bool {
	s := c.shown()
	return (f.addr == "" || f.addr == c.profile.addr) && (f.laddr == "" || f.laddr == c.profile.laddr) &&
		(f.kind == "" || f.kind == s.kind()) && (f.user == "" || f.user == s.user) && (f.id == 0 || f.id == c.id)
}

func (c *conn) clientKill(_ *command.Command, args [][]byte) error {
	old := len(args) == 3 // only an address
	f := killFilter{me: true}
	if old {
		f.addr = string(args[2])
	} else {
		var err error
		if f, err = parseKillFilter(args[2:]); err != nil {
			return err
		}
		if f.user != "" && c.server.users.Load().byName[f.user] == nil {
			return command.Errorf("ERR No such user '%s'", f.user)
		}
	}
	killed := 0
	for _, o := range c.server.connections() {
		switch {
		case !f.fits(o), o == c && !f.me:
			continue
		case o == c:
			c.closing = true // when it has the reply
		default:
			o.close()
			c.server.forget(o) // it is not seen any more
		}
		killed++
	}
	switch {
	case !old:
		c.out.Int(int64(killed))
	case killed == 0:
		return command.Error("ERR No such client")
	default:
		c.out.OK()
	}
	return nil
}

func (c *conn) clientUnblock(cmd *command.Command, args [][]byte) error {
	withError := len(args) == 4 && equal(args[3], "ERROR")
	switch {
	case len(args) > 4:
		return command.Errorf("ERR wrong number of arguments for '%s' command", cmd.Name)
	case len(args) == 4 && !withError && !equal(args[3], "TIMEOUT"):
		return command.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
	}
	id, ok := resp.ParseInt(args[2])
	if !ok {
		return command.ErrNotInt
	}
	o := c.server.connection(id)
	if o == nil {
		c.out.Int(0)
		return nil
	}
	if up := o.away.Load(); up != nil {
		return c.unblockElsewhere(up, withError)
	}
	if o.unblock(withError) {
		c.out.Int(1)
	} else {
		c.out.Int(0)
	}
	return nil
}

// unblockElsewhere ends a wait on the node that leads.
func (c *conn) unblockElsewhere(up *upstream, withError bool) error {
	kind := "TIMEOUT"
	if withError {
		kind = "ERROR"
	}
	v, err := c.server.relay(c.ctx, up.addr, [][]byte{[]byte("GODWIT"), []byte("UNBLOCK"), strconv.AppendInt(nil, up.id, 10), []byte(kind)})
	if err != nil {
		return err
	}
	v.AppendTo(&c.out)
	return nil
}

func (c *conn) clientNoEvict(_ *command.Command, args [][]byte) error {
	on, err := onOff(args[2])
	if err != nil {
		return err
	}
	c.noEvict = on
	c.out.OK()
	return nil
}

func onOff(arg []byte) (bool, error) {
	if !equal(arg, "ON") && !equal(arg, "OFF") {
		return false, command.ErrSyntax
	}
	return equal(arg, "ON"), nil
}

// quiet says which replies a client does not want.
type quiet uint8

const (
	quietNot  quiet = iota
	quietNext       // not that of the next request
	quietNow        // not that of this request
	quietOff        // none
)

func (c *conn) clientReply(_ *command.Command, args [][]byte) error {
	c.flush() // replies to what came before
	switch {
	case equal(args[2], "ON"):
		c.quiet = quietNot
		c.out.OK()
	case equal(args[2], "OFF"):
		c.quiet = quietOff
	case equal(args[2], "SKIP"):
		if c.quiet != quietOff {
			c.quiet = quietNext
		}
	default:
		return command.ErrSyntax
	}
	return nil
}

// help replies with lines about subcommands.
func help(lines ...string) handler {
	return func(c *conn, cmd *command.Command, _ [][]byte) error {
		name, _, _ := strings.Cut(cmd.Name, "|")
		c.out.Array(len(lines) + 3)
		c.out.SimpleString(strings.ToUpper(name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
		for _, l := range append(lines[:len(lines):len(lines)], "HELP", "    Prints this help.") {
			c.out.SimpleString(l)
		}
		return nil
	}
}

// equal tells whether an argument is a word, in any case.
func equal(arg []byte, word string) bool { return strings.EqualFold(string(arg), word) }
