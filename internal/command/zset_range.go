package command

import (
	"bytes"
	"iter"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/keyspace/counted"
	"github.com/godwitdb/godwit/internal/resp"
)

func zsetRangeCommands() []*Command {
	one := Keys{First: 1, Last: 1, Step: 1}
	const group = "sortedset"
	return []*Command{
		{Name: "zcount", Group: group, Arity: 4, Flags: ReadOnly | Fast, Keys: one, Run: zcount(byScore)},
		{Name: "zlexcount", Group: group, Arity: 4, Flags: ReadOnly | Fast, Keys: one, Run: zcount(byLex)},
		{Name: "zrange", Group: group, Arity: -4, Flags: ReadOnly, Keys: one, Run: zrange(zrangeOptions{open: true})},
		{Name: "zrevrange", Group: group, Arity: -4, Flags: ReadOnly, Keys: one, Run: zrange(zrangeOptions{reverse: true})},
		{Name: "zrangebyscore", Group: group, Arity: -4, Flags: ReadOnly, Keys: one, Run: zrange(zrangeOptions{by: ofScores})},
		{Name: "zrevrangebyscore", Group: group, Arity: -4, Flags: ReadOnly, Keys: one, Run: zrange(zrangeOptions{by: ofScores, reverse: true})},
		{Name: "zrangebylex", Group: group, Arity: -4, Flags: ReadOnly, Keys: one, Run: zrange(zrangeOptions{by: ofMembers})},
		{Name: "zrevrangebylex", Group: group, Arity: -4, Flags: ReadOnly, Keys: one, Run: zrange(zrangeOptions{by: ofMembers, reverse: true})},
		{Name: "zrangestore", Group: group, Arity: -5, Flags: Write | DenyOOM, Keys: Keys{First: 1, Last: 2, Step: 1}, Run: zrangestore},
		{Name: "zremrangebyrank", Group: group, Arity: 4, Flags: Write, Keys: one, Run: zremrange(byRank)},
		{Name: "zremrangebyscore", Group: group, Arity: 4, Flags: Write, Keys: one, Run: zremrange(byScore)},
		{Name: "zremrangebylex", Group: group, Arity: 4, Flags: Write, Keys: one, Run: zremrange(byLex)},
	}
}

// zcount makes a command that counts the members of a range.
func zcount(parse parseRanks) func(*Call) error {
	return func(c *Call) error {
		find, err := parse(c.Arg(2), c.Arg(3))
		if err != nil {
			return err
		}
		z, _, err := sortedSet(c)
		if err != nil {
			return err
		}
		from, to, err := find(z)
		c.Out.Int(int64(to - from))
		return err
	}
}

// zremrange makes a command that removes the members of a range.
func zremrange(parse parseRanks) func(*Call) error {
	return func(c *Call) error {
		find, err := parse(c.Arg(2), c.Arg(3))
		if err != nil {
			return err
		}
		z, k, err := sortedSet(c)
		if err != nil {
			return err
		}
		from, to, err := find(z)
		if err != nil {
			return err
		}
		c.Out.Int(int64(to - from))
		if from == to {
			return nil
		}
		if err := z.DeleteRange(from, to); err != nil {
			return err
		}
		return saveSortedSet(z, k, c.Name)
	}
}

// order is what the ends of a range are.
type order int

const (
	ofRanks order = iota
	ofScores
	ofMembers
)

// zrangeOptions are what the commands of the ZRANGE family differ in.
type zrangeOptions struct {
	by         order
	reverse    bool
	open       bool // arguments say by what, and which way
	store      bool // there are no scores to reply
	withScores bool
	offset     int64
	limit      int64 // negative: no limit
}

// parse parses the arguments behind the range.
func (o *zrangeOptions) parse(args [][]byte) error {
	o.limit = -1
	said := !o.open
	for ; len(args) > 0; args = args[1:] {
		switch arg := args[0]; {
		case !o.store && is(arg, "WITHSCORES"):
			o.withScores = true
		case len(args) > 2 && is(arg, "LIMIT"):
			var ok1, ok2 bool
			o.offset, ok1 = resp.ParseInt(args[1])
			o.limit, ok2 = resp.ParseInt(args[2])
			if !ok1 || !ok2 {
				return ErrNotInt
			}
			args = args[2:]
		case o.open && !o.reverse && is(arg, "REV"):
			o.reverse = true
		case !said && is(arg, "BYSCORE"):
			o.by, said = ofScores, true
		case !said && is(arg, "BYLEX"):
			o.by, said = ofMembers, true
		default:
			return ErrSyntax
		}
	}
	if o.by == ofRanks && o.limit == -1 {
		o.offset = 0 // as if there were no LIMIT
	}
	switch {
	case o.limit != -1 && o.by == ofRanks:
		return Error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
	case o.withScores && o.by == ofMembers:
		return Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
	}
	return nil
}

