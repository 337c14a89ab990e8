package command

import (
	"bytes"
	"errors"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// timeoutArg parses how many seconds to wait, and returns milliseconds.
func timeoutArg(arg []byte) (int64, error) {
	seconds, ok := resp.ParseLongDouble(arg)
	if !ok {
		return 0, Error("ERR timeout is not a float or out of range")
	}
	ms, ok := seconds.CeilTimes(1000)
	if !ok || ms < 0 { // what is too long, Redis 7.0 takes for negative
		return 0, Error("ERR timeout is negative")
	}
	return ms, nil
}

// wait makes a call that has found nothing wait for keys, or if it may not, reply that there is nothing.
func wait(c *Call, keys [][]byte, timeout int64, nothing func(*resp.Writer)) error {
	if c.MayWait {
		c.Wait = &Wait{Keys: keys, Timeout: timeout, Nothing: nothing}
	} else {
		nothing(c.Out)
	}
	return nil
}

// firstOf finds the first of some keys that has a value of the type that open opens; the key is nil if none has. Of a call that was
// woken only the key that has woken it counts.
func firstOf[V any](c *Call, keys [][]byte, open func(key []byte) (V, *keyspace.Key, error)) (v V, k *keyspace.Key, err error) {
	var none V
	for _, key := range keys {
		if c.Woken != nil && !bytes.Equal(key, c.Woken) {
			continue
		}
		v, k, err := open(key)
		if c.Woken != nil && errors.Is(err, keyspace.ErrWrongType) {
			continue
		}
		if err != nil || k.Exists() {
			return v, k, err
		}
	}
	return none, nil, nil
}

func firstList(c *Call, keys [][]byte) (*keyspace.List, *keyspace.Key, error) {
	return firstOf(c, keys, c.Tx.List)
}

// blockingPop makes a command that pops one item from an end, and waits for one.
func blockingPop(e end) func(*Call) error {
	return func(c *Call) error {
		last := len(c.Args) - 1
		timeout, err := timeoutArg(c.Arg(last))
		if err != nil {
			return err
		}
		keys := c.Args[1:last]
		l, k, err := firstList(c, keys)
		if err != nil {
			return err
		}
		if l == nil {
			return wait(c, keys, timeout, (*resp.Writer).NullArray)
		}
		item, err := e.pop(l)
		if err != nil {
			return err
		}
		c.Out.Array(2)
		c.Out.Bulk(k.Name())
		c.Out.Bulk(item)
		return saveList(l, k, e.popped())
	}
}

// popArgs parses the arguments of LMPOP and ZMPOP, which begin with the number of keys: those, from which end to pop, and how many.
func popArgs[E any](c *Call, at int, parseEnd func([]byte) (E, error)) (keys [][]byte, from E, count int, err error) {
	keys, options, err := numKeys(c.Args, at)
	if errors.Is(err, errTooManyKeys) || err == nil && len(options) == 0 {
		err = ErrSyntax
	}
	if err != nil {
		return nil, from, 0, err
	}
	from, err = parseEnd(options[0])
	if options = options[1:]; err != nil || len(options) == 0 {
		return keys, from, 1, err
	}
	if len(options) == 1 || !is(options[0], "COUNT") {
		return nil, from, 0, ErrSyntax
	}
	n, ok := resp.ParseInt(options[1])
	if !ok || n <= 0 {
		return nil, from, 0, Error("ERR count should be greater than 0")
	}
	if len(options) > 2 {
		return nil, from, 0, ErrSyntax
	}
	return keys, from, int(n), nil
}

// mpop is LMPOP with arguments that begin with the number of keys.
func mpop(c *Call, at int) (keys [][]byte, run func() (found bool, err error), err error) {
	keys, e, count, err := popArgs(c, at, parseEnd)
	return keys, func() (bool, error) {
		l, k, err := firstList(c, keys)
		if err != nil || l == nil {
			return false, err
		}
		c.Out.Array(2)
		c.Out.Bulk(k.Name())
		return true, pop(c, l, k, e, count)
	}, err
}

// moveItem takes an item from an end of the list of the first argument to one of that of the second, and replies with
// it. It tells whether there was one.
func moveItem(c *Call, from, to end) (bool, error) {
	src, srcKey, err := firstList(c, c.Args[1:2])
	if err != nil || src == nil {
		return false, err
	}
	dst, dstKey := src, srcKey
	if !bytes.Equal(c.Arg(1), c.Arg(2)) {
		if dst, dstKey, err = c.Tx.List(c.Arg(2)); err != nil {
			return false, err
		}
	}
	item, err := from.pop(src)
	if err != nil {
		return false, err
	}
	if err := to.push(dst, item); err != nil {
		return false, err
	}
	c.Out.Bulk(item)
	if err := savePushed(dst, dstKey, to.pushed()); err != nil {
		return false, err
	}
	return true, saveList(src, srcKey, from.popped())
}

// moveArgs parses which ends LMOVE and BLMOVE mean.
func moveArgs(c *Call) (from, to end, err error) {
	if from, err = parseEnd(c.Arg(3)); err == nil {
		to, err = parseEnd(c.Arg(4))
	}
	return from, to, err
}

func lmove(c *Call) error {
	from, to, err := moveArgs(c)
	if err != nil {
		return err
	}
	return moveNow(c, from, to)
}

func rpoplpush(c *Call) error { return moveNow(c, right, left) }

func moveNow(c *Call, from, to end) error {
	found, err := moveItem(c, from, to)
	if err == nil && !found {
		c.Out.Null()
	}
	return err
}

func blmove(c *Call) error {
	from, to, err := moveArgs(c)
	if err != nil {
		return err
	}
	return moveOrWait(c, from, to, c.Arg(5))
}

func brpoplpush(c *Call) error { return moveOrWait(c, right, left, c.Arg(3)) }

func moveOrWait(c *Call, from, to end, timeoutText []byte) error {
	timeout, err := timeoutArg(timeoutText)
	if err != nil {
		return err
	}
	found, err := moveItem(c, from, to)
	switch {
	case err != nil || found:
		return err
	case !c.MayWait:
		c.Out.Null()
		return nil
	}
	return wait(c, c.Args[1:2], timeout, (*resp.Writer).NullArray) // which Redis replies here
}
