package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/rdb"
	"github.com/godwitdb/godwit/internal/resp"
)

func dumpCommands() []*Command {
	one := Keys{First: 1, Last: 1, Step: 1}
	return []*Command{
		{Name: "dump", Group: "keyspace", Arity: 2, Flags: ReadOnly, Keys: one, Run: dump},
		{Name: "restore", Group: "keyspace", Arity: -4, Flags: Write | DenyOOM | Dangerous, Keys: one, Run: restore},
	}
}

// dumpBytesMax bounds a dumped value.
const dumpBytesMax = ReplyBytesMax / 2

const (
	errBadData  Error = "ERR Bad data format"
	errChecksum Error = "ERR DUMP payload version or checksum are wrong"
)

func dump(c *Call) error {
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if !k.Exists() {
		c.Out.Null()
		return nil
	}
	v, err := dumped(c, &k)
	if err != nil {
		return err
	}
	c.Out.Bulk(rdb.Append(nil, v))
	return nil
}

// dumped returns a key's value for a dump.
func dumped(c *Call, k *keyspace.Key) (v rdb.Value, err error) {
	size := 0
	add := func(item []byte) error {
		if size += len(item); size > dumpBytesMax {
			return Errorf("ERR a value is dumped up to %d bytes", dumpBytesMax)
		}
		v.Items = append(v.Items, item)
		return nil
	}
	switch k.Type() {
	case keyspace.StringType:
		v.Kind = rdb.String
		value, err := k.Value()
		if err != nil {
			return v, err
		}
		return v, add(value)
	case keyspace.ListType:
		v.Kind = rdb.List
		l, _, err := c.Tx.List(k.Name())
		if err != nil {
			return v, err
		}
		for i := range l.Len() {
			item, err := l.At(i)
			if err != nil {
				return v, err
			}
			if err := add(item); err != nil {
				return v, err
			}
		}
		return v, nil
	case keyspace.SetType, keyspace.HashType:
		v.Kind = rdb.Set
		d, _, err := c.Tx.Dict(k.Name(), k.Type())
		if err != nil {
			return v, err
		}
		for member, value := range d.All() {
			if err := add(member); err != nil {
				return v, err
			}
			if k.Type() == keyspace.SetType {
				continue
			}
			v.Kind = rdb.Hash
			if err := add(value); err != nil {
				return v, err
			}
		}
		return v, c.Tx.Err()
	}
	v.Kind = rdb.SortedSet
	z, _, err := c.Tx.SortedSet(k.Name())
	if err != nil {
		return v, err
	}
	for e := range z.Ascend(0, z.Len()) {
		if err := add(e.Member); err != nil {
			return v, err
		}
		v.Scores = append(v.Scores, e.Score)
	}
	return v, c.Tx.Err()
}

// restoreOptions are those of RESTORE.
type restoreOptions struct{ replace, absolute, idleTime, freq bool }

// parseRestoreOptions takes the options. How much a value was used is checked and not kept.
func parseRestoreOptions(args [][]byte) (o restoreOptions, err error) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case is(arg, "REPLACE"):
			o.replace = true
		case is(arg, "ABSTTL"):
			o.absolute = true
		case is(arg, "IDLETIME") && i+1 < len(args) && !o.freq:
			i++
			o.idleTime = true
			if n, ok := resp.ParseInt(args[i]); !ok {
				return o, ErrNotInt
			} else if n < 0 {
				return o, Error("ERR Invalid IDLETIME value, must be >= 0")
			}
		case is(arg, "FREQ") && i+1 < len(args) && !o.idleTime:
			i++
			o.freq = true
			if n, ok := resp.ParseInt(args[i]); !ok {
				return o, ErrNotInt
			} else if n < 0 || n > 255 {
				return o, Error("ERR Invalid FREQ value, must be >= 0 and <= 255")
			}
		default:
			return o, ErrSyntax
		}
	}
	return o, nil
}

func restore(c *Call) error {
	o, err := parseRestoreOptions(c.Args[4:])
	if err != nil {
		return err
	}
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if k.Exists() && !o.replace {
		return Error("BUSYKEY Target key name already exists.")
	}
	at, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	if at < 0 {
		return Error("ERR Invalid TTL value, must be >= 0")
	}
	if at != 0 && !o.absolute {
		if at, err = expiryTime(c, at, false, true); err != nil {
			return err
		}
	}
	v, err := decodeDump(c.Arg(3))
	if err != nil {
		return err
	}
	had := k.Exists()
	if err := k.Remove(); err != nil {
		return err
	}
	c.Out.OK()
	if at != 0 && at <= c.Tx.Now {
		if had {
			k.Changed('g', "del")
		}
		return nil
	}
	if err := restoreValue(c, v, at); err != nil {
		return err
	}
	if k, err = c.Tx.Lookup(c.Arg(1)); err != nil {
		return err
	}
	appeared(&k, "restore")
	return nil
}

// decodeDump returns a value that is one that can be stored.
func decodeDump(b []byte) (rdb.Value, error) {
	if rdb.Check(b) != nil {
		return rdb.Value{}, errChecksum
	}
	v, err := rdb.Decode(b)
	if err != nil {
		return v, errBadData
	}
	step := 1
	switch v.Kind {
	case rdb.Hash:
		step = 2
	case rdb.String, rdb.List:
		return v, fit(v.Items)
	}
	seen := make(map[string]struct{}, len(v.Items)/step)
	for i := 0; i < len(v.Items); i += step {
		if _, twice := seen[string(v.Items[i])]; twice {
			return v, errBadData
		}
		seen[string(v.Items[i])] = struct{}{}
		if v.Kind == rdb.SortedSet && len(v.Items[i]) > keyspace.MemberBytesMax {
			return v, keyspace.ErrMemberTooLong
		}
	}
	return v, fit(v.Items)
}

// restoreValue makes a value that of the key, which does not exist.
func restoreValue(c *Call, v rdb.Value, expiry int64) error {
	name := c.Arg(1)
	switch v.Kind {
	case rdb.String:
		k, err := c.Tx.Lookup(name)
		if err != nil {
			return err
		}
		k.SetExpiry(expiry)
		if err := k.SetString(v.Items[0]); err != nil {
			return err
		}
		return k.Save()
	case rdb.List:
		l, k, err := c.Tx.List(name)
		if err != nil {
			return err
		}
		k.SetExpiry(expiry)
		for _, item := range v.Items {
			if err := l.PushTail(item); err != nil {
				return err
			}
		}
		return l.Save()
	case rdb.SortedSet:
		z, k, err := c.Tx.SortedSet(name)
		if err != nil {
			return err
		}
		k.SetExpiry(expiry)
		for i, member := range v.Items {
			if _, err := z.Put(member, v.Scores[i]); err != nil {
				return err
			}
		}
		return z.Save()
	case rdb.Hash:
		return restoreDict(c, keyspace.HashType, v.Items, 2, expiry)
	}
	return restoreDict(c, keyspace.SetType, v.Items, 1, expiry)
}

// restoreDict makes a hash or set of its members, each followed by its value if step is 2.
func restoreDict(c *Call, kind keyspace.Type, items [][]byte, step int, expiry int64) error {
	d, k, err := c.Tx.Dict(c.Arg(1), kind)
	if err != nil {
		return err
	}
	k.SetExpiry(expiry)
	for i := 0; i < len(items); i += step {
		var value []byte
		if step == 2 {
			value = items[i+1]
		}
		if _, err := d.Put(items[i], value); err != nil {
			return err
		}
	}
	return d.Save(kind)
}
