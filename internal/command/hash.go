package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func hashCommands() []*Command {
	one := Keys{First: 1, Last: 1, Step: 1}
	const write, read = Write | DenyOOM | Fast, ReadOnly | Fast
	return []*Command{
		{Name: "hset", Group: "hash", Arity: -4, Flags: write, Keys: one, Run: hset},
		{Name: "hmset", Group: "hash", Arity: -4, Flags: write, Keys: one, Run: hmset},
		{Name: "hsetnx", Group: "hash", Arity: 4, Flags: write, Keys: one, Run: hsetnx},
		{Name: "hincrby", Group: "hash", Arity: 4, Flags: write, Keys: one, Run: hincrby},
		{Name: "hincrbyfloat", Group: "hash", Arity: 4, Flags: write, Keys: one, Run: hincrbyfloat},
		{Name: "hdel", Group: "hash", Arity: -3, Flags: Write | Fast, Keys: one, Run: hdel},
		{Name: "hget", Group: "hash", Arity: 3, Flags: read, Keys: one, Run: hget},
		{Name: "hmget", Group: "hash", Arity: -3, Flags: read, Keys: one, Run: hmget},
		{Name: "hlen", Group: "hash", Arity: 2, Flags: read, Keys: one, Run: hlen},
		{Name: "hstrlen", Group: "hash", Arity: 3, Flags: read, Keys: one, Run: hstrlen},
		{Name: "hexists", Group: "hash", Arity: 3, Flags: read, Keys: one, Run: hexists},
		{Name: "hkeys", Group: "hash", Arity: 2, Flags: ReadOnly, Keys: one, Run: hkeys},
		{Name: "hvals", Group: "hash", Arity: 2, Flags: ReadOnly, Keys: one, Run: hvals},
		{Name: "hgetall", Group: "hash", Arity: 2, Flags: ReadOnly, Keys: one, Run: hgetall},
		{Name: "hrandfield", Group: "hash", Arity: -2, Flags: ReadOnly, Keys: one, Run: hrandfield},
		{Name: "hscan", Group: "hash", Arity: -3, Flags: ReadOnly, Keys: one, Run: hscan},
	}
}

// hash returns the hash that the first argument names.
func hash(c *Call) (*keyspace.Dict, *keyspace.Key, error) {
	return c.Tx.Dict(c.Arg(1), keyspace.HashType)
}

func hset(c *Call) error {
	created, err := setFields(c)
	if err == nil {
		c.Out.Int(int64(created))
	}
	return err
}

func hmset(c *Call) error {
	_, err := setFields(c)
	if err == nil {
		c.Out.OK()
	}
	return err
}

// setFields sets the fields and values that follow the key, and returns how many fields are new.
func setFields(c *Call) (created int, err error) {
	pairs := c.Args[2:]
	if len(pairs)%2 != 0 {
		return 0, wrongArgs(c.Name)
	}
	if err := fit(pairs); err != nil {
		return 0, err
	}
	h, k, err := hash(c)
	if err != nil {
		return 0, err
	}
	for ; len(pairs) > 0; pairs = pairs[2:] {
		isNew, err := h.Put(pairs[0], pairs[1])
		if err != nil {
			return 0, err
		}
		if isNew {
			created++
		}
	}
	return created, saveHash(h, k, "hset")
}

func saveHash(h *keyspace.Dict, k *keyspace.Key, event string) error {
	if err := h.Save(keyspace.HashType); err != nil {
		return err
	}
	changed(k, 'h', event)
	return nil
}

// putField sets one field and saves.
func putField(h *keyspace.Dict, k *keyspace.Key, field, value []byte, event string) error {
	if _, err := h.Put(field, value); err != nil {
		return err
	}
	return saveHash(h, k, event)
}

func hsetnx(c *Call) error {
	h, k, err := hash(c)
	if err != nil {
		return err
	}
	if _, ok, err := h.Get(c.Arg(2)); err != nil || ok {
		c.Out.Int(0)
		return err
	}
	c.Out.Int(1)
	return putField(h, k, c.Arg(2), c.Arg(3), "hset")
}

func hincrby(c *Call) error {
	delta, ok := resp.ParseInt(c.Arg(3))
	if !ok {
		return ErrNotInt
	}
	h, k, err := hash(c)
	if err != nil {
		return err
	}
	v, ok, err := h.Get(c.Arg(2))
	if err != nil {
		return err
	}
	var n int64
	if ok {
		if n, ok = resp.ParseInt(v); !ok {
			return Error("ERR hash value is not an integer")
		}
	}
	sum := n + delta
	if (sum > n) != (delta > 0) && delta != 0 {
		return Error("ERR increment or decrement would overflow")
	}
	c.Out.Int(sum)
	var room [20]byte
	return putField(h, k, c.Arg(2), appendInt(room[:0], sum), "hincrby")
}

func hincrbyfloat(c *Call) error {
	delta, ok := resp.ParseLongDouble(c.Arg(3))
	if !ok {
		return ErrNotFloat
	}
	if !delta.IsFinite() {
		return Error("ERR value is NaN or Infinity")
	}
	h, k, err := hash(c)
	if err != nil {
		return err
	}
	v, ok, err := h.Get(c.Arg(2))
	if err != nil {
		return err
	}
	var n resp.LongDouble
	if ok {
		if n, ok = resp.ParseLongDouble(v); !ok {
			return Error("ERR hash value is not a float")
		}
	}
	sum, ok := n.Add(&delta)
	if !ok {
		return Error("ERR increment would produce NaN or Infinity")
	}
	text := sum.Append(nil)
	c.Out.Bulk(text)
	return putField(h, k, c.Arg(2), text, "hincrbyfloat")
}

func hdel(c *Call) error {
	h, k, err := hash(c)
	if err != nil {
		return err
	}
	return deleteMembers(c, h.Delete, func() error { return saveHash(h, k, "hdel") })
}

func hget(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	return replyField(c, h, c.Arg(2))
}

func hmget(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	return replyEach(c, func(field []byte) error { return replyField(c, h, field) })
}

func replyField(c *Call, h *keyspace.Dict, field []byte) error {
	v, ok, err := h.Get(field)
	if ok {
		c.Out.Bulk(v)
	} else {
		c.Out.Null()
	}
	return err
}

func hlen(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	c.Out.Int(int64(h.Len()))
	return nil
}

func hstrlen(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	v, _, err := h.Get(c.Arg(2))
	c.Out.Int(int64(len(v)))
	return err
}

func hexists(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	_, ok, err := h.Get(c.Arg(2))
	replyInt(c, ok)
	return err
}

// replyInt replies 1 for true.
func replyInt(c *Call, yes bool) {
	if yes {
		c.Out.Int(1)
	} else {
		c.Out.Int(0)
	}
}

func hkeys(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	c.Out.Array(h.Len())
	for field := range h.Members() {
		c.Out.Bulk(field)
	}
	return nil
}

func hvals(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	c.Out.Array(h.Len())
	for _, v := range h.All() {
		c.Out.Bulk(v)
	}
	return nil
}

func hgetall(c *Call) error {
	h, _, err := hash(c)
	if err != nil {
		return err
	}
	c.Out.Map(h.Len())
	for field, v := range h.All() {
		c.Out.Bulk(field)
		c.Out.Bulk(v)
	}
	return nil
}
