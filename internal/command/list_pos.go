package command

import (
	"bytes"
	"math"

	"github.com/godwitdb/godwit/internal/resp"
)

// posOptions are those of LPOS.
type posOptions struct {
	rank   int64 // of the first match that counts; negative: from the tail
	count  int64 // of matches
	many   bool  // COUNT was given
	length int64 // of what is compared
}

func parsePosOptions(args [][]byte) (o posOptions, err error) {
	o = posOptions{rank: 1, count: 1, length: math.MaxInt64}
	for ; len(args) > 0; args = args[2:] {
		switch {
		case len(args) > 1 && is(args[0], "RANK"):
			o.rank, err = randomCount(args[1])
			if err == nil && o.rank == 0 {
				err = Error("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list")
			}
		case len(args) > 1 && is(args[0], "COUNT"):
			o.many = true
			o.count, err = posLimit(args[1], "ERR COUNT can't be negative")
		case len(args) > 1 && is(args[0], "MAXLEN"):
			o.length, err = posLimit(args[1], "ERR MAXLEN can't be negative")
		default:
			err = ErrSyntax
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// posLimit parses a limit, where 0 is none.
func posLimit(arg []byte, negative Error) (int64, error) {
	n, ok := resp.ParseInt(arg)
	if !ok || n < 0 {
		return 0, negative
	}
	if n == 0 {
		n = math.MaxInt64
	}
	return n, nil
}

func lpos(c *Call) error {
	o, err := parsePosOptions(c.Args[3:])
	if err != nil {
		return err
	}
	l, k, err := list(c)
	if err != nil {
		return err
	}
	mark, n := c.Out.Defer(), 0
	if k.Exists() {
		first, last, rank := 0, l.Len()-1, o.rank
		if rank < 0 {
			first, last, rank = last, first, -rank
		}
		for i, item := range l.Items(first, last) {
			if o.length--; bytes.Equal(item, c.Arg(2)) {
				if rank--; rank <= 0 {
					c.Out.Int(int64(i))
					n++
				}
			}
			if int64(n) == o.count || o.length == 0 {
				break
			}
		}
	}
	switch {
	case o.many:
		c.Out.SetArray(mark, n)
	case n == 0:
		c.Out.Null()
	}
	return nil
}
