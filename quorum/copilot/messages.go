package copilot

import "github.com/godwitdb/godwit/quorum"

// Command is what a client wants to be carried out, once. A client counts its
// commands from 1 and has one under way at a time.
type Command struct {
	Client, Seq uint64
	Data        []byte
}

// record is a place in a pilot's log: an entry, which is a batch of commands, or
// a ruling, by which entries before it get their final dependency.
type record struct {
	// dep is the dependency: the other log's records up to there come first. Of an
	// entry it is as proposed, of a ruling it is that of the entries from on.
	dep      uint64
	from     uint64 // of a ruling: the first entry it is about; 0 for an entry
	commands []Command

	// Not sent:
	final uint64 // the dependency, as far as is known here
	ruled bool   // a ruling is about it
}

func (r *record) ruling() bool { return r.from > 0 }

func (r *record) fields(c *quorum.Coder) {
	c.Uint(&r.dep)
	c.Uint(&r.from)
	quorum.Slice(c, &r.commands, func(m *Command) {
		c.Uint(&m.Client)
		c.Uint(&m.Seq)
		c.Bytes(&m.Data)
	})
}

func (r *record) bytes() int {
	n := 0
	for i := range r.commands {
		n += len(r.commands[i].Data) + commandBytes
	}
	return n
}

// commandBytes is about what a command takes beside its data.
const commandBytes = 16

// The other pilot's log, and each of both.
const logs = 2

type pair = [logs]uint64

func pairFields(c *quorum.Coder, p *pair) { c.Uint(&p[0]); c.Uint(&p[1]) }

// snapshot is the state after a place in each log.
type snapshot struct {
	at, before pair   // records up to at are in it; before are the last entries up to there
	applied    uint64 // commands that were carried out
	sessions   []session
	data       []byte // of the state machine
}

// session is what is known of a client: the last of its commands.
type session struct {
	client, seq uint64
	result      []byte
}

func (m *snapshot) Fields(c *quorum.Coder) {
	pairFields(c, &m.at)
	pairFields(c, &m.before)
	c.Uint(&m.applied)
	quorum.Slice(c, &m.sessions, func(s *session) {
		c.Uint(&s.client)
		c.Uint(&s.seq)
		c.Bytes(&s.result)
	})
	c.Bytes(&m.data)
}

// state is what one node has and another may lack: both logs from somewhere on,
// with a snapshot if they begin later than the other needs.
type state struct {
	epoch    uint64 // that the logs are of
	pilots   [logs]quorum.NodeID
	settled  pair
	from     pair // of the first record of each log
	records  [logs][]record
	snapshot []snapshot // one, or none
}

func (m *state) Fields(c *quorum.Coder) {
	c.Uint(&m.epoch)
	c.Node(&m.pilots[0])
	c.Node(&m.pilots[1])
	pairFields(c, &m.settled)
	pairFields(c, &m.from)
	for j := range m.records {
		quorum.Slice(c, &m.records[j], func(r *record) { r.fields(c) })
	}
	quorum.Slice(c, &m.snapshot, func(s *snapshot) { s.Fields(c) })
}

// prepareReq asks for a promise to take part in no earlier epoch.
type prepareReq struct {
	epoch  uint64
	pre    bool   // only asks what the answer would be
	opened uint64 // the epoch that the sender is a pilot of; 0 if it is none
	commit pair   // what the sender needs not be told
}

func (m *prepareReq) Fields(c *quorum.Coder) {
	c.Uint(&m.epoch)
	c.Bool(&m.pre)
	c.Uint(&m.opened)
	pairFields(c, &m.commit)
}

type prepareResp struct {
	granted bool
	state   state // of the node, if it promises
}

func (m *prepareResp) Fields(c *quorum.Coder) { c.Bool(&m.granted); m.state.Fields(c) }

// openReq opens an epoch at a node.
type openReq struct{ state }

type appendReq struct {
	epoch   uint64
	log     uint64 // 0 or 1
	prev    uint64 // what the receiver has to have
	commit  uint64
	records []record
}

func (m *appendReq) Fields(c *quorum.Coder) {
	c.Uint(&m.epoch)
	c.Uint(&m.log)
	c.Uint(&m.prev)
	c.Uint(&m.commit)
	quorum.Slice(c, &m.records, func(r *record) { r.fields(c) })
}

// appendResp answers appendReq and openReq.
type appendResp struct {
	promised, opened uint64
	fresh            bool // it has not started again since it opened the epoch
	commit           pair
	last             uint64   // of the log, on its disk
	votes            []uint64 // for each record behind the request's commit: the dependency it is for
}

func (m *appendResp) Fields(c *quorum.Coder) {
	c.Uint(&m.promised)
	c.Uint(&m.opened)
	c.Bool(&m.fresh)
	pairFields(c, &m.commit)
	c.Uint(&m.last)
	quorum.Slice(c, &m.votes, c.Uint)
}

type methods struct {
	prepare quorum.Method[prepareReq, prepareResp]
	open    quorum.Method[openReq, appendResp]
	append  quorum.Method[appendReq, appendResp]
}

// The numbers of the methods on the wire.
const (
	methodPrepare uint16 = iota + 1
	methodOpen
	methodAppend
)

func (n *Node) serve() {
	n.methods = methods{
		quorum.NewMethod[prepareReq, prepareResp](methodPrepare, "copilot prepare"),
		quorum.NewMethod[openReq, appendResp](methodOpen, "copilot open"),
		quorum.NewMethod[appendReq, appendResp](methodAppend, "copilot append"),
	}
	n.methods.prepare.Handle(n.endpoint, n.handlePrepare)
	n.methods.open.Handle(n.endpoint, n.handleOpen)
	n.methods.append.Handle(n.endpoint, n.handleAppend)
}
