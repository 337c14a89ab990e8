package command

import (
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

func objectCommands() map[string]*Command {
	second := Keys{First: 2, Last: 2, Step: 1}
	return map[string]*Command{
		"encoding": {Name: "object|encoding", Group: "keyspace", Arity: 3, Flags: ReadOnly, Keys: second, Run: objectEncoding},
		"freq":     {Name: "object|freq", Group: "keyspace", Arity: 3, Flags: ReadOnly, Keys: second, Run: objectFreq},
		"help":     {Name: "object|help", Group: "keyspace", Arity: 2, Run: objectHelp},
		"idletime": {Name: "object|idletime", Group: "keyspace", Arity: 3, Flags: ReadOnly, Keys: second, Run: objectIdleTime},
		"refcount": {Name: "object|refcount", Group: "keyspace", Arity: 3, Flags: ReadOnly, Keys: second, Run: objectRefCount},
	}
}

func objectHelp(c *Call) error {
	lines := []string{
		"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
		"ENCODING <key>",
		"    Return how Redis would keep the value of <key>.",
		"FREQ <key>",
		"    Not tracked.",
		"IDLETIME <key>",
		"    Not tracked.",
		"REFCOUNT <key>",
		"    Return the number of references of the value of <key>, which is 1.",
		"HELP",
		"    Print this help.",
	}
	c.Out.Array(len(lines))
	for _, l := range lines {
		c.Out.SimpleString(l)
	}
	return nil
}

// object finds the key of a subcommand of OBJECT. If there is none, it replies so.
func object(c *Call) (keyspace.Key, bool, error) {
	k, err := c.Tx.Lookup(c.Arg(2))
	if err == nil && !k.Exists() {
		c.Out.Null()
	}
	return k, k.Exists(), err
}

func objectRefCount(c *Call) error {
	_, ok, err := object(c)
	if ok {
		c.Out.Int(1)
	}
	return err
}

// objectFreq replies as Redis does while it does not count.
func objectFreq(c *Call) error {
	if _, ok, err := object(c); !ok {
		return err
	}
	return Error("ERR An LFU maxmemory policy is not selected, access frequency not tracked.")
}

func objectIdleTime(c *Call) error {
	if _, ok, err := object(c); !ok {
		return err
	}
	return Error("ERR idle time not tracked")
}

// embeddedBytesMax is the length from which on Redis keeps a string in another way.
const embeddedBytesMax = 44

// Encodings are the sizes up to which Redis keeps a value in the small way, as its configuration has them. Here they
// change nothing but the answers of OBJECT ENCODING.
type Encodings struct {
	SetInts                     atomic.Int64 // members, if all are integers
	HashEntries, HashValueBytes atomic.Int64
	ZSetEntries, ZSetValueBytes atomic.Int64
}

// Init sets what Redis has by default.
func (e *Encodings) Init() {
	e.SetInts.Store(512)
	e.HashEntries.Store(512)
	e.HashValueBytes.Store(64)
	e.ZSetEntries.Store(128)
	e.ZSetValueBytes.Store(64)
}

func objectEncoding(c *Call) error {
	k, ok, err := object(c)
	if !ok {
		return err
	}
	encoding, err := encodingOf(c, &k)
	if err != nil {
		return err
	}
	c.Out.BulkString(encoding)
	return nil
}

// encodingOf returns the name of what Redis would keep a value in that was written at once.
func encodingOf(c *Call, k *keyspace.Key) (string, error) {
	switch k.Type() {
	case keyspace.StringType:
		n, err := k.Len()
		if err != nil || n > embeddedBytesMax {
			return "raw", err
		}
		v, err := k.Value()
		if isInt(v) {
			return "int", err
		}
		return "embstr", err
	case keyspace.ListType:
		return "quicklist", nil
	case keyspace.SetType:
		return dictEncoding(c, k, c.Shared.Encodings.SetInts.Load(), "intset", func(member, _ []byte) bool { return isInt(member) })
	case keyspace.HashType:
		most := int(c.Shared.Encodings.HashValueBytes.Load())
		return dictEncoding(c, k, c.Shared.Encodings.HashEntries.Load(), "listpack", func(member, value []byte) bool {
			return len(member) <= most && len(value) <= most
		})
	}
	return zsetEncoding(c, k)
}

func zsetEncoding(c *Call, k *keyspace.Key) (string, error) {
	z, _, err := c.Tx.SortedSet(k.Name())
	if err != nil {
		return "", err
	}
	if int64(z.Len()) > c.Shared.Encodings.ZSetEntries.Load() {
		return "skiplist", nil
	}
	most := int(c.Shared.Encodings.ZSetValueBytes.Load())
	for e := range z.Ascend(0, z.Len()) {
		if len(e.Member) > most {
			return "skiplist", c.Tx.Err()
		}
	}
	return "listpack", c.Tx.Err()
}

// dictEncoding returns the encoding of small hashes and sets if a value has at most so many members, and each is fit for it.
func dictEncoding(c *Call, k *keyspace.Key, lenMax int64, small string, fits func(member, value []byte) bool) (string, error) {
	d, _, err := c.Tx.Dict(k.Name(), k.Type())
	if err != nil {
		return "", err
	}
	if int64(d.Len()) > lenMax {
		return "hashtable", nil
	}
	for member, value := range d.All() {
		if !fits(member, value) {
			small = "hashtable"
			break
		}
	}
	return small, c.Tx.Err()
}

func isInt(b []byte) bool {
	_, ok := resp.ParseInt(b)
	return ok
}
