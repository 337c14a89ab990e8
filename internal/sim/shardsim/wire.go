package shardsim

import (
	"encoding/binary"

	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/quorum"
)

// op is one operation of a transaction, as history has them.
type op struct {
	kind    history.OpKind
	key, to uint64
	value   uint64 // that is appended or written
}

func (o *op) writes() bool {
	return o.kind == history.OpAppend || o.kind == history.OpWrite || o.kind == history.OpDelete || o.changesTables()
}

// list tells whether the operation is on a list; else it is on a row.
func (o *op) list() bool { return o.kind == history.OpAppend || o.kind == history.OpList }

// request is a transaction.
type request struct {
	name     shard.Request // of one that writes
	ops      []op
	snapshot bool          // read from a snapshot, of any replica
	atLeast  hlc.Timestamp // that is not older
	named    *occ.Table    // which a member has found; it does not travel
}

func (r *request) writes() bool {
	for i := range r.ops {
		if r.ops[i].writes() {
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
		kind := uint64(o.kind)
		c.Uint(&kind)
		o.kind = history.OpKind(kind)
		c.Uint(&o.key)
		c.Uint(&o.to)
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

// response is its outcome and what it has read.
type response struct {
	outcome outcome
	reads
	at     hlc.Timestamp
	leader quorum.NodeID // whom to ask
}

// reads are what was read, in the order of the operations that read: of a list its
// values, of a row its value or nothing, of a range keys and values in turn.
type reads struct{ reads [][]uint64 }

// Fields implements quorum.Message.
func (l *reads) Fields(c *quorum.Coder) {
	quorum.Slice(c, &l.reads, func(r *[]uint64) { quorum.Slice(c, r, func(v *uint64) { c.Uint(v) }) })
}

// Fields implements quorum.Message.
func (r *response) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&r.outcome))
	r.reads.Fields(c)
	c.Uint((*uint64)(&r.at))
	c.Node(&r.leader)
}

func method() quorum.Method[request, response] {
	return quorum.NewMethod[request, response](100, "transaction")
}

// number is a key or a value of one number.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// numbers reads a value of many.
func numbers(b []byte) (n []uint64) {
	for ; len(b) >= 8; b = b[8:] {
		n = append(n, binary.BigEndian.Uint64(b))
	}
	return n
}
