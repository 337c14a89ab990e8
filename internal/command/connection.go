package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// connectionCommands are those about the connection that may be part of a transaction.
func connectionCommands() []*Command {
	return []*Command{
		{Name: "ping", Group: "connection", Arity: -1, Flags: Fast | NoData, Run: ping},
		{Name: "echo", Group: "connection", Arity: 2, Flags: Fast | NoData, Run: echo},
		{Name: "select", Group: "connection", Arity: 2, Flags: Fast | NoData, Run: selectDB},
		{Name: "publish", Group: "pubsub", Arity: 3, Flags: PubSub | Fast, Run: publish},
		{Name: "spublish", Group: "pubsub", Arity: 3, Flags: PubSub | Fast, Keys: Keys{First: 1, Last: 1, Step: 1}, Run: publish},
	}
}

func ping(c *Call) error {
	switch len(c.Args) {
	case 1:
		c.Out.SimpleString("PONG")
	case 2:
		c.Out.Bulk(c.Arg(1))
	default:
		return wrongArgs(c.Name)
	}
	return nil
}

func echo(c *Call) error {
	c.Out.Bulk(c.Arg(1))
	return nil
}

func selectDB(c *Call) error {
	n, ok := resp.ParseInt(c.Arg(1))
	if !ok {
		return ErrNotInt
	}
	if n < 0 || n >= keyspace.Databases {
		return Error("ERR DB index is out of range")
	}
	c.Session.DB, c.Tx.DB = int(n), int(n)
	c.Out.OK()
	return nil
}
