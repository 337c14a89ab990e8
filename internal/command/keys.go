package command

import (
	"bytes"
	"strconv"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func keyCommands() []*Command {
	one, two, all := Keys{First: 1, Last: 1, Step: 1}, Keys{First: 1, Last: 2, Step: 1}, Keys{First: 1, Last: -1, Step: 1}
	return []*Command{
		{Name: "copy", Group: "keyspace", Arity: -3, Flags: Write | DenyOOM, Keys: two, Run: copyKey},
		{Name: "dbsize", Group: "keyspace", Arity: 1, Flags: ReadOnly | Fast, Run: dbSize},
		{Name: "del", Group: "keyspace", Arity: -2, Flags: Write, Keys: all, Run: del},
		{Name: "exists", Group: "keyspace", Arity: -2, Flags: ReadOnly | Fast, Keys: all, Run: exists},
		{Name: "flushall", Group: "keyspace", Arity: -1, Flags: Write | Dangerous, Run: flushAll},
		{Name: "flushdb", Group: "keyspace", Arity: -1, Flags: Write | Dangerous, Run: flushDB},
		{Name: "move", Group: "keyspace", Arity: 3, Flags: Write | Fast, Keys: one, Run: move},
		{Name: "object", Group: "keyspace", Arity: -2, Subcommands: objectCommands()},
		{Name: "rename", Group: "keyspace", Arity: 3, Flags: Write, Keys: two, Run: rename},
		{Name: "renamenx", Group: "keyspace", Arity: 3, Flags: Write | Fast, Keys: two, Run: renameNX},
		{Name: "swapdb", Group: "keyspace", Arity: 3, Flags: Write | Fast | Dangerous, Run: swapDB},
		{Name: "touch", Group: "keyspace", Arity: -2, Flags: ReadOnly | Fast, Keys: all, Run: exists},
		{Name: "type", Group: "keyspace", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: typeOf},
		{Name: "unlink", Group: "keyspace", Arity: -2, Flags: Write | Fast, Keys: all, Run: del},
	}
}

func del(c *Call) error {
	n := 0
	for _, name := range c.Args[1:] {
		k, err := c.Tx.Lookup(name)
		if err != nil {
			return err
		}
		if !k.Exists() {
			continue
		}
		if err := k.Remove(); err != nil {
			return err
		}
		k.Changed('g', "del")
		n++
	}
	c.Out.Int(int64(n))
	return nil
}

// exists counts the keys that there are. TOUCH does the same: nobody notes when a key was used.
func exists(c *Call) error {
	n := 0
	for _, name := range c.Args[1:] {
		k, err := c.Tx.Lookup(name)
		if err != nil {
			return err
		}
		if k.Exists() {
			n++
		}
	}
	c.Out.Int(int64(n))
	return nil
}

func typeOf(c *Call) error {
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	c.Out.SimpleString(k.Type().String())
	return nil
}

func dbSize(c *Call) error {
	n, err := c.Tx.Size(c.Tx.DB)
	if err != nil {
		return err
	}
	c.Out.Int(n.Keys)
	return nil
}

func rename(c *Call) error   { return renameKey(c, true) }
func renameNX(c *Call) error { return renameKey(c, false) }

func renameKey(c *Call, replace bool) error {
	from, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if !from.Exists() {
		return ErrNoKey
	}
	same := bytes.Equal(c.Arg(1), c.Arg(2))
	to, err := c.Tx.Lookup(c.Arg(2))
	if err != nil {
		return err
	}
	if replace {
		c.Out.OK()
	} else {
		if to.Exists() {
			c.Out.Int(0)
			return nil
		}
		c.Out.Int(1)
	}
	if same {
		return nil
	}
	if err := from.Rename(&to); err != nil {
		return err
	}
	from.Changed('g', "rename_from")
	appeared(&to, "rename_to")
	return nil
}

// appeared notes that a key got a value that was there before.
func appeared(k *keyspace.Key, event string) {
	k.Changed('g', event)
	if k.Type() == keyspace.ListType || k.Type() == keyspace.SortedSetType {
		k.Ready()
	}
}

// databaseArg returns the database that an argument means.
func databaseArg(arg []byte) (int, error) {
	n, ok := resp.ParseInt(arg)
	if !ok {
		return 0, ErrNotInt
	}
	if n < 0 || n >= keyspace.Databases {
		return 0, Error("ERR DB index is out of range")
	}
	return int(n), nil
}

const errSameObject Error = "ERR source and destination objects are the same"

func move(c *Call) error {
	db, err := databaseArg(c.Arg(2))
	if err != nil {
		return err
	}
	if db == c.Tx.DB {
		return errSameObject
	}
	from, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	to, err := c.Tx.LookupIn(db, c.Arg(1))
	if err != nil {
		return err
	}
	if !from.Exists() || to.Exists() {
		c.Out.Int(0)
		return nil
	}
	if err := from.Rename(&to); err != nil {
		return err
	}
	from.Changed('g', "move_from")
	appeared(&to, "move_to")
	c.Out.Int(1)
	return nil
}

func copyKey(c *Call) error {
	db, replace := c.Tx.DB, false
	for i := 3; i < len(c.Args); i++ {
		switch arg := c.Arg(i); {
		case is(arg, "REPLACE"):
			replace = true
		case is(arg, "DB") && i+1 < len(c.Args):
			i++
			var err error
			if db, err = databaseArg(c.Arg(i)); err != nil {
				return err
			}
		default:
			return ErrSyntax
		}
	}
	if db == c.Tx.DB && bytes.Equal(c.Arg(1), c.Arg(2)) {
		return errSameObject
	}
	from, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	to, err := c.Tx.LookupIn(db, c.Arg(2))
	if err != nil {
		return err
	}
	if !from.Exists() || to.Exists() && !replace {
		c.Out.Int(0)
		return nil
	}
	if err := to.Remove(); err != nil {
		return err
	}
	if err := from.Copy(&to); err != nil {
		return err
	}
	appeared(&to, "copy_to")
	c.Out.Int(1)
	return nil
}

// flushes checks the arguments of FLUSHDB and FLUSHALL. ASYNC and SYNC are the same: keys are gone at
// once, and collected later.
func flushes(c *Call) error {
	if n := len(c.Args); n > 2 || n == 2 && !is(c.Arg(1), "ASYNC") && !is(c.Arg(1), "SYNC") {
		return ErrSyntax
	}
	c.Out.OK()
	return nil
}

func flushDB(c *Call) error {
	if err := flushes(c); err != nil {
		return err
	}
	return c.Tx.Flush(c.Tx.DB)
}

func flushAll(c *Call) error {
	if err := flushes(c); err != nil {
		return err
	}
	for db := range keyspace.Databases {
		if err := c.Tx.Flush(db); err != nil {
			return err
		}
	}
	return nil
}

func swapDB(c *Call) error {
	a, errA := databaseArg(c.Arg(1))
	b, errB := databaseArg(c.Arg(2))
	switch {
	case errA == ErrNotInt: //nolint:errorlint // it is the reply itself
		return Error("ERR invalid first DB index")
	case errB == ErrNotInt: //nolint:errorlint // it is the reply itself
		return Error("ERR invalid second DB index")
	case errA != nil:
		return errA
	case errB != nil:
		return errB
	}
	c.Out.OK()
	return c.Tx.Swap(a, b)
}
