package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func stringCommands() []*Command {
	one, all := Keys{First: 1, Last: 1, Step: 1}, Keys{First: 1, Last: -1, Step: 1}
	pairs, two := Keys{First: 1, Last: -1, Step: 2}, Keys{First: 1, Last: 2, Step: 1}
	return []*Command{
		{Name: "append", Group: "string", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: one, Run: appendTo},
		{Name: "decr", Group: "string", Arity: 2, Flags: Write | DenyOOM | Fast, Keys: one, Run: decr},
		{Name: "decrby", Group: "string", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: one, Run: decrBy},
		{Name: "get", Group: "string", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: get},
		{Name: "getdel", Group: "string", Arity: 2, Flags: Write | Fast, Keys: one, Run: getDel},
		{Name: "getex", Group: "string", Arity: -2, Flags: Write | Fast, Keys: one, Run: getEx},
		{Name: "getrange", Group: "string", Arity: 4, Flags: ReadOnly, Keys: one, Run: getRange},
		{Name: "getset", Group: "string", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: one, Run: getSet},
		{Name: "incr", Group: "string", Arity: 2, Flags: Write | DenyOOM | Fast, Keys: one, Run: incr},
		{Name: "incrby", Group: "string", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: one, Run: incrBy},
		{Name: "incrbyfloat", Group: "string", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: one, Run: incrByFloat},
		{Name: "lcs", Group: "string", Arity: -3, Flags: ReadOnly, Keys: two, Run: lcs},
		{Name: "mget", Group: "string", Arity: -2, Flags: ReadOnly | Fast, Keys: all, Run: mGet},
		{Name: "mset", Group: "string", Arity: -3, Flags: Write | DenyOOM, Keys: pairs, Run: mSet},
		{Name: "msetnx", Group: "string", Arity: -3, Flags: Write | DenyOOM, Keys: pairs, Run: mSetNX},
		{Name: "psetex", Group: "string", Arity: 4, Flags: Write | DenyOOM, Keys: one, Run: pSetEx},
		{Name: "set", Group: "string", Arity: -3, Flags: Write | DenyOOM, Keys: one, Run: set},
		{Name: "setex", Group: "string", Arity: 4, Flags: Write | DenyOOM, Keys: one, Run: setEx},
		{Name: "setnx", Group: "string", Arity: 3, Flags: Write | DenyOOM | Fast, Keys: one, Run: setNX},
		{Name: "setrange", Group: "string", Arity: 4, Flags: Write | DenyOOM, Keys: one, Run: setRange},
		{Name: "strlen", Group: "string", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: strLen},
		{Name: "substr", Group: "string", Arity: 4, Flags: ReadOnly, Keys: one, Run: getRange},
	}
}

// replyValue replies with the string of a key that is one or does not exist.
func replyValue(c *Call, k *keyspace.Key) error {
	if !k.Exists() {
		c.Out.Null()
		return nil
	}
	n, err := k.Len()
	if err != nil {
		return err
	}
	return replyRange(c, k, 0, n)
}

// replyRange replies with the bytes from ≤ i < to of a key's string.
func replyRange(c *Call, k *keyspace.Key, from, to int) error {
	c.Out.BulkParts(to-from, k.Parts(from, to))
	return c.Tx.Err()
}

func get(c *Call) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	return replyValue(c, &k)
}

func mGet(c *Call) error {
	c.Out.Array(len(c.Args) - 1)
	for _, name := range c.Args[1:] {
		k, err := c.Tx.Lookup(name)
		if err != nil {
			return err
		}
		if k.Type() != keyspace.StringType {
			c.Out.Null()
		} else if err := replyValue(c, &k); err != nil {
			return err
		}
		if c.Out.Full() {
			return ErrReplyTooLarge
		}
	}
	return nil
}

func getDel(c *Call) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	if err := replyValue(c, &k); err != nil || !k.Exists() {
		return err
	}
	if err := k.Remove(); err != nil {
		return err
	}
	k.Changed('g', "del")
	return nil
}

func getSet(c *Call) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	if err := replyValue(c, &k); err != nil {
		return err
	}
	return store(&k, c.Arg(2), 0)
}

func strLen(c *Call) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	n, err := k.Len()
	c.Out.Int(int64(n))
	return err
}

func getRange(c *Call) error {
	start, ok1 := resp.ParseInt(c.Arg(2))
	end, ok2 := resp.ParseInt(c.Arg(3))
	if !ok1 || !ok2 {
		return ErrNotInt
	}
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	length, err := k.Len()
	if err != nil {
		return err
	}
	n := int64(length)
	if start < 0 && end < 0 && start > end {
		c.Out.Bulk(nil)
		return nil
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end {
		c.Out.Bulk(nil)
		return nil
	}
	return replyRange(c, &k, int(start), int(end)+1)
}

// change makes value the string of a key, which goes on to expire when it did.
func change(k *keyspace.Key, value []byte, event string) error {
	if err := k.SetString(value); err != nil {
		return err
	}
	if err := k.Save(); err != nil {
		return err
	}
	k.Changed('$', event)
	return nil
}

func appendTo(c *Call) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	n, err := k.Len()
	if err != nil {
		return err
	}
	return writeRange(c, &k, n, c.Arg(2), "append")
}

func setRange(c *Call) error {
	offset, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	if offset < 0 {
		return Error("ERR offset is out of range")
	}
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	if len(c.Arg(3)) == 0 {
		n, err := k.Len()
		c.Out.Int(int64(n))
		return err
	}
	return writeRange(c, &k, int(offset), c.Arg(3), "setrange")
}

// writeRange writes part into a key's string from a place on, and replies with how long it is.
func writeRange(c *Call, k *keyspace.Key, at int, part []byte, event string) error {
	n, err := k.SetRange(at, part)
	if err != nil {
		return err
	}
	if err := k.Save(); err != nil {
		return err
	}
	k.Changed('$', event)
	c.Out.Int(int64(n))
	return nil
}
