package raft

import "github.com/godwitdb/godwit/quorum"

// Kind says what an entry of the log is.
type Kind uint64

// The kinds of entries.
const (
	KindCommand Kind = iota // of the state machine
	KindNoop                // the first of a leader
	KindConfig              // the voters from here on
)

// Entry is an entry of the log.
type Entry struct {
	Term uint64
	Kind Kind
	Data []byte
}

func (e *Entry) fields(c *quorum.Coder) {
	c.Uint(&e.Term)
	c.Uint((*uint64)(&e.Kind))
	c.Bytes(&e.Data)
}

// config is the data of an entry of KindConfig.
type config struct{ voters []quorum.NodeID }

func (m *config) Fields(c *quorum.Coder) { quorum.Slice(c, &m.voters, c.Node) }

type voteReq struct {
	term, last, lastTerm uint64
	pre                  bool // only asks what the answer would be
	transfer             bool // the leader wants it: a leader is no reason to refuse
}

func (m *voteReq) Fields(c *quorum.Coder) {
	c.Uint(&m.term)
	c.Uint(&m.last)
	c.Uint(&m.lastTerm)
	c.Bool(&m.pre)
	c.Bool(&m.transfer)
}

type voteResp struct {
	term    uint64
	granted bool
}

func (m *voteResp) Fields(c *quorum.Coder) { c.Uint(&m.term); c.Bool(&m.granted) }

type appendReq struct {
	term, prev, prevTerm, commit uint64
	entries                      []Entry
}

func (m *appendReq) Fields(c *quorum.Coder) {
	c.Uint(&m.term)
	c.Uint(&m.prev)
	c.Uint(&m.prevTerm)
	c.Uint(&m.commit)
	quorum.Slice(c, &m.entries, func(e *Entry) { e.fields(c) })
}

// appendResp answers appendReq, snapshotReq and timeoutReq.
type appendResp struct {
	term uint64
	ok   bool
	// next is the index that the sender should go on with: behind what matches
	// if ok, and else not above where it may match.
	next uint64
}

func (m *appendResp) Fields(c *quorum.Coder) { c.Uint(&m.term); c.Bool(&m.ok); c.Uint(&m.next) }

type snapshotReq struct {
	term uint64
	snapshot
}

func (m *snapshotReq) Fields(c *quorum.Coder) { c.Uint(&m.term); m.snapshot.Fields(c) }

// snapshot is the state machine after the entry at index.
type snapshot struct {
	index, term uint64
	voters      []quorum.NodeID
	data        []byte
}

func (m *snapshot) Fields(c *quorum.Coder) {
	c.Uint(&m.index)
	c.Uint(&m.term)
	quorum.Slice(c, &m.voters, c.Node)
	c.Bytes(&m.data)
}

// timeoutReq tells a node to campaign at once.
type timeoutReq struct{ term uint64 }

func (m *timeoutReq) Fields(c *quorum.Coder) { c.Uint(&m.term) }

type methods struct {
	vote     quorum.Method[voteReq, voteResp]
	append   quorum.Method[appendReq, appendResp]
	snapshot quorum.Method[snapshotReq, appendResp]
	timeout  quorum.Method[timeoutReq, appendResp]
}

// serve names the methods, with their numbers on the wire, and handles them.
func (n *Node) serve() {
	n.methods = methods{
		quorum.NewMethod[voteReq, voteResp](1, "raft vote"),
		quorum.NewMethod[appendReq, appendResp](2, "raft append"),
		quorum.NewMethod[snapshotReq, appendResp](3, "raft snapshot"),
		quorum.NewMethod[timeoutReq, appendResp](4, "raft timeout"),
	}
	n.methods.vote.Handle(n.endpoint, n.handleVote)
	n.methods.append.Handle(n.endpoint, n.handleAppend)
	n.methods.snapshot.Handle(n.endpoint, n.handleSnapshot)
	n.methods.timeout.Handle(n.endpoint, n.handleTimeout)
}
