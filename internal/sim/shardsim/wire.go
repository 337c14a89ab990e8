package shardsim

import (
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/quorum"
)

// op is one operation of a transaction on a list.
type op struct {
	key   uint64
	value uint64 // that is appended; 0 reads
}

// request is a transaction.
type request struct {
	name     shard.Request // of one that writes
	ops      []op
	snapshot bool          // read from a snapshot, of any replica
	atLeast  hlc.Timestamp // that is not older
}

func (r *request) writes() bool {
	for _, o := range r.ops {
		if o.value != 0 {
			return true
		}
	}
	return false
}

// Fields implements quorum.Message.
func (r *request) Fields(c *quorum.Coder) {
	c.Uint(&r.name.Client)
	c.Uint(&r.name.Number)
	quorum.Slice(c, &r.ops, func(o *op) {
		c.Uint(&o.key)
		c.Uint(&o.value)
	})
	c.Bool(&r.snapshot)
	c.Uint((*uint64)(&r.atLeast))
}

// outcome is what became of a transaction.
type outcome uint64

const (
	unknown outcome = iota
	done
	failed // nothing has happened, and nothing will
)

// response is its outcome and, for each operation that reads, the list.
type response struct {
	outcome outcome
	lists
	at     hlc.Timestamp
	leader quorum.NodeID // whom to ask
}

// lists are what was read, in the order of the operations.
type lists struct{ lists [][]byte }

// Fields implements quorum.Message.
func (l *lists) Fields(c *quorum.Coder) {
	quorum.Slice(c, &l.lists, func(l *[]byte) { c.Bytes(l) })
}

// Fields implements quorum.Message.
func (r *response) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&r.outcome))
	r.lists.Fields(c)
	c.Uint((*uint64)(&r.at))
	c.Node(&r.leader)
}

func method() quorum.Method[request, response] {
	return quorum.NewMethod[request, response](100, "transaction")
}
