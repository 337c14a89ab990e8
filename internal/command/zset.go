package command

import (
	"math"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

const errNaN Error = "ERR resulting score is not a number (NaN)"

func zsetCommands() []*Command {
	one := Keys{First: 1, Last: 1, Step: 1}
	const write, read = Write | DenyOOM | Fast, ReadOnly | Fast
	return []*Command{
		{Name: "zadd", Group: "sortedset", Arity: -4, Flags: write, Keys: one, Run: zadd},
		{Name: "zincrby", Group: "sortedset", Arity: 4, Flags: write, Keys: one, Run: zincrby},
		{Name: "zrem", Group: "sortedset", Arity: -3, Flags: Write | Fast, Keys: one, Run: zrem},
		{Name: "zcard", Group: "sortedset", Arity: 2, Flags: read, Keys: one, Run: zcard},
		{Name: "zscore", Group: "sortedset", Arity: 3, Flags: read, Keys: one, Run: zscore},
		{Name: "zmscore", Group: "sortedset", Arity: -3, Flags: read, Keys: one, Run: zmscore},
		{Name: "zrank", Group: "sortedset", Arity: 3, Flags: read, Keys: one, Run: zrank},
		{Name: "zrevrank", Group: "sortedset", Arity: 3, Flags: read, Keys: one, Run: zrevrank},
		{Name: "zrandmember", Group: "sortedset", Arity: -2, Flags: ReadOnly, Keys: one, Run: zrandmember},
		{Name: "zscan", Group: "sortedset", Arity: -3, Flags: ReadOnly, Keys: one, Run: zscan},
	}
}

// sortedSet returns the sorted set that the first argument names.
func sortedSet(c *Call) (*keyspace.SortedSet, *keyspace.Key, error) {
	return c.Tx.SortedSet(c.Arg(1))
}

func saveSortedSet(z *keyspace.SortedSet, k *keyspace.Key, event string) error {
	if err := z.Save(); err != nil {
		return err
	}
	changed(k, 'z', event)
	return nil
}

// zaddOptions say which members ZADD changes, and what it replies.
type zaddOptions struct {
	nx, xx, gt, lt, ch, incr bool
}

// parseZadd parses the options and returns what follows them.
func parseZadd(args [][]byte) (o zaddOptions, pairs [][]byte) {
	for ; len(args) > 0; args = args[1:] {
		switch arg := args[0]; {
		case is(arg, "NX"):
			o.nx = true
		case is(arg, "XX"):
			o.xx = true
		case is(arg, "GT"):
			o.gt = true
		case is(arg, "LT"):
			o.lt = true
		case is(arg, "CH"):
			o.ch = true
		case is(arg, "INCR"):
			o.incr = true
		default:
			return o, args
		}
	}
	return o, nil
}

func (o *zaddOptions) check(pairs [][]byte) error {
	switch {
	case len(pairs) == 0 || len(pairs)%2 != 0:
		return ErrSyntax
	case o.nx && o.xx:
		return Error("ERR XX and NX options at the same time are not compatible")
	case o.gt && o.nx, o.lt && o.nx, o.gt && o.lt:
		return Error("ERR GT, LT, and/or NX options at the same time are not compatible")
	case o.incr && len(pairs) > 2:
		return Error("ERR INCR option supports a single increment-element pair")
	}
	return nil
}

// next returns the score that a member gets, and whether it gets one.
func (o *zaddOptions) next(score, before float64, exists bool) (float64, bool, error) {
	if !exists {
		return score, !o.xx, nil
	}
	if o.nx {
		return 0, false, nil
	}
	if o.incr {
		score += before
		if math.IsNaN(score) {
			return 0, false, errNaN
		}
	}
	return score, !(o.lt && score >= before || o.gt && score <= before), nil
}

func zadd(c *Call) error {
	o, pairs := parseZadd(c.Args[2:])
	return addScores(c, o, pairs)
}

func zincrby(c *Call) error { return addScores(c, zaddOptions{incr: true}, c.Args[2:]) }

func addScores(c *Call, o zaddOptions, pairs [][]byte) error {
	if err := o.check(pairs); err != nil {
		return err
	}
	scores := make([]float64, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		score, ok := resp.ParseFloat(pairs[i])
		if !ok {
			return ErrNotFloat
		}
		scores = append(scores, score)
	}
	z, k, err := sortedSet(c)
	if err != nil {
		return err
	}
	for i := 1; i < len(pairs); i += 2 {
		if len(pairs[i]) > keyspace.MemberBytesMax {
			return keyspace.ErrMemberTooLong
		}
	}
	return o.apply(c, z, k, scores, pairs)
}

// apply gives scores to the members at odd places of the pairs, and replies.
func (o *zaddOptions) apply(c *Call, z *keyspace.SortedSet, k *keyspace.Key, scores []float64, pairs [][]byte) error {
	added, updated := 0, 0
	for i, score := range scores {
		member := pairs[2*i+1]
		before, exists, err := z.Get(member)
		if err != nil {
			return err
		}
		score, wanted, err := o.next(score, before, exists)
		if err != nil {
			return err
		}
		if o.incr && wanted {
			c.Out.Double(score)
		} else if o.incr {
			c.Out.Null()
		}
		switch {
		case !wanted || exists && score == before:
			continue
		case exists:
			updated++
		default:
			added++
		}
		if _, err := z.Put(member, score); err != nil {
			return err
		}
	}
	event := "zincr"
	if !o.incr {
		event = "zadd"
		n := added
		if o.ch {
			n += updated
		}
		c.Out.Int(int64(n))
	}
	if added+updated == 0 {
		return nil
	}
	if added > 0 {
		k.Ready()
	}
	return saveSortedSet(z, k, event)
}

func zrem(c *Call) error {
	z, k, err := sortedSet(c)
	if err != nil {
		return err
	}
	return deleteMembers(c, z.Delete, func() error { return saveSortedSet(z, k, "zrem") })
}

func zcard(c *Call) error {
	z, _, err := sortedSet(c)
	if err != nil {
		return err
	}
	c.Out.Int(int64(z.Len()))
	return nil
}

func zscore(c *Call) error {
	z, _, err := sortedSet(c)
	if err != nil {
		return err
	}
	return replyScore(c, z, c.Arg(2))
}

func zmscore(c *Call) error {
	z, _, err := sortedSet(c)
	if err != nil {
		return err
	}
	return replyEach(c, func(member []byte) error { return replyScore(c, z, member) })
}

func replyScore(c *Call, z *keyspace.SortedSet, member []byte) error {
	score, ok, err := z.Get(member)
	if ok {
		c.Out.Double(score)
	} else {
		c.Out.Null()
	}
	return err
}

func zrank(c *Call) error { return replyRank(c, false) }

func zrevrank(c *Call) error { return replyRank(c, true) }

func replyRank(c *Call, reverse bool) error {
	z, _, err := sortedSet(c)
	if err != nil {
		return err
	}
	rank, ok, err := z.Rank(c.Arg(2))
	switch {
	case !ok:
		c.Out.Null()
	case reverse:
		c.Out.Int(int64(z.Len() - 1 - rank))
	default:
		c.Out.Int(int64(rank))
	}
	return err
}
