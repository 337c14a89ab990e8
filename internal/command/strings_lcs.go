package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// lcsCellsMax bounds the memory of LCS, of four bytes for each pair of places in the two strings.
const lcsCellsMax = 32 << 20

// lcsOptions are those of LCS.
type lcsOptions struct {
	length, index, withLength bool
	lengthMin                 int64 // of matches that are shown
}

func parseLCSOptions(args [][]byte) (o lcsOptions, err error) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case is(arg, "IDX"):
			o.index = true
		case is(arg, "LEN"):
			o.length = true
		case is(arg, "WITHMATCHLEN"):
			o.withLength = true
		case is(arg, "MINMATCHLEN") && i+1 < len(args):
			i++
			n, ok := resp.ParseInt(args[i])
			if !ok {
				return o, ErrNotInt
			}
			o.lengthMin = max(n, 0)
		default:
			return o, ErrSyntax
		}
	}
	if o.index && o.length {
		return o, Error("ERR If you want both the length and indexes, please just use IDX.")
	}
	return o, nil
}

func lcs(c *Call) error {
	var values [2][]byte
	for i := range values {
		k, err := c.Tx.Lookup(c.Arg(1 + i))
		if err != nil {
			return err
		}
		if k.Exists() && k.Type() != keyspace.StringType {
			return Error("ERR The specified keys must contain string values")
		}
		if values[i], err = k.Value(); err != nil {
			return err
		}
	}
	o, err := parseLCSOptions(c.Args[3:])
	if err != nil {
		return err
	}
	a, b := values[0], values[1]
	if (len(a)+1)*(len(b)+1) > lcsCellsMax {
		return Error("ERR Insufficient memory, transient memory for LCS exceeds its limit of 128 MiB")
	}
	lengths := lcsLengths(a, b)
	switch {
	case o.length:
		c.Out.Int(int64(lengths.at(len(a), len(b))))
	case o.index:
		c.Out.Map(2)
		c.Out.BulkString("matches")
		list, n := c.Out.Defer(), 0
		lengths.matches(a, b, func(m lcsMatch) {
			if m.length < o.lengthMin {
				return
			}
			n++
			m.reply(c.Out, o.withLength)
		})
		c.Out.SetArray(list, n)
		c.Out.BulkString("len")
		c.Out.Int(int64(lengths.at(len(a), len(b))))
	default:
		common := make([]byte, lengths.at(len(a), len(b)))
		rest := len(common)
		lengths.matches(a, b, func(m lcsMatch) {
			rest -= copy(common[rest-int(m.length):], a[m.a:m.a+m.length])
		})
		c.Out.Bulk(common)
	}
	return nil
}

// lcsTable has for each pair of beginnings of two strings how long their longest common subsequence is.
type lcsTable struct {
	cells []uint32
	width int
}

func (t *lcsTable) at(i, j int) uint32 { return t.cells[i*t.width+j] }

func lcsLengths(a, b []byte) *lcsTable {
	t := &lcsTable{width: len(b) + 1}
	t.cells = make([]uint32, (len(a)+1)*t.width)
	for i := range a {
		before, row := t.cells[i*t.width:(i+1)*t.width], t.cells[(i+1)*t.width:(i+2)*t.width]
		for j := range b {
			if a[i] == b[j] {
				row[j+1] = before[j] + 1
			} else {
				row[j+1] = max(before[j+1], row[j])
			}
		}
	}
	return t
}

// lcsMatch is a part that the subsequence takes from both strings as it is.
type lcsMatch struct {
	a, b, length int64 // where it begins
}

func (m lcsMatch) reply(w *resp.Writer, withLength bool) {
	if withLength {
		w.Array(3)
	} else {
		w.Array(2)
	}
	for _, from := range []int64{m.a, m.b} {
		w.Array(2)
		w.Int(from)
		w.Int(from + m.length - 1)
	}
	if withLength {
		w.Int(m.length)
	}
}

// matches visits the matches, the last one first.
func (t *lcsTable) matches(a, b []byte, visit func(lcsMatch)) {
	var m lcsMatch
	for i, j := len(a), len(b); i > 0 && j > 0; {
		switch {
		case a[i-1] == b[j-1]:
			i, j = i-1, j-1
			if m.length > 0 && (m.a != int64(i+1) || m.b != int64(j+1)) {
				visit(m)
				m.length = 0
			}
			m = lcsMatch{a: int64(i), b: int64(j), length: m.length + 1}
		case t.at(i-1, j) > t.at(i, j-1):
			i--
		default:
			j--
		}
	}
	if m.length > 0 {
		visit(m)
	}
}
