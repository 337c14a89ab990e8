package command

import (
	"iter"
	"math"
	"slices"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/keyspace/counted"
	"github.com/godwitdb/godwit/internal/resp"
)

func zsetAlgebraCommands() []*Command {
	read, write := keysAfterNumber(1), Keys{Of: storeKeys}
	const group, readOnly, storing = "sortedset", ReadOnly | Movable, Write | DenyOOM | Movable
	return []*Command{
		{Name: "zunion", Group: group, Arity: -3, Flags: readOnly, Keys: read, Run: zalgebra(zunion)},
		{Name: "zinter", Group: group, Arity: -3, Flags: readOnly, Keys: read, Run: zalgebra(zinter)},
		{Name: "zdiff", Group: group, Arity: -3, Flags: readOnly, Keys: read, Run: zalgebra(zdiff)},
		{Name: "zunionstore", Group: group, Arity: -4, Flags: storing, Keys: write, Run: zalgebraStore(zunion)},
		{Name: "zinterstore", Group: group, Arity: -4, Flags: storing, Keys: write, Run: zalgebraStore(zinter)},
		{Name: "zdiffstore", Group: group, Arity: -4, Flags: storing, Keys: write, Run: zalgebraStore(zdiff)},
		{Name: "zintercard", Group: group, Arity: -3, Flags: readOnly, Keys: read, Run: zintercard},
	}
}

// storeKeys finds the keys of a command that has one to store at and then others after their number.
func storeKeys(args [][]byte) ([][]byte, error) {
	keys, _, err := numKeys(args, 2)
	return append([][]byte{args[1]}, keys...), err
}

// zoperation makes members with scores of those of its inputs.
type zoperation int

const (
	zunion zoperation = iota
	zinter
	zdiff
)

// scored is an input: a sorted set, or a set, whose members have the score 1.
type scored struct {
	length  int
	members iter.Seq[counted.Entry]
	find    func(member []byte) (score float64, ok bool, err error)
	weight  float64
}

func openScored(c *Call, key []byte) (scored, error) {
	k, err := c.Tx.Lookup(key)
	if err != nil {
		return scored{}, err
	}
	if k.Type() != keyspace.SetType {
		z, _, err := c.Tx.SortedSet(key)
		if err != nil {
			return scored{}, err
		}
		return scored{length: z.Len(), members: z.Ascend(0, z.Len()), find: z.Get, weight: 1}, nil
	}
	s, _, err := c.Tx.Dict(key, keyspace.SetType)
	if err != nil {
		return scored{}, err
	}
	return scored{
		length: s.Len(),
		members: func(yield func(counted.Entry) bool) {
			for member := range s.Members() {
				if !yield(counted.Entry{Score: 1, Member: member}) {
					return
				}
			}
		},
		find: func(member []byte) (float64, bool, error) {
			_, ok, err := s.Get(member)
			return 1, ok, err
		},
		weight: 1,
	}, nil
}

// weigh returns what a score counts. What is no number is zero.
func (s *scored) weigh(score float64) float64 { return zeroIfNaN(score * s.weight) }

