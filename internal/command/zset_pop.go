package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/keyspace/counted"
	"github.com/godwitdb/godwit/internal/resp"
)

func zsetPopCommands() []*Command {
	one, waiting := Keys{First: 1, Last: 1, Step: 1}, Keys{First: 1, Last: -2, Step: 1}
	const group, blocking = "sortedset", Write | NoScript | Blocking
	return []*Command{
		{Name: "zpopmin", Group: group, Arity: -2, Flags: Write | Fast, Keys: one, Run: zpop(lowest)},
		{Name: "zpopmax", Group: group, Arity: -2, Flags: Write | Fast, Keys: one, Run: zpop(highest)},
		{Name: "bzpopmin", Group: group, Arity: -3, Flags: blocking | Fast, Keys: waiting, Run: bzpop(lowest)},
		{Name: "bzpopmax", Group: group, Arity: -3, Flags: blocking | Fast, Keys: waiting, Run: bzpop(highest)},
		{Name: "zmpop", Group: group, Arity: -4, Flags: Write | Movable, Keys: keysAfterNumber(1), Run: multiPop(popFirst)},
		{Name: "bzmpop", Group: group, Arity: -5, Flags: Write | Blocking | Movable, Keys: keysAfterNumber(2), Run: blockingMultiPop(popFirst)},
	}
}

// extreme is the end of a sorted set that members are popped from.
type extreme bool

const (
	lowest  extreme = false
	highest extreme = true
)

// event is what keyspace notifications call it.
func (e extreme) event() string {
	if e == highest {
		return "zpopmax"
	}
	return "zpopmin"
}

// pop removes members from an end and visits them.
func (e extreme) pop(z *keyspace.SortedSet, k *keyspace.Key, count int, visit func(counted.Entry)) error {
	from, to := 0, count
	entries := z.Ascend
	if e == highest {
		from, to = z.Len()-count, z.Len()
		entries = z.Descend
	}
	for entry := range entries(from, to) {
		visit(entry)
	}
	if err := z.DeleteRange(from, to); err != nil {
		return err
	}
	return saveSortedSet(z, k, e.event())
}

func zpop(e extreme) func(*Call) error {
	return func(c *Call) error {
		if len(c.Args) > 3 {
			return ErrSyntax
		}
		count, pairs := 1, false
		if len(c.Args) == 3 {
			var err error
			if count, err = countArg(c.Arg(2)); err != nil {
				return err
			}
			pairs = c.Out.Proto >= 3
		}
		z, k, err := sortedSet(c)
		if err != nil {
			return err
		}
		count = min(count, z.Len())
		if pairs {
			c.Out.Array(count)
		} else {
			c.Out.Array(2 * count)
		}
		if count == 0 {
			return nil
		}
		return e.pop(z, k, count, func(entry counted.Entry) {
			if pairs {
				c.Out.Array(2)
			}
			c.Out.Bulk(entry.Member)
			c.Out.Double(entry.Score)
		})
	}
}

// bzpop makes a command that pops one member from an end, and waits for one.
func bzpop(e extreme) func(*Call) error {
	return func(c *Call) error {
		last := len(c.Args) - 1
		timeout, err := timeoutArg(c.Arg(last))
		if err != nil {
			return err
		}
		keys := c.Args[1:last]
		z, k, err := firstOf(c, keys, c.Tx.SortedSet)
		if err != nil {
			return err
		}
		if k == nil {
			return wait(c, keys, timeout, (*resp.Writer).NullArray)
		}
		c.Out.Array(3)
		c.Out.Bulk(k.Name())
		return e.pop(z, k, 1, func(entry counted.Entry) {
			c.Out.Bulk(entry.Member)
			c.Out.Double(entry.Score)
		})
	}
}

// popFirst is ZMPOP with arguments that begin with the number of keys.
func popFirst(c *Call, at int) (keys [][]byte, run func() (found bool, err error), err error) {
	keys, e, count, err := popArgs(c, at, parseExtreme)
	return keys, func() (bool, error) {
		z, k, err := firstOf(c, keys, c.Tx.SortedSet)
		if err != nil || k == nil {
			return false, err
		}
		n := min(count, z.Len())
		c.Out.Array(2)
		c.Out.Bulk(k.Name())
		c.Out.Array(n)
		return true, e.pop(z, k, n, func(entry counted.Entry) {
			c.Out.Array(2)
			c.Out.Bulk(entry.Member)
			c.Out.Double(entry.Score)
		})
	}, err
}

func parseExtreme(arg []byte) (extreme, error) {
	switch {
	case is(arg, "MIN"):
		return lowest, nil
	case is(arg, "MAX"):
		return highest, nil
	}
	return highest, ErrSyntax
}
