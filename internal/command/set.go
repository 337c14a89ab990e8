package command

import (
	"bytes"

	"github.com/godwitdb/godwit/internal/keyspace"
)

func setCommands() []*Command {
	one, all := Keys{First: 1, Last: 1, Step: 1}, Keys{First: 1, Last: -1, Step: 1}
	const read = ReadOnly | Fast
	return []*Command{
		{Name: "sadd", Group: "set", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: one, Run: sadd},
		{Name: "srem", Group: "set", Arity: -3, Flags: Write | Fast, Keys: one, Run: srem},
		{Name: "smove", Group: "set", Arity: 4, Flags: Write | Fast, Keys: Keys{First: 1, Last: 2, Step: 1}, Run: smove},
		{Name: "spop", Group: "set", Arity: -2, Flags: Write | Fast, Keys: one, Run: spop},
		{Name: "srandmember", Group: "set", Arity: -2, Flags: ReadOnly, Keys: one, Run: srandmember},
		{Name: "scard", Group: "set", Arity: 2, Flags: read, Keys: one, Run: scard},
		{Name: "sismember", Group: "set", Arity: 3, Flags: read, Keys: one, Run: sismember},
		{Name: "smismember", Group: "set", Arity: -3, Flags: read, Keys: one, Run: smismember},
		{Name: "smembers", Group: "set", Arity: 2, Flags: ReadOnly, Keys: one, Run: smembers},
		{Name: "sscan", Group: "set", Arity: -3, Flags: ReadOnly, Keys: one, Run: sscan},
		{Name: "sinter", Group: "set", Arity: -2, Flags: ReadOnly, Keys: all, Run: algebra(intersection)},
		{Name: "sunion", Group: "set", Arity: -2, Flags: ReadOnly, Keys: all, Run: algebra(union)},
		{Name: "sdiff", Group: "set", Arity: -2, Flags: ReadOnly, Keys: all, Run: algebra(difference)},
		{Name: "sinterstore", Group: "set", Arity: -3, Flags: Write | DenyOOM, Keys: all, Run: algebraStore(intersection)},
		{Name: "sunionstore", Group: "set", Arity: -3, Flags: Write | DenyOOM, Keys: all, Run: algebraStore(union)},
		{Name: "sdiffstore", Group: "set", Arity: -3, Flags: Write | DenyOOM, Keys: all, Run: algebraStore(difference)},
		{Name: "sintercard", Group: "set", Arity: -3, Flags: ReadOnly | Movable, Keys: keysAfterNumber(1), Run: sintercard},
	}
}

// setOf returns the set that the first argument names.
func setOf(c *Call) (*keyspace.Dict, *keyspace.Key, error) {
	return c.Tx.Dict(c.Arg(1), keyspace.SetType)
}

func saveSet(s *keyspace.Dict, k *keyspace.Key, event string) error {
	if err := s.Save(keyspace.SetType); err != nil {
		return err
	}
	changed(k, 's', event)
	return nil
}

func sadd(c *Call) error {
	if err := fit(c.Args[2:]); err != nil {
		return err
	}
	s, k, err := setOf(c)
	if err != nil {
		return err
	}
	n := 0
	for _, member := range c.Args[2:] {
		_, ok, err := s.Get(member)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		if _, err := s.Put(member, nil); err != nil {
			return err
		}
		n++
	}
	c.Out.Int(int64(n))
	if n == 0 {
		return nil
	}
	return saveSet(s, k, "sadd")
}

func srem(c *Call) error {
	s, k, err := setOf(c)
	if err != nil {
		return err
	}
	return deleteMembers(c, s.Delete, func() error { return saveSet(s, k, "srem") })
}

func smove(c *Call) error {
	from, fromKey, err := setOf(c)
	if err != nil {
		return err
	}
	if from.Len() == 0 {
		c.Out.Int(0)
		return nil
	}
	to, toKey, err := c.Tx.Dict(c.Arg(2), keyspace.SetType)
	if err != nil {
		return err
	}
	member := c.Arg(3)
	if bytes.Equal(c.Arg(1), c.Arg(2)) {
		_, ok, err := from.Get(member)
		replyInt(c, ok)
		return err
	}
	ok, err := from.Delete(member)
	replyInt(c, ok)
	if err != nil || !ok {
		return err
	}
	if err := saveSet(from, fromKey, "srem"); err != nil {
		return err
	}
	if isNew, err := to.Put(member, nil); err != nil || !isNew {
		return err
	}
	return saveSet(to, toKey, "sadd")
}

func scard(c *Call) error {
	s, _, err := setOf(c)
	if err != nil {
		return err
	}
	c.Out.Int(int64(s.Len()))
	return nil
}

func sismember(c *Call) error {
	s, _, err := setOf(c)
	if err != nil {
		return err
	}
	_, ok, err := s.Get(c.Arg(2))
	replyInt(c, ok)
	return err
}

func smismember(c *Call) error {
	s, _, err := setOf(c)
	if err != nil {
		return err
	}
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		_, ok, err := s.Get(member)
		if err != nil {
			return err
		}
		replyInt(c, ok)
	}
	return nil
}

func smembers(c *Call) error {
	s, _, err := setOf(c)
	if err != nil {
		return err
	}
	c.Out.Set(s.Len())
	for member := range s.Members() {
		c.Out.Bulk(member)
	}
	return nil
}
