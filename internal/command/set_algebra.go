package command

import (
	"math"
	"slices"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// setOperation makes members of those of sets, at most limit.
type setOperation func(sets []*keyspace.Dict, limit int) ([][]byte, error)

// sets returns the sets of keys, all of which must be sets or missing.
func sets(c *Call, keys [][]byte) ([]*keyspace.Dict, error) {
	found := make([]*keyspace.Dict, len(keys))
	for i, key := range keys {
		var err error
		if found[i], _, err = c.Tx.Dict(key, keyspace.SetType); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// intersection looks for the members of the smallest set in all others.
func intersection(sets []*keyspace.Dict, limit int) (members [][]byte, err error) {
	slices.SortStableFunc(sets, bySize)
next:
	for member := range sets[0].Members() {
		for _, other := range sets[1:] {
			if _, ok, err := other.Get(member); err != nil {
				return nil, err
			} else if !ok {
				continue next
			}
		}
		if members = append(members, member); len(members) >= limit {
			break
		}
	}
	return members, nil
}

func bySize(a, b *keyspace.Dict) int { return a.Len() - b.Len() }

func union(sets []*keyspace.Dict, limit int) (members [][]byte, err error) {
	seen := map[string]struct{}{}
	for _, s := range sets {
		for member := range s.Members() {
			if _, ok := seen[string(member)]; ok {
				continue
			}
			if len(members) >= limit {
				return members, nil
			}
			seen[string(member)] = struct{}{}
			members = append(members, member)
		}
	}
	return members, nil
}

// difference does the smaller work: to look for the first set's members in the others, or for the others' in the first.
func difference(sets []*keyspace.Dict, limit int) (members [][]byte, err error) {
	first, others := sets[0], sets[1:]
	if first.Len() == 0 {
		return nil, nil
	}
	sum := 0
	for _, other := range others {
		sum += other.Len()
	}
	gone := map[string]struct{}{}
	if all := first.Len() + sum; first.Len()*len(others) > all {
		for _, other := range others {
			for member := range other.Members() {
				gone[string(member)] = struct{}{}
			}
		}
		others = nil
	}
	slices.SortStableFunc(others, func(a, b *keyspace.Dict) int { return bySize(b, a) })
next:
	for member := range first.Members() {
		if _, ok := gone[string(member)]; ok {
			continue
		}
		for _, other := range others {
			if _, ok, err := other.Get(member); err != nil {
				return nil, err
			} else if ok {
				continue next
			}
		}
		if members = append(members, member); len(members) >= limit {
			break
		}
	}
	return members, nil
}

// algebra makes a command that replies with what an operation makes of the sets of its keys.
func algebra(op setOperation) func(*Call) error {
	return func(c *Call) error {
		in, err := sets(c, c.Args[1:])
		if err != nil {
			return err
		}
		members, err := op(in, math.MaxInt)
		if err != nil {
			return err
		}
		c.Out.Set(len(members))
		for _, m := range members {
			c.Out.Bulk(m)
		}
		return nil
	}
}

// algebraStore makes a command that keeps the result in its first key, whatever that was before.
func algebraStore(op setOperation) func(*Call) error {
	return func(c *Call) error {
		in, err := sets(c, c.Args[2:])
		if err != nil {
			return err
		}
		members, err := op(in, math.MaxInt)
		if err != nil {
			return err
		}
		old, err := c.Tx.Lookup(c.Arg(1))
		if err != nil {
			return err
		}
		c.Out.Int(int64(len(members)))
		existed := old.Exists()
		if err := old.Remove(); err != nil {
			return err
		}
		if len(members) == 0 {
			if existed {
				old.Changed('g', "del")
			}
			return nil
		}
		s, k, err := setOf(c)
		if err != nil {
			return err
		}
		for _, m := range members {
			if _, err := s.Put(m, nil); err != nil {
				return err
			}
		}
		return saveSet(s, k, c.Name)
	}
}

func sintercard(c *Call) error {
	keys, options, err := numKeys(c.Args, 1)
	if err != nil {
		return err
	}
	limit, err := cardLimit(options)
	if err != nil {
		return err
	}
	in, err := sets(c, keys)
	if err != nil {
		return err
	}
	members, err := intersection(in, limit)
	c.Out.Int(int64(len(members)))
	return err
}

// cardLimit parses the options of SINTERCARD and ZINTERCARD.
func cardLimit(options [][]byte) (int, error) {
	limit := int64(0)
	for ; len(options) > 0; options = options[2:] {
		if len(options) < 2 || !is(options[0], "LIMIT") {
			return 0, ErrSyntax
		}
		var ok bool
		if limit, ok = resp.ParseInt(options[1]); !ok || limit < 0 {
			return 0, Error("ERR LIMIT can't be negative")
		}
	}
	if limit == 0 {
		limit = math.MaxInt64
	}
	return int(limit), nil
}