// ranks parses the ends of the range. Those of scores and members begin with the higher one if it is reversed.
func (o *zrangeOptions) ranks(first, last []byte) (ranks, error) {
	switch {
	case o.by == ofRanks && o.reverse:
		return byRevRank(first, last)
	case o.by == ofRanks:
		return byRank(first, last)
	case o.reverse:
		first, last = last, first
	}
	if o.by == ofScores {
		return byScore(first, last)
	}
	return byLex(first, last)
}

// find finds the members of the range of some arguments, a key first, and returns how many there are.
func (o *zrangeOptions) find(c *Call, args [][]byte) (iter.Seq[counted.Entry], int, error) {
	if err := o.parse(args[3:]); err != nil {
		return nil, 0, err
	}
	find, err := o.ranks(args[1], args[2])
	if err != nil {
		return nil, 0, err
	}
	z, _, err := c.Tx.SortedSet(args[0])
	if err != nil {
		return nil, 0, err
	}
	from, to, err := find(z)
	if err != nil {
		return nil, 0, err
	}
	n := int64(to - from)
	skip := min(o.offset, n)
	if skip < 0 {
		skip = n
	}
	n -= skip
	if o.limit >= 0 {
		n = min(n, o.limit)
	}
	if o.reverse {
		to -= int(skip)
		return z.Descend(to-int(n), to), int(n), nil
	}
	from += int(skip)
	return z.Ascend(from, from+int(n)), int(n), nil
}

// zrange makes a command of the family.
func zrange(options zrangeOptions) func(*Call) error {
	return func(c *Call) error {
		o := options
		entries, n, err := o.find(c, c.Args[1:])
		if err != nil {
			return err
		}
		beginEntries(c, n, o.withScores)
		for e := range entries {
			replyEntry(c, e, o.withScores)
		}
		return nil
	}
}

// beginEntries begins a reply of n members: with scores pairs, which RESP2 has one behind the other.
func beginEntries(c *Call, n int, withScores bool) {
	if withScores && c.Out.Proto < 3 {
		n *= 2
	}
	c.Out.Array(n)
}

func replyEntry(c *Call, e counted.Entry, withScores bool) {
	if withScores && c.Out.Proto >= 3 {
		c.Out.Array(2)
	}
	c.Out.Bulk(e.Member)
	if withScores {
		c.Out.Double(e.Score)
	}
}

func zrangestore(c *Call) error {
	o := zrangeOptions{open: true, store: true}
	found, n, err := o.find(c, c.Args[2:])
	if err != nil {
		return err
	}
	entries := make([]counted.Entry, 0, n)
	for e := range found {
		entries = append(entries, e)
	}
	return storeEntries(c, entries)
}

// storeEntries makes the first argument a sorted set of these members, whatever it was before.
func storeEntries(c *Call, entries []counted.Entry) error {
	for _, e := range entries {
		if len(e.Member) > keyspace.MemberBytesMax {
			return keyspace.ErrMemberTooLong
		}
	}
	if err := c.Tx.Err(); err != nil {
		return err
	}
	old, err := c.Tx.Lookup(c.Arg(1))
	if err != nil {
		return err
	}
	c.Out.Int(int64(len(entries)))
	existed := old.Exists()
	if err := old.Remove(); err != nil {
		return err
	}
	if len(entries) == 0 {
		if existed {
			old.Changed('g', "del")
		}
		return nil
	}
	z, k, err := sortedSet(c)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, err := z.Put(e.Member, e.Score); err != nil {
			return err
		}
	}
	k.Ready()
	return saveSortedSet(z, k, c.Name)
}

func compareEntries(a, b counted.Entry) int {
	switch {
	case a.Score < b.Score:
		return -1
	case a.Score > b.Score:
		return 1
	}
	return bytes.Compare(a.Member, b.Member)
}