func zeroIfNaN(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// aggregate makes one score, which is a number, of one that is and another.
type aggregate func(a, b float64) float64

func sum(a, b float64) float64 { return zeroIfNaN(a + b) }

func lower(a, b float64) float64 {
	if b < a {
		return b
	}
	return a
}

func higher(a, b float64) float64 {
	if b > a {
		return b
	}
	return a
}

// zalgebraCall is what the arguments say, from the number of keys on.
type zalgebraCall struct {
	inputs     []scored
	aggregate  aggregate
	withScores bool
}

// parseAlgebra finds the inputs, which follow their number, and parses what follows them.
func parseAlgebra(c *Call, at int, op zoperation, stores bool) (*zalgebraCall, error) {
	inputs, options, err := scoredInputs(c, at)
	if err != nil {
		return nil, err
	}
	a := &zalgebraCall{inputs: inputs, aggregate: sum}
	for len(options) > 0 {
		word, rest := options[0], options[1:]
		switch {
		case op != zdiff && len(rest) >= len(inputs) && is(word, "WEIGHTS"):
			for i := range inputs {
				var ok bool
				if inputs[i].weight, ok = resp.ParseFloat(rest[i]); !ok {
					return nil, Error("ERR weight value is not a float")
				}
			}
			options = rest[len(inputs):]
		case op != zdiff && len(rest) > 0 && is(word, "AGGREGATE"):
			switch {
			case is(rest[0], "SUM"):
				a.aggregate = sum
			case is(rest[0], "MIN"):
				a.aggregate = lower
			case is(rest[0], "MAX"):
				a.aggregate = higher
			default:
				return nil, ErrSyntax
			}
			options = rest[1:]
		case !stores && is(word, "WITHSCORES"):
			a.withScores, options = true, rest
		default:
			return nil, ErrSyntax
		}
	}
	return a, nil
}

// scoredInputs finds the inputs after their number, and returns what follows them.
func scoredInputs(c *Call, at int) (inputs []scored, options [][]byte, err error) {
	n, ok := resp.ParseInt(c.Arg(at))
	switch following := c.Args[at+1:]; {
	case !ok:
		return nil, nil, ErrNotInt
	case n < 1:
		return nil, nil, Errorf("ERR at least 1 input key is needed for '%s' command", c.Name)
	case n > int64(len(following)):
		return nil, nil, ErrSyntax
	default:
		inputs, options = make([]scored, n), following[n:]
		for i, key := range following[:n] {
			if inputs[i], err = openScored(c, key); err != nil {
				return nil, nil, err
			}
		}
		return inputs, options, nil
	}
}

// run returns the result in order.
func (op zoperation) run(c *Call, a *zalgebraCall) ([]counted.Entry, error) {
	var entries []counted.Entry
	var err error
	switch op {
	case zunion:
		bySizes(a.inputs)
		entries = a.union()
	case zinter:
		bySizes(a.inputs)
		entries, err = a.intersection(math.MaxInt)
	case zdiff:
		entries, err = a.difference()
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, compareEntries)
	return entries, c.Tx.Err()
}

// bySizes sorts inputs as Redis does, which counts where sums of scores are rounded.
func bySizes(inputs []scored) {
	slices.SortStableFunc(inputs, func(a, b scored) int { return a.length - b.length })
}

func (a *zalgebraCall) union() (entries []counted.Entry) {
	places := map[string]int{}
	for i := range a.inputs {
		input := &a.inputs[i]
		for e := range input.members {
			e.Score = input.weigh(e.Score)
			if place, ok := places[string(e.Member)]; ok {
				entries[place].Score = a.aggregate(entries[place].Score, e.Score)
				continue
			}
			places[string(e.Member)] = len(entries)
			entries = append(entries, e)
		}
	}
	return entries
}

// intersection looks for the members of the smallest input, which is the first, in all others, and stops at limit.
func (a *zalgebraCall) intersection(limit int) (entries []counted.Entry, err error) {
	first := &a.inputs[0]
next:
	for e := range first.members {
		e.Score = first.weigh(e.Score)
		for i := range a.inputs[1:] {
			other := &a.inputs[1+i]
			score, ok, err := other.find(e.Member)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue next
			}
			// Where the product is no number, Redis leaves it to the aggregate.
			e.Score = a.aggregate(e.Score, score*other.weight)
		}
		if entries = append(entries, e); len(entries) >= limit {
			break
		}
	}
	return entries, nil
}

// difference does the smaller work: to look for the first input's members in the others, or for the others' in those.
func (a *zalgebraCall) difference() (entries []counted.Entry, err error) {
	first, others := &a.inputs[0], a.inputs[1:]
	total := first.length
	for i := range others {
		total += others[i].length
	}
	gone := map[string]struct{}{}
	if first.length > 0 && first.length*len(others) > total {
		for i := range others {
			for e := range others[i].members {
				gone[string(e.Member)] = struct{}{}
			}
		}
		others = nil
	}
next:
	for e := range first.members {
		if _, ok := gone[string(e.Member)]; ok {
			continue
		}
		for i := range others {
			_, ok, err := others[i].find(e.Member)
			if err != nil {
				return nil, err
			}
			if ok {
				continue next
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// zalgebra makes a command that replies with the result of an operation.
func zalgebra(op zoperation) func(*Call) error {
	return func(c *Call) error {
		a, err := parseAlgebra(c, 1, op, false)
		if err != nil {
			return err
		}
		entries, err := op.run(c, a)
		if err != nil {
			return err
		}
		beginEntries(c, len(entries), a.withScores)
		for _, e := range entries {
			replyEntry(c, e, a.withScores)
		}
		return nil
	}
}

// zalgebraStore makes a command that keeps the result in its first key, whatever that was before.
func zalgebraStore(op zoperation) func(*Call) error {
	return func(c *Call) error {
		a, err := parseAlgebra(c, 2, op, true)
		if err != nil {
			return err
		}
		entries, err := op.run(c, a)
		if err != nil {
			return err
		}
		return storeEntries(c, entries)
	}
}

func zintercard(c *Call) error {
	inputs, options, err := scoredInputs(c, 1)
	if err != nil {
		return err
	}
	limit, err := cardLimit(options)
	if err != nil {
		return err
	}
	bySizes(inputs)
	a := &zalgebraCall{inputs: inputs, aggregate: sum}
	entries, err := a.intersection(limit)
	c.Out.Int(int64(len(entries)))
	return err
}
