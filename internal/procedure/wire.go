package procedure

import (
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// manner is how a procedure is to be run.
type manner uint64

const (
	update   manner = iota // on the leader, once
	view                   // on the leader, without writes
	snapshot               // on any replica
)

// request is a call of a procedure.
type request struct {
	manner   manner
	once     shard.Request // of an update
	atLeast  hlc.Timestamp // of a snapshot
	name     string
	argument []byte
}

// Fields implements quorum.Message.
func (r *request) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&r.manner))
	c.Uint(&r.once.Client)
	c.Uint(&r.once.Number)
	c.Uint((*uint64)(&r.atLeast))
	c.String(&r.name)
	c.Bytes(&r.argument)
}

// status is what became of a call. Unless it is answered, nothing has happened in it.
type status uint64

const (
	answered   status = iota
	rejected          // by the procedure, or because there is no such one
	again             // somebody else leads
	busy              // come again later
	superseded        // a later request of the session was carried out
)

// response is the outcome of a call.
type response struct {
	status status
	answer []byte
	reason string // of a rejection
	at     hlc.Timestamp
	epoch  wal.Epoch // in which it was executed; 0 of a snapshot
}

// Fields implements quorum.Message.
func (r *response) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&r.status))
	c.Bytes(&r.answer)
	c.String(&r.reason)
	c.Uint((*uint64)(&r.at))
	c.Uint((*uint64)(&r.epoch))
}

func callMethod() quorum.Method[request, response] {
	return quorum.NewMethod[request, response](31, "procedure call")
}

// epochMsg is an epoch: one that a leader is looked for above, or that one leads in.
type epochMsg struct{ epoch wal.Epoch }

// Fields implements quorum.Message.
func (m *epochMsg) Fields(c *quorum.Coder) { c.Uint((*uint64)(&m.epoch)) }

func leadMethod() quorum.Method[epochMsg, epochMsg] {
	return quorum.NewMethod[epochMsg, epochMsg](32, "procedure lead")
}
