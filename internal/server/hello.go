package server

import (
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// hello chooses the version of the protocol and introduces both sides. With an error nothing has changed.
func (c *conn) hello(_ *command.Command, args [][]byte) error {
	proto := c.session.Proto
	if len(args) > 1 {
		n, ok := resp.ParseInt(args[1])
		if !ok {
			return command.Error("ERR Protocol version is not an integer or out of range")
		}
		if n != 2 && n != 3 {
			return command.Error("NOPROTO unsupported protocol version")
		}
		proto = int(n)
	}
	var user, password, name []byte
	for i := 2; i < len(args); i++ {
		switch left := len(args) - i - 1; {
		case equal(args[i], "AUTH") && left >= 2:
			user, password = args[i+1], args[i+2]
			i += 2
		case equal(args[i], "SETNAME") && left >= 1:
			name = args[i+1]
			i++
		default:
			return command.Errorf("ERR Syntax error in HELLO option '%s'", args[i])
		}
	}
	if !validName(name) {
		return errClientName
	}
	if user != nil {
		if err := c.authenticate(user, password, "HELLO"); err != nil {
			return err
		}
	}
	if c.session.User == "" {
		return command.Error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	}
	if name != nil {
		c.name = string(name)
	}
	c.speak(proto)
	c.out.Map(7)
	c.out.BulkString("server")
	c.out.BulkString("redis")
	c.out.BulkString("version")
	c.out.BulkString(redisVersion)
	c.out.BulkString("proto")
	c.out.Int(int64(proto))
	c.out.BulkString("id")
	c.out.Int(c.id)
	c.out.BulkString("mode")
	c.out.BulkString(c.server.mode())
	c.out.BulkString("role")
	c.out.BulkString(c.server.replication(c.ctx).name)
	c.out.BulkString("modules")
	c.out.Array(0)
	return nil
}

// speak chooses the version of the protocol, from the next reply on.
func (c *conn) speak(proto int) {
	c.session.Proto, c.out.Proto = proto, proto
	c.proto.Store(int32(proto)) //nolint:gosec // 2 or 3
}

// reset makes the connection what it was when it began.
func (c *conn) reset(*command.Command, [][]byte) error {
	c.multi.end()
	c.server.hub.leave(c)
	c.setTracking(trackingMode{})
	c.server.monitors.leave(c)
	c.monitoring = false
	c.name, c.noEvict, c.quiet = "", false, quietNot
	c.session = command.Session{}
	c.login()
	c.speak(2)
	c.out.SimpleString("RESET")
	return nil
}

func (c *conn) quit(*command.Command, [][]byte) error {
	c.closing = true
	c.out.OK()
	return nil
}
