package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// store makes value the string of a key, whatever it had, which expires at a time in milliseconds since
// 1970; 0 for never.
func store(k *keyspace.Key, value []byte, expiry int64) error {
	if err := k.SetString(value); err != nil {
		return err
	}
	k.SetExpiry(expiry)
	if err := k.Save(); err != nil {
		return err
	}
	k.Changed('$', "set")
	if expiry != 0 {
		k.Changed('g', "expire")
	}
	return nil
}

// setOptions are those of SET and GETEX.
type setOptions struct {
	ifExists, ifMissing, get, keepTTL, persist bool

	unit, time []byte // of when it expires, nil for never
}

// parse takes the options that a command has.
func (o *setOptions) parse(args [][]byte, getEx bool) error {
	for i := 0; i < len(args); i++ {
		arg, free := args[i], o.unit == nil && !o.keepTTL && !o.persist
		switch {
		case !getEx && is(arg, "NX") && !o.ifExists:
			o.ifMissing = true
		case !getEx && is(arg, "XX") && !o.ifMissing:
			o.ifExists = true
		case !getEx && is(arg, "GET"):
			o.get = true
		case !getEx && is(arg, "KEEPTTL") && (free || o.keepTTL):
			o.keepTTL = true
		case getEx && is(arg, "PERSIST") && (free || o.persist):
			o.persist = true
		case i+1 < len(args) && free && (is(arg, "EX") || is(arg, "PX") || is(arg, "EXAT") || is(arg, "PXAT")):
			i++
			o.unit, o.time = arg, args[i]
		default:
			return ErrSyntax
		}
	}
	return nil
}

// expiry returns when the key expires, in milliseconds since 1970; 0 for never.
func (o *setOptions) expiry(c *Call) (int64, error) {
	if o.unit == nil {
		return 0, nil
	}
	n, ok := resp.ParseInt(o.time)
	if !ok {
		return 0, ErrNotInt
	}
	if n <= 0 {
		return 0, invalidExpiry(c)
	}
	return expiryTime(c, n, o.unit[0]|0x20 == 'e', len(o.unit) == len("EX"))
}

func set(c *Call) (err error) {
	var o setOptions
	if err := o.parse(c.Args[3:], false); err != nil {
		return err
	}
	expiry, err := o.expiry(c)
	if err != nil {
		return err
	}
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if o.get {
		if k.Exists() && k.Type() != keyspace.StringType {
			return keyspace.ErrWrongType
		}
		if err := replyValue(c, &k); err != nil {
			return err
		}
	}
	if o.ifExists && !k.Exists() || o.ifMissing && k.Exists() {
		if !o.get {
			c.Out.Null()
		}
		return nil
	}
	if o.keepTTL {
		err = change(&k, c.Arg(2), "set")
	} else {
		err = store(&k, c.Arg(2), expiry)
	}
	if err != nil {
		return err
	}
	if !o.get {
		c.Out.OK()
	}
	return nil
}

func setNX(c *Call) error {
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if k.Exists() {
		c.Out.Int(0)
		return nil
	}
	c.Out.Int(1)
	return store(&k, c.Arg(2), 0)
}

func setEx(c *Call) error  { return setExpiring(c, "EX") }
func pSetEx(c *Call) error { return setExpiring(c, "PX") }

func setExpiring(c *Call, unit string) error {
	o := setOptions{unit: []byte(unit), time: c.Arg(2)}
	expiry, err := o.expiry(c)
	if err != nil {
		return err
	}
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	c.Out.OK()
	return store(&k, c.Arg(3), expiry)
}

func getEx(c *Call) error {
	var o setOptions
	if err := o.parse(c.Args[2:], true); err != nil {
		return err
	}
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	if !k.Exists() {
		c.Out.Null()
		return nil
	}
	expiry, err := o.expiry(c)
	if err != nil {
		return err
	}
	if err := replyValue(c, &k); err != nil {
		return err
	}
	switch {
	case o.unit != nil:
		return expireAt(c, &k, expiry)
	case o.persist && k.Expiry() != 0:
		return persistKey(&k)
	}
	return nil
}

func mSet(c *Call) error {
	if len(c.Args)%2 == 0 {
		return wrongArgs(c.Name)
	}
	c.Out.OK()
	return storeAll(c)
}

func mSetNX(c *Call) error {
	if len(c.Args)%2 == 0 {
		return wrongArgs(c.Name)
	}
	for i := 1; i < len(c.Args); i += 2 {
		k, err := c.Tx.Lookup(c.Arg(i))
		if err != nil {
			return err
		}
		if k.Exists() {
			c.Out.Int(0)
			return nil
		}
	}
	c.Out.Int(1)
	return storeAll(c)
}

// storeAll stores the pairs that are a command's arguments.
func storeAll(c *Call) error {
	for i := 1; i < len(c.Args); i += 2 {
		if len(c.Arg(i)) > keyspace.KeyBytesMax {
			return keyspace.ErrTooLong
		}
		if len(c.Arg(i+1)) > keyspace.ValueBytesMax {
			return keyspace.ErrTooLarge
		}
	}
	for i := 1; i < len(c.Args); i += 2 {
		k, err := c.Tx.Lookup(c.Arg(i))
		if err != nil {
			return err
		}
		if err := store(&k, c.Arg(i+1), 0); err != nil {
			return err
		}
	}
	return nil
}
