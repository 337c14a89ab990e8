package command

import (
	"math"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func incr(c *Call) error { return add(c, 1) }
func decr(c *Call) error { return add(c, -1) }

func incrBy(c *Call) error {
	delta, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	return add(c, delta)
}

func decrBy(c *Call) error {
	delta, ok := resp.ParseInt(c.Arg(2))
	if !ok {
		return ErrNotInt
	}
	if delta == math.MinInt64 {
		return Error("ERR decrement would overflow")
	}
	return add(c, -delta)
}

// numberBytesMax is the longest text that Redis takes for a number.
const numberBytesMax = 5*1024 - 1

// number returns the string of a key, nothing if it is too long to be a number.
func number(k *keyspace.Key) ([]byte, error) {
	if n, err := k.Len(); err != nil || n > numberBytesMax {
		return nil, err
	}
	return k.Value()
}

// add adds to the integer that a string is.
func add(c *Call, delta int64) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	var n int64
	if k.Exists() {
		old, err := number(&k)
		if err != nil {
			return err
		}
		var ok bool
		if n, ok = resp.ParseInt(old); !ok {
			return ErrNotInt
		}
	}
	sum := n + delta
	if (sum > n) != (delta > 0) && delta != 0 {
		return Error("ERR increment or decrement would overflow")
	}
	if err := change(&k, appendInt(nil, sum), "incrby"); err != nil {
		return err
	}
	c.Out.Int(sum)
	return nil
}

func incrByFloat(c *Call) error {
	k, err := c.Tx.Find(c.Arg(1), keyspace.StringType)
	if err != nil {
		return err
	}
	old := []byte("0")
	if k.Exists() {
		if old, err = number(&k); err != nil {
			return err
		}
	}
	n, ok1 := resp.ParseLongDouble(old)
	delta, ok2 := resp.ParseLongDouble(c.Arg(2))
	if !ok1 || !ok2 {
		return ErrNotFloat
	}
	sum, ok := n.Add(&delta)
	if !ok {
		return Error("ERR increment would produce NaN or Infinity")
	}
	value := sum.Append(nil)
	if err := change(&k, value, "incrbyfloat"); err != nil {
		return err
	}
	c.Out.Bulk(value)
	return nil
}
