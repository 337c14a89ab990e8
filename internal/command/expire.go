package command

import (
	"math"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func expiryCommands() []*Command {
	one := Keys{First: 1, Last: 1, Step: 1}
	return []*Command{
		{Name: "expire", Group: "keyspace", Arity: -3, Flags: Write | Fast, Keys: one, Run: expire},
		{Name: "expireat", Group: "keyspace", Arity: -3, Flags: Write | Fast, Keys: one, Run: expireAtSeconds},
		{Name: "expiretime", Group: "keyspace", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: expireTime},
		{Name: "persist", Group: "keyspace", Arity: 2, Flags: Write | Fast, Keys: one, Run: persist},
		{Name: "pexpire", Group: "keyspace", Arity: -3, Flags: Write | Fast, Keys: one, Run: pExpire},
		{Name: "pexpireat", Group: "keyspace", Arity: -3, Flags: Write | Fast, Keys: one, Run: pExpireAt},
		{Name: "pexpiretime", Group: "keyspace", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: pExpireTime},
		{Name: "pttl", Group: "keyspace", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: pTTL},
		{Name: "ttl", Group: "keyspace", Arity: 2, Flags: ReadOnly | Fast, Keys: one, Run: ttl},
	}
}

// invalidExpiry is the reply to a time that nothing can expire at.
func invalidExpiry(c *Call) Error {
	return Errorf("ERR invalid expire time in '%s' command", c.Name)
}

// expiryTime returns a time in milliseconds since 1970 that an argument means, in seconds or milliseconds, from
// now or since 1970. It may be over.
func expiryTime(c *Call, n int64, seconds, fromNow bool) (int64, error) {
	if seconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, invalidExpiry(c)
		}
		n *= 1000
	}
	if fromNow {
		if n > math.MaxInt64-c.Tx.Now {
			return 0, invalidExpiry(c)
		}
		n += c.Tx.Now
	}
	return n, nil
}

func expire(c *Call) error          { return expireIf(c, true, true) }
func pExpire(c *Call) error         { return expireIf(c, false, true) }
func expireAtSeconds(c *Call) error { return expireIf(c, true, false) }
func pExpireAt(c *Call) error       { return expireIf(c, false, false) }

// expireCondition says when a key's expiry is changed.
type expireCondition struct{ never, ever, later, earlier bool }

func parseExpireCondition(args [][]byte) (o expireCondition, err error) {
	for _, arg := range args {
		switch {
		case is(arg, "NX"):
			o.never = true
		case is(arg, "XX"):
			o.ever = true
		case is(arg, "GT"):
			o.later = true
		case is(arg, "LT"):
			o.earlier = true
		default:
			return o, Errorf("ERR Unsupported option %s", arg)
		}
	}
	if o.never && (o.ever || o.later || o.earlier) {
		return o, Error("ERR NX and XX, GT or LT options at the same time are not compatible")
	}
	if o.later && o.earlier {
		return o, Error("ERR GT and LT options at the same time are not compatible")
	}
	return o, nil
}

// holds tells whether a key that expires at a time, 0 for never, is to expire at another one. Never is later than all.
func (o expireCondition) holds(before, at int64) bool {
	switch {
	case o.never && before != 0, o.ever && before == 0:
		return false
	case o.later:
		return before != 0 && at > before
	case o.earlier:
		return before == 0 || at < before
	}
	return true
}

func expireIf(c *Call, seconds, fromNow bool) error {
	condition, err := parseExpireCondition(c.Args[3:])
	if err != nil {
		return err
	}
	n, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	at, err := expiryTime(c, n, seconds, fromNow)
	if err != nil {
		return err
	}
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if !k.Exists() || !condition.holds(k.Expiry(), at) {
		c.Out.Int(0)
		return nil
	}
	c.Out.Int(1)
	return expireAt(c, &k, at)
}

// expireAt makes a key expire. If the time is over, it is removed.
func expireAt(c *Call, k *keyspace.Key, at int64) error {
	if at <= c.Tx.Now {
		if err := k.Remove(); err != nil {
			return err
		}
		k.Changed('g', "del")
		return nil
	}
	k.SetExpiry(at)
	if err := k.Save(); err != nil {
		return err
	}
	k.Changed('g', "expire")
	return nil
}

func persist(c *Call) error {
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	if k.Expiry() == 0 {
		c.Out.Int(0)
		return nil
	}
	c.Out.Int(1)
	return persistKey(&k)
}

// persistKey makes a key stay.
func persistKey(k *keyspace.Key) error {
	k.SetExpiry(0)
	if err := k.Save(); err != nil {
		return err
	}
	k.Changed('g', "persist")
	return nil
}

func ttl(c *Call) error         { return replyExpiry(c, true, true) }
func pTTL(c *Call) error        { return replyExpiry(c, false, true) }
func expireTime(c *Call) error  { return replyExpiry(c, true, false) }
func pExpireTime(c *Call) error { return replyExpiry(c, false, false) }

func replyExpiry(c *Call, seconds, fromNow bool) error {
	k, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	at := k.Expiry()
	switch {
	case !k.Exists():
		at = -2
	case at == 0:
		at = -1
	default:
		if fromNow {
			at -= c.Tx.Now
		}
		if seconds {
			at = at/1000 + (at%1000+500)/1000 // at+500 may be too large
		}
	}
	c.Out.Int(at)
	return nil
}
