package command

import (
	"bytes"
	"math/rand/v2"
	"strconv"

	"github.com/godwitdb/godwit/internal/keyspace"
)

func scanCommands() []*Command {
	return []*Command{
		{Name: "keys", Group: "keyspace", Arity: 2, Flags: ReadOnly | Dangerous, Run: keys},
		{Name: "randomkey", Group: "keyspace", Arity: 1, Flags: ReadOnly, Run: randomKey},
		{Name: "scan", Group: "keyspace", Arity: -2, Flags: ReadOnly, Run: scan},
	}
}

func keys(c *Call) error {
	list, n := c.Out.Defer(), 0
	for key := range c.Tx.Keys(0) {
		if Match(c.Arg(1), key) {
			c.Out.Bulk(key)
			n++
		}
	}
	c.Out.SetArray(list, n)
	return c.Tx.Err()
}

// randomKey takes the first key behind a random place. Keys behind a larger gap come more often.
func randomKey(c *Call) error {
	for _, from := range []uint64{keyspace.RandomCursor(rand.Uint64()), 0} {
		for key := range c.Tx.Keys(from) {
			c.Out.Bulk(key)
			return nil
		}
	}
	c.Out.Null()
	return c.Tx.Err()
}

// scan visits keys in the order of their hashes, all of a hash in one call.
func scan(c *Call) error {
	cursor, err := parseCursor(c.Arg(1))
	if err != nil {
		return err
	}
	o, err := parseScanOptions(c.Args[2:], true)
	if err != nil {
		return err
	}
	var found [][]byte
	visited, next, last := 0, uint64(0), uint64(0)
	for key, k := range c.Tx.Keys(cursor) {
		at := keyspace.Cursor(key)
		if visited >= o.count && at != last {
			next = at
			break
		}
		visited, last = visited+1, at
		if o.match(key) && (o.kind == nil || bytes.EqualFold(o.kind, []byte(k.Type().String()))) {
			found = append(found, clone(key))
		}
	}
	c.Out.Array(2)
	c.Out.Bulk(strconv.AppendUint(nil, next, 10))
	c.Out.Array(len(found))
	for _, key := range found {
		c.Out.Bulk(key)
	}
	return c.Tx.Err()
}
