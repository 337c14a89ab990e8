package command

import (
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// What records take beside the bytes that are in them, about: headers, names' prefixes, their places in the index.
const (
	keyOverhead    = 83
	expiryOverhead = 80
	itemOverhead   = 76  // of a list, or a chunk of a long string
	memberOverhead = 146 // of a hash, a set or a sorted set: one record finds the member, the other gives it a place
	rankOverhead   = 13  // of a sorted set, beside memberOverhead
)

// samplesDefault is how many elements of a value MEMORY USAGE looks at by itself.
const samplesDefault = 5

// MemoryUsage replies with how much memory a key takes with its value, about: elements are taken to be as large as the
// first of them are on average.
func MemoryUsage(c *Call) error {
	samples := int64(samplesDefault)
	switch {
	case len(c.Args) == 3:
	case len(c.Args) == 5 && is(c.Arg(3), "SAMPLES"):
		var ok bool
		if samples, ok = resp.ParseInt(c.Arg(4)); !ok {
			return ErrNotInt
		}
		if samples < 0 {
			return ErrSyntax
		}
	default:
		return ErrSyntax
	}
	k, err := c.Tx.Lookup(c.Arg(2))
	if err != nil {
		return err
	}
	if !k.Exists() {
		c.Out.Null()
		return nil
	}
	n := keyOverhead + len(k.Name())
	if k.Expiry() != 0 {
		n += expiryOverhead + len(k.Name())
	}
	elements, err := elementBytes(c, &k, samples)
	c.Out.Int(int64(n + elements))
	return err
}

// elementBytes returns how much the value of a key takes, with so many elements looked at; 0: all.
func elementBytes(c *Call, k *keyspace.Key, samples int64) (int, error) {
	var sizes average
	switch k.Type() {
	case keyspace.StringType:
		n, err := k.Len()
		if err != nil {
			return 0, err
		}
		chunks, err := k.Chunks()
		return n + chunks*itemOverhead, err
	case keyspace.ListType:
		l, _, err := c.Tx.List(k.Name())
		if err != nil {
			return 0, err
		}
		sizes.all = l.Len()
		for _, item := range l.Items(0, sizes.looked(samples)-1) {
			sizes.add(itemOverhead + len(item))
		}
	case keyspace.SortedSetType:
		z, _, err := c.Tx.SortedSet(k.Name())
		if err != nil {
			return 0, err
		}
		sizes.all = z.Len()
		for e := range z.Ascend(0, sizes.looked(samples)) {
			sizes.add(memberOverhead + rankOverhead + 3*len(e.Member))
		}
	default:
		d, _, err := c.Tx.Dict(k.Name(), k.Type())
		if err != nil {
			return 0, err
		}
		sizes.all = d.Len()
		for member, value := range d.All() {
			if sizes.add(memberOverhead + 2*len(member) + len(value)); sizes.n == sizes.looked(samples) {
				break
			}
		}
	}
	return sizes.total(), c.Tx.Err()
}

// average is how large elements are of which only some are looked at.
type average struct{ all, n, bytes int }

// looked returns how many are looked at.
func (a *average) looked(samples int64) int {
	if samples == 0 || samples > int64(a.all) {
		return a.all
	}
	return int(samples)
}

func (a *average) add(bytes int) {
	a.n++
	a.bytes += bytes
}

// total returns how large all are.
func (a *average) total() int {
	if a.n == 0 {
		return 0
	}
	return int(float64(a.bytes) / float64(a.n) * float64(a.all))
}
