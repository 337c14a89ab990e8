package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// ReplyBytesMax bounds the replies of a transaction, in bytes.
const ReplyBytesMax = 512 << 20

const (
	errNotPositive Error = "ERR value is out of range, must be positive"
	errLongRange   Error = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
	errNumKeys     Error = "ERR numkeys should be greater than 0"
	errTooManyKeys Error = "ERR Number of keys can't be greater than number of args"
)

// changed notes what happened to the elements of a key that was saved, and that it has gone with the last of them.
func changed(k *keyspace.Key, class byte, event string) {
	k.Changed(class, event)
	if !k.Exists() {
		k.Changed('g', "del")
	}
}

// fit says whether all of these can be stored.
func fit(elements [][]byte) error {
	for _, e := range elements {
		if len(e) > keyspace.ValueBytesMax {
			return keyspace.ErrTooLarge
		}
	}
	return nil
}

// countArg parses how many elements are wanted.
func countArg(arg []byte) (int, error) {
	n, ok := resp.ParseInt(arg)
	if !ok || n < 0 {
		return 0, errNotPositive
	}
	return int(n), nil
}

// numKeys parses the number of keys at an index of the arguments, and returns those keys and what follows.
func numKeys(args [][]byte, at int) (keys, rest [][]byte, err error) {
	n, ok := resp.ParseInt(args[at])
	if !ok || n <= 0 {
		return nil, nil, errNumKeys
	}
	following := args[at+1:]
	if n > int64(len(following)) {
		return nil, nil, errTooManyKeys
	}
	return following[:n], following[n:], nil
}

// keysAfterNumber finds the keys of a command that has their number at an index of its arguments.
func keysAfterNumber(at int) Keys {
	return Keys{Of: func(args [][]byte) ([][]byte, error) {
		keys, _, err := numKeys(args, at)
		return keys, err
	}}
}

// deleteMembers deletes the members that follow the key, replies with how many there were, and saves what has lost some.
func deleteMembers(c *Call, del func(member []byte) (bool, error), save func() error) error {
	n := 0
	for _, member := range c.Args[2:] {
		ok, err := del(member)
		if err != nil {
			return err
		}
		if ok {
			n++
		}
	}
	c.Out.Int(int64(n))
	if n == 0 {
		return nil
	}
	return save()
}

// replyEach replies with what there is of each of the members that follow the key.
func replyEach(c *Call, reply func(member []byte) error) error {
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		if err := reply(member); err != nil {
			return err
		}
	}
	return nil
}

// popFrom parses the arguments from the number of some keys on, and returns those, and what pops from the first of them that has
// something, replies, and tells whether there was something.
type popFrom func(c *Call, number int) (keys [][]byte, pop func() (found bool, err error), err error)

// multiPop makes a command that pops from one of several keys.
func multiPop(parse popFrom) func(*Call) error {
	return func(c *Call) error {
		_, pop, err := parse(c, 1)
		if err != nil {
			return err
		}
		found, err := pop()
		if err == nil && !found {
			c.Out.NullArray()
		}
		return err
	}
}

// blockingMultiPop is multiPop that waits for one of them.
func blockingMultiPop(parse popFrom) func(*Call) error {
	return func(c *Call) error {
		keys, pop, err := parse(c, 2)
		if err != nil {
			return err
		}
		timeout, err := timeoutArg(c.Arg(1))
		if err != nil {
			return err
		}
		found, err := pop()
		if err != nil || found {
			return err
		}
		return wait(c, keys, timeout, (*resp.Writer).NullArray)
	}
}
