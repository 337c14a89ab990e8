package copilot

import "github.com/godwitdb/godwit/quorum"

// Command is what a client wants to be carried out, once. A client counts its
// commands from 1 and has one under way at a time.
type Command struct {
	Client, Seq uint64
	Data        []byte
}

// entry is a place in a pilot's log: a batch of commands.
type entry struct {
	dep      uint64 // of log 0: the entries of log 1 up to there come first
	commands []Command
}

func (e *entry) fields(c *quorum.Coder) {
	c.Uint(&e.dep)
	quorum.Slice(c, &e.commands, func(m *Command) {
		c.Uint(&m.Client)
		c.Uint(&m.Seq)
		c.Bytes(&m.Data)
	})
}

func (e *entry) bytes() int {
	n := 0
	for i := range e.commands {
		n += e.commands[i].bytes()
	}
	return n
}

// bytes is about what a command takes.
func (m *Command) bytes() int { return len(m.Data) + 16 }

// logs is how many there are. In a pair, each has its own.
const logs = 2

type pair = [logs]uint64

func pairFields(c *quorum.Coder, p *pair) { c.Uint(&p[0]); c.Uint(&p[1]) }

// snapshot is what has become of the logs up to a place in each.
type snapshot struct {
	at       pair
	applied  uint64 // commands that were carried out
	sessions []session
	data     []byte // of the state machine
}

// session is what is known of a client: the last of its commands.
type session struct {
	client, seq uint64
	result      []byte
}

func (m *snapshot) fields(c *quorum.Coder) {
	pairFields(c, &m.at)
	c.Uint(&m.applied)
	quorum.Slice(c, &m.sessions, func(s *session) {
		c.Uint(&s.client)
		c.Uint(&s.seq)
		c.Bytes(&s.result)
	})
	c.Bytes(&m.data)
}

// state is what a node has of the logs, from somewhere on: all that nodes tell each
// other of them, and all that a node writes on its disk.
type state struct {
	epoch    uint64 // that the logs are of
	pilots   [logs]quorum.NodeID
	front    pair // all entries of log 0 behind front[0] have front[1] as a dependency, or more
	commit   pair
	from     pair // the first entry of each log; 0 if nothing is said of it
	entries  [logs][]entry
	snapshot []snapshot // one, or none
}

func (m *state) Fields(c *quorum.Coder) {
	c.Uint(&m.epoch)
	c.Node(&m.pilots[0])
	c.Node(&m.pilots[1])
	pairFields(c, &m.front)
	pairFields(c, &m.commit)
	pairFields(c, &m.from)
	for j := range m.entries {
		quorum.Slice(c, &m.entries[j], func(e *entry) { e.fields(c) })
	}
	quorum.Slice(c, &m.snapshot, func(s *snapshot) { s.fields(c) })
}

// appendResp answers a pilot that has told a node of its state.
type appendResp struct {
	promised, opened uint64
	executed         pair
	last             pair // the last entry of each log in the pilot's epoch, on the disk
	front            pair // in that epoch
}

func (m *appendResp) Fields(c *quorum.Coder) {
	c.Uint(&m.promised)
	c.Uint(&m.opened)
	pairFields(c, &m.executed)
	pairFields(c, &m.last)
	pairFields(c, &m.front)
}

// prepareReq asks for a promise to take part in no earlier epoch.
type prepareReq struct {
	epoch    uint64
	pre      bool   // only asks what the answer would be
	opened   uint64 // the epoch that the sender is a pilot of; 0 if it is none
	executed pair   // what the sender needs not be told
}

func (m *prepareReq) Fields(c *quorum.Coder) {
	c.Uint(&m.epoch)
	c.Bool(&m.pre)
	c.Uint(&m.opened)
	pairFields(c, &m.executed)
}

type prepareResp struct {
	granted bool
	state   // of the node, if it promises
}

func (m *prepareResp) Fields(c *quorum.Coder) { c.Bool(&m.granted); m.state.Fields(c) }

type methods struct {
	prepare quorum.Method[prepareReq, prepareResp]
	append  quorum.Method[state, appendResp]
}

// serve names the methods, with their numbers on the wire, and handles them.
func (n *Node) serve() {
	n.methods = methods{
		quorum.NewMethod[prepareReq, prepareResp](1, "copilot prepare"),
		quorum.NewMethod[state, appendResp](2, "copilot append"),
	}
	n.methods.prepare.Handle(n.endpoint, n.handlePrepare)
	n.methods.append.Handle(n.endpoint, n.handleAppend)
}
