package command

import (
	"bytes"
	"strconv"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// scanCountDefault is how many elements a call of the SCAN family visits if it does not say.
const scanCountDefault = 10

// scanOptions are MATCH and COUNT, and for keys TYPE.
type scanOptions struct {
	pattern []byte // nil: all
	kind    []byte // the name of a type; nil: all
	count   int
}

// parseCursor takes what C's strtoul does: a sign too, and nothing for zero.
func parseCursor(arg []byte) (uint64, error) {
	digits, _, _ := bytes.Cut(arg, []byte{0})
	if len(digits) == 0 {
		return 0, nil
	}
	negative := digits[0] == '-'
	if negative || digits[0] == '+' {
		digits = digits[1:]
	}
	cursor, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		return 0, Error("ERR invalid cursor")
	}
	if negative {
		cursor = -cursor
	}
	return cursor, nil
}

func parseScanOptions(args [][]byte, ofKeys bool) (o scanOptions, err error) {
	o.count = scanCountDefault
	for ; len(args) > 0; args = args[2:] {
		switch {
		case len(args) > 1 && is(args[0], "MATCH"):
			o.pattern = args[1]
		case len(args) > 1 && ofKeys && is(args[0], "TYPE"):
			o.kind = args[1]
		case len(args) > 1 && is(args[0], "COUNT"):
			n, ok := resp.ParseInt(args[1])
			if !ok {
				return o, ErrNotInt
			}
			if n < 1 {
				return o, ErrSyntax
			}
			o.count = int(n)
		default:
			return o, ErrSyntax
		}
	}
	return o, nil
}

func (o *scanOptions) match(element []byte) bool {
	return o.pattern == nil || Match(o.pattern, element)
}

func hscan(c *Call) error {
	return scanDict(c, func() (*keyspace.Dict, func([]byte) error, error) {
		h, _, err := hash(c)
		return h, func(field []byte) error { return replyField(c, h, field) }, err
	})
}

func sscan(c *Call) error {
	return scanDict(c, func() (*keyspace.Dict, func([]byte) error, error) {
		s, _, err := setOf(c)
		return s, nil, err
	})
}

// zscan replies with scores as strings in RESP3 too, as Redis does.
func zscan(c *Call) error {
	return scanDict(c, func() (*keyspace.Dict, func([]byte) error, error) {
		z, _, err := sortedSet(c)
		if err != nil {
			return nil, nil, err
		}
		return z.Dict(), func(member []byte) error {
			score, _, err := z.Get(member)
			c.Out.Bulk(resp.AppendDouble(nil, score))
			return err
		}, nil
	})
}

// scanDict visits some of the members. The cursor is the place above the next one, downwards: what is removed leaves its
// place to the last, so that nothing that stays comes from below to above it. What open returns with the members, if not nil, replies
// with what one has.
func scanDict(c *Call, open func() (*keyspace.Dict, func(member []byte) error, error)) error {
	cursor, err := parseCursor(c.Arg(2))
	if err != nil {
		return err
	}
	d, replyValue, err := open()
	if err != nil {
		return err
	}
	if d.Len() == 0 { // Redis does not look at the options then
		c.Out.Array(2)
		c.Out.BulkString("0")
		c.Out.Array(0)
		return nil
	}
	o, err := parseScanOptions(c.Args[3:], false)
	if err != nil {
		return err
	}
	place := d.Len()
	if cursor != 0 {
		place = int(min(cursor, uint64(place))) //nolint:gosec // at most Len
	}
	end := max(place-o.count, 0)
	c.Out.Array(2)
	c.Out.BulkString(strconv.Itoa(end))
	mark, n := c.Out.Defer(), 0
	for place--; place >= end; place-- {
		member, err := d.At(place)
		if err != nil {
			return err
		}
		if !o.match(member) {
			continue
		}
		c.Out.Bulk(member)
		n++
		if replyValue != nil {
			if err := replyValue(member); err != nil {
				return err
			}
			n++
		}
	}
	c.Out.SetArray(mark, n)
	return nil
}
