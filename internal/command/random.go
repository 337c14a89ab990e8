package command

import (
	"math"
	"math/rand/v2"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// randomCount parses how many random elements are wanted: if negative, of so many draws each may be any of them again.
func randomCount(arg []byte) (int64, error) {
	n, ok := resp.ParseInt(arg)
	if !ok {
		return 0, ErrNotInt
	}
	if n == math.MinInt64 {
		return 0, errLongRange
	}
	return n, nil
}

// randomMembers calls visit with members of a set that is not empty, as many as randomCount says.
func randomMembers(c *Call, d *keyspace.Dict, count int64, visit func(member []byte) error) error {
	at := func(place int) error {
		member, err := d.At(place)
		if err != nil {
			return err
		}
		if c.Out.Full() {
			return ErrReplyTooLarge
		}
		return visit(member)
	}
	size := d.Len()
	if count < 0 {
		for ; count < 0; count++ {
			if err := at(rand.IntN(size)); err != nil {
				return err
			}
		}
		return nil
	}
	if count >= int64(size) {
		for place := range size {
			if err := at(place); err != nil {
				return err
			}
		}
		return nil
	}
	// Floyd's sampling: each subset is as likely as any other, and only what is taken is remembered.
	taken := make(map[int]struct{}, count)
	for last := size - int(count); last < size; last++ {
		place := rand.IntN(last + 1)
		if _, ok := taken[place]; ok {
			place = last
		}
		taken[place] = struct{}{}
		if err := at(place); err != nil {
			return err
		}
	}
	return nil
}

// randomLen is how many members randomMembers visits.
func randomLen(d *keyspace.Dict, count int64) int64 {
	if count < 0 {
		return -count
	}
	return min(count, int64(d.Len()))
}

func hrandfield(c *Call) error {
	return random(c, "WITHVALUES", func() (*keyspace.Dict, func([]byte) error, error) {
		h, _, err := hash(c)
		return h, func(field []byte) error { return replyField(c, h, field) }, err
	})
}

func zrandmember(c *Call) error {
	return random(c, "WITHSCORES", func() (*keyspace.Dict, func([]byte) error, error) {
		z, _, err := sortedSet(c)
		if err != nil {
			return nil, nil, err
		}
		return z.Dict(), func(member []byte) error { return replyScore(c, z, member) }, nil
	})
}

func srandmember(c *Call) error {
	if len(c.Args) > 3 {
		return ErrSyntax
	}
	return random(c, "", func() (*keyspace.Dict, func([]byte) error, error) {
		s, _, err := setOf(c)
		return s, nil, err
	})
}

// random replies with random members, and if the last argument is a word with what they have: open returns the members and
// what replies with that.
func random(c *Call, word string, open func() (*keyspace.Dict, func(member []byte) error, error)) error {
	if len(c.Args) == 2 {
		d, _, err := open()
		if err != nil {
			return err
		}
		return replyRandom(c, d)
	}
	count, err := randomCount(c.Arg(2))
	if err != nil {
		return err
	}
	withValues := len(c.Args) == 4 && is(c.Arg(3), word)
	if len(c.Args) > 3 && !withValues {
		return ErrSyntax
	}
	if withValues && (count < -math.MaxInt64/2 || count > math.MaxInt64/2) {
		return Error("ERR value is out of range")
	}
	d, replyValue, err := open()
	if err != nil {
		return err
	}
	if d.Len() == 0 {
		c.Out.Array(0)
		return nil
	}
	pairs := withValues && c.Out.Proto >= 3
	n := randomLen(d, count)
	if withValues && !pairs {
		n *= 2
	}
	c.Out.Array(int(n))
	return randomMembers(c, d, count, func(member []byte) error {
		if pairs {
			c.Out.Array(2)
		}
		c.Out.Bulk(member)
		if !withValues {
			return nil
		}
		return replyValue(member)
	})
}

// replyRandom replies with one member.
func replyRandom(c *Call, d *keyspace.Dict) error {
	if d.Len() == 0 {
		c.Out.Null()
		return nil
	}
	return randomMembers(c, d, 1, func(member []byte) error {
		c.Out.Bulk(member)
		return nil
	})
}

func spop(c *Call) error {
	if len(c.Args) > 3 {
		return ErrSyntax
	}
	count := 1
	if len(c.Args) == 3 {
		var err error
		if count, err = countArg(c.Arg(2)); err != nil {
			return err
		}
	}
	s, k, err := setOf(c)
	if err != nil {
		return err
	}
	count = min(count, s.Len())
	switch {
	case len(c.Args) == 3:
		c.Out.Set(count)
	case count == 0:
		c.Out.Null()
	}
	if count == 0 {
		return nil
	}
	for range count {
		member, err := s.At(rand.IntN(s.Len()))
		if err != nil {
			return err
		}
		c.Out.Bulk(member)
		if _, err := s.Delete(member); err != nil {
			return err
		}
	}
	return saveSet(s, k, "spop")
}
