package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/keyspace/counted"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	errScoreRange Error = "ERR min or max is not a float"
	errLexRange   Error = "ERR min or max not valid string range item"
)

// ranks says which members of a sorted set are meant, as those of the ranks from from to before to.
type ranks func(z *keyspace.SortedSet) (from, to int, err error)

// parseRanks parses the two ends of a range, the lower one first.
type parseRanks func(low, high []byte) (ranks, error)

// byRank parses ranks, which count from the end if they are negative.
func byRank(low, high []byte) (ranks, error) {
	start, ok1 := resp.ParseInt(low)
	stop, ok2 := resp.ParseInt(high)
	if !ok1 || !ok2 {
		return nil, ErrNotInt
	}
	return func(z *keyspace.SortedSet) (int, int, error) {
		n := int64(z.Len())
		from, to := start, stop
		if from < 0 {
			from = max(from+n, 0)
		}
		if to < 0 {
			to += n
		}
		to = min(to, n-1) + 1
		if from >= to {
			return 0, 0, nil
		}
		return int(from), int(to), nil
	}, nil
}

// byRevRank parses ranks that count from the other end.
func byRevRank(low, high []byte) (ranks, error) {
	find, err := byRank(low, high)
	if err != nil {
		return nil, err
	}
	return func(z *keyspace.SortedSet) (int, int, error) {
		from, to, err := find(z)
		return z.Len() - to, z.Len() - from, err
	}, nil
}

// byScore parses scores, one that is not meant itself after a bracket.
func byScore(low, high []byte) (ranks, error) {
	from, ok1 := scoreBound(low, counted.BeforeScore, counted.AfterScore)
	to, ok2 := scoreBound(high, counted.AfterScore, counted.BeforeScore)
	if !ok1 || !ok2 {
		return nil, errScoreRange
	}
	return between(from, to), nil
}

func scoreBound(arg []byte, with, without func(float64) counted.Bound) (counted.Bound, bool) {
	if len(arg) > 0 && arg[0] == '(' {
		arg, with = arg[1:], without
	}
	score, _, ok := resp.ParseLoose(arg)
	return with(score), ok
}

// byLex parses members, one that is meant itself after a square bracket and one that is not after a round one. Minus and
// plus are the ends.
func byLex(low, high []byte) (ranks, error) {
	from, ok1 := lexBound(low, counted.BeforeMember, counted.AfterMember)
	to, ok2 := lexBound(high, counted.AfterMember, counted.BeforeMember)
	if !ok1 || !ok2 {
		return nil, errLexRange
	}
	return between(from, to), nil
}

func lexBound(arg []byte, with, without func([]byte) counted.Bound) (counted.Bound, bool) {
	switch {
	case len(arg) == 0:
	case arg[0] == '[':
		return with(arg[1:]), true
	case arg[0] == '(':
		return without(arg[1:]), true
	case string(arg) == "-":
		return counted.BeforeAll(), true
	case string(arg) == "+":
		return counted.AfterAll(), true
	}
	return counted.Bound{}, false
}

func between(low, high counted.Bound) ranks {
	return func(z *keyspace.SortedSet) (int, int, error) {
		from, err := z.RankOfBound(low)
		if err != nil {
			return 0, 0, err
		}
		to, err := z.RankOfBound(high)
		return from, max(from, to), err
	}
}
