package command

import (
	"bytes"
	"slices"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func listCommands() []*Command {
	one, two := Keys{First: 1, Last: 1, Step: 1}, Keys{First: 1, Last: 2, Step: 1}
	butLast := Keys{First: 1, Last: -2, Step: 1}
	const (
		push = Write | DenyOOM | Fast
		wait = Write | NoScript | Blocking
	)
	return []*Command{
		{Name: "lpush", Group: "list", Arity: -3, Flags: push, Keys: one, Run: pushAt(left, false)},
		{Name: "rpush", Group: "list", Arity: -3, Flags: push, Keys: one, Run: pushAt(right, false)},
		{Name: "lpushx", Group: "list", Arity: -3, Flags: push, Keys: one, Run: pushAt(left, true)},
		{Name: "rpushx", Group: "list", Arity: -3, Flags: push, Keys: one, Run: pushAt(right, true)},
		{Name: "lpop", Group: "list", Arity: -2, Flags: Write | Fast, Keys: one, Run: popAt(left)},
		{Name: "rpop", Group: "list", Arity: -2, Flags: Write | Fast, Keys: one, Run: popAt(right)},
		{Name: "llen", Group: "list", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: llen},
		{Name: "lrange", Group: "list", Arity: 4, Flags: ReadOnly, Keys: one, Run: lrange},
		{Name: "lindex", Group: "list", Arity: 3, Flags: ReadOnly, Keys: one, Run: lindex},
		{Name: "lpos", Group: "list", Arity: -3, Flags: ReadOnly, Keys: one, Run: lpos},
		{Name: "lset", Group: "list", Arity: 4, Flags: Write | DenyOOM, Keys: one, Run: lset},
		{Name: "linsert", Group: "list", Arity: 5, Flags: Write | DenyOOM, Keys: one, Run: linsert},
		{Name: "lrem", Group: "list", Arity: 4, Flags: Write, Keys: one, Run: lrem},
		{Name: "ltrim", Group: "list", Arity: 4, Flags: Write, Keys: one, Run: ltrim},
		{Name: "lmove", Group: "list", Arity: 5, Flags: Write | DenyOOM, Keys: two, Run: lmove},
		{Name: "rpoplpush", Group: "list", Arity: 3, Flags: Write | DenyOOM, Keys: two, Run: rpoplpush},
		{Name: "lmpop", Group: "list", Arity: -4, Flags: Write | Movable, Keys: keysAfterNumber(1), Run: multiPop(mpop)},
		{Name: "blpop", Group: "list", Arity: -3, Flags: wait, Keys: butLast, Run: blockingPop(left)},
		{Name: "brpop", Group: "list", Arity: -3, Flags: wait, Keys: butLast, Run: blockingPop(right)},
		{Name: "blmove", Group: "list", Arity: 6, Flags: wait | DenyOOM, Keys: two, Run: blmove},
		{Name: "brpoplpush", Group: "list", Arity: 4, Flags: wait | DenyOOM, Keys: two, Run: brpoplpush},
		{Name: "blmpop", Group: "list", Arity: -5, Flags: Write | Blocking | Movable, Keys: keysAfterNumber(2), Run: blockingMultiPop(mpop)},
	}
}

// end is an end of a list.
type end string

const (
	left  end = "l"
	right end = "r"
)

func parseEnd(arg []byte) (end, error) {
	switch {
	case is(arg, "LEFT"):
		return left, nil
	case is(arg, "RIGHT"):
		return right, nil
	}
	return "", ErrSyntax
}

func (e end) push(l *keyspace.List, item []byte) error {
	if e == left {
		return l.PushHead(item)
	}
	return l.PushTail(item)
}

func (e end) pop(l *keyspace.List) ([]byte, error) {
	if e == left {
		return l.PopHead()
	}
	return l.PopTail()
}

// pushed and popped are events.
func (e end) pushed() string { return string(e) + "push" }
func (e end) popped() string { return string(e) + "pop" }

// list returns the list that the first argument names.
func list(c *Call) (*keyspace.List, *keyspace.Key, error) { return c.Tx.List(c.Arg(1)) }

func saveList(l *keyspace.List, k *keyspace.Key, event string) error {
	if err := l.Save(); err != nil {
		return err
	}
	changed(k, 'l', event)
	return nil
}

// savePushed saves a list that has got items.
func savePushed(l *keyspace.List, k *keyspace.Key, event string) error {
	err := saveList(l, k, event)
	if err == nil {
		k.Ready()
	}
	return err
}

// pushAt makes a command that pushes at an end, maybe only to a list that there is.
func pushAt(e end, onlyIfThere bool) func(*Call) error {
	return func(c *Call) error {
		items := c.Args[2:]
		if err := fit(items); err != nil {
			return err
		}
		l, k, err := list(c)
		if err != nil {
			return err
		}
		if onlyIfThere && !k.Exists() {
			c.Out.Int(0)
			return nil
		}
		for _, item := range items {
			if err := e.push(l, item); err != nil {
				return err
			}
		}
		c.Out.Int(int64(l.Len()))
		return savePushed(l, k, e.pushed())
	}
}

// popAt makes a command that pops from an end.
func popAt(e end) func(*Call) error {
	return func(c *Call) error {
		if len(c.Args) > 3 {
			return wrongArgs(c.Name)
		}
		many, count := len(c.Args) == 3, 1
		if many {
			var err error
			if count, err = countArg(c.Arg(2)); err != nil {
				return err
			}
		}
		l, k, err := list(c)
		if err != nil {
			return err
		}
		switch {
		case !k.Exists() && many:
			c.Out.NullArray()
		case !k.Exists():
			c.Out.Null()
		case many:
			return pop(c, l, k, e, count)
		default:
			item, err := e.pop(l)
			if err != nil {
				return err
			}
			c.Out.Bulk(item)
			return saveList(l, k, e.popped())
		}
		return nil
	}
}

// pop pops at most count items of a list that there is, and replies with them.
func pop(c *Call, l *keyspace.List, k *keyspace.Key, e end, count int) error {
	count = min(count, l.Len())
	c.Out.Array(count)
	if count == 0 {
		return nil
	}
	for range count {
		item, err := e.pop(l)
		if err != nil {
			return err
		}
		c.Out.Bulk(item)
	}
	return saveList(l, k, e.popped())
}

func llen(c *Call) error {
	l, _, err := list(c)
	if err != nil {
		return err
	}
	c.Out.Int(int64(l.Len()))
	return nil
}

// rangeArgs parses a first and a last index, negative ones from the end.
func rangeArgs(c *Call) (first, last int64, err error) {
	first, ok := resp.ParseInt(c.Arg(2))
	last, ok2 := resp.ParseInt(c.Arg(3))
	if !ok || !ok2 {
		return 0, 0, ErrNotInt
	}
	return first, last, nil
}

// clip makes of the indexes of a range in a list of some length those of its first item and behind its last.
func clip(first, last int64, length int) (from, to int) {
	n := int64(length)
	if first < 0 {
		first = max(first+n, 0)
	}
	if last < 0 {
		last += n
	}
	last = min(last, n-1)
	if first > last {
		return 0, 0
	}
	return int(first), int(last) + 1
}

func lrange(c *Call) error {
	first, last, err := rangeArgs(c)
	if err != nil {
		return err
	}
	l, _, err := list(c)
	if err != nil {
		return err
	}
	from, to := clip(first, last, l.Len())
	c.Out.Array(to - from)
	if from == to {
		return nil
	}
	for _, item := range l.Items(from, to-1) {
		c.Out.Bulk(item)
	}
	return nil
}

// index finds the place of an index, which is negative if it is from the end.
func index(l *keyspace.List, i int64) (place int, ok bool) {
	n := int64(l.Len())
	if i < 0 {
		i += n
	}
	return int(i), i >= 0 && i < n
}

func lindex(c *Call) error {
	i, isInt := resp.ParseInt(c.Arg(2))
	l, k, err := list(c)
	if err != nil {
		return err
	}
	if !isInt && k.Exists() {
		return ErrNotInt
	}
	place, ok := index(l, i)
	if !ok {
		c.Out.Null()
		return nil
	}
	item, err := l.At(place)
	c.Out.Bulk(item)
	return err
}

func lset(c *Call) error {
	l, k, err := list(c)
	if err != nil {
		return err
	}
	if !k.Exists() {
		return ErrNoKey
	}
	i, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	place, ok := index(l, i)
	if !ok {
		return ErrOutOfRange
	}
	if err := l.Set(place, c.Arg(3)); err != nil {
		return err
	}
	c.Out.OK()
	return saveList(l, k, "lset")
}

func linsert(c *Call) error {
	after := is(c.Arg(2), "AFTER")
	if !after && !is(c.Arg(2), "BEFORE") {
		return ErrSyntax
	}
	if err := fit(c.Args[4:]); err != nil {
		return err
	}
	l, k, err := list(c)
	if err != nil {
		return err
	}
	if !k.Exists() {
		c.Out.Int(0)
		return nil
	}
	for i, item := range l.Items(0, l.Len()-1) {
		if !bytes.Equal(item, c.Arg(3)) {
			continue
		}
		if after {
			i++
		}
		if err := l.Insert(i, c.Arg(4)); err != nil {
			return err
		}
		c.Out.Int(int64(l.Len()))
		return saveList(l, k, "linsert")
	}
	c.Out.Int(-1)
	return nil
}

func lrem(c *Call) error {
	count, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	l, k, err := list(c)
	if err != nil {
		return err
	}
	if !k.Exists() {
		c.Out.Int(0)
		return nil
	}
	first, last := 0, l.Len()-1
	if count < 0 {
		first, last = last, first
	}
	var found []int
	for i, item := range l.Items(first, last) {
		if bytes.Equal(item, c.Arg(3)) {
			if found = append(found, i); int64(len(found)) == count || -int64(len(found)) == count {
				break
			}
		}
	}
	c.Out.Int(int64(len(found)))
	if len(found) == 0 {
		return nil
	}
	slices.Sort(found)
	if err := l.Remove(found); err != nil {
		return err
	}
	return saveList(l, k, "lrem")
}

func ltrim(c *Call) error {
	first, last, err := rangeArgs(c)
	if err != nil {
		return err
	}
	l, k, err := list(c)
	if err != nil {
		return err
	}
	c.Out.OK()
	if !k.Exists() {
		return nil
	}
	if err := l.Trim(clip(first, last, l.Len())); err != nil {
		return err
	}
	return saveList(l, k, "ltrim")
}
