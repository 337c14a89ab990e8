package stream

import (
	"context"
	"math"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// position is where a log ends.
type position struct {
	epoch  wal.Epoch
	number wal.RoundNumber
}

func (p *position) less(q *position) bool {
	return p.epoch < q.epoch || p.epoch == q.epoch && p.number < q.number
}

func (p *position) fields(c *quorum.Coder) {
	c.Uint((*uint64)(&p.epoch))
	c.Uint((*uint64)(&p.number))
}

// roundFields names a round's fields. Its number follows from its place. A round that is sent
// is the log's own, which others read at the same time: nothing is written to it.
func roundFields(c *quorum.Coder, r *wal.Round) {
	c.Uint((*uint64)(&r.Epoch))
	kind := uint64(r.Kind)
	c.Uint(&kind)
	c.Uint((*uint64)(&r.Watermark))
	c.Uint((*uint64)(&r.Last))
	c.Blob(&r.Payload)
	if !c.Reading() {
		return
	}
	r.Kind = wal.RoundKind(min(kind, math.MaxUint8)) // one that nobody knows stays so
	if len(r.Payload) == 0 {
		r.Payload = nil
	}
}

// run is consecutive rounds, behind a position that the log of who gets them has to have.
type run struct {
	prev   position
	rounds []wal.Round
}

func (m *run) fields(c *quorum.Coder) {
	m.prev.fields(c)
	quorum.Slice(c, &m.rounds, func(r *wal.Round) { roundFields(c, r) })
	if c.Reading() {
		for i := range m.rounds {
			m.rounds[i].Number = m.prev.number + 1 + wal.RoundNumber(i)
		}
	}
}

// end returns the number of the last round.
func (m *run) end() wal.RoundNumber { return m.prev.number + wal.RoundNumber(len(m.rounds)) }

// sound tells whether the rounds can be of one log, whose last epoch is not above max,
// and whether whoever carries them out can read them.
func (m *run) sound(epochMax wal.Epoch) bool {
	epoch := m.prev.epoch
	for i := range m.rounds {
		r := &m.rounds[i]
		if r.Epoch < epoch || r.Epoch > epochMax || !r.Kind.Known() || (r.Epoch > epoch) != (r.Kind == wal.RoundOpen) {
			return false
		}
		if r.Kind == wal.RoundData {
			if _, err := r.Batches(); err != nil {
				return false
			}
		}
		epoch = r.Epoch
	}
	return m.prev.epoch <= epochMax
}

// folderField names a folder's id.
func folderField(c *quorum.Coder, id *wal.FolderID) {
	b := id[:]
	if c.Bytes(&b); c.Reading() {
		*id = wal.FolderID{}
		copy(id[:], b)
	}
}

type voteReq struct {
	epoch    wal.Epoch
	folder   wal.FolderID // of whom it is for, 0 if that is not known
	pre      bool         // only asks what the answer would be
	transfer bool         // the leader wants it: a leader is no reason to refuse
}

func (m *voteReq) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.epoch))
	folderField(c, &m.folder)
	c.Bool(&m.pre)
	c.Bool(&m.transfer)
}

type voteResp struct {
	epoch   wal.Epoch
	granted bool
	folder  wal.FolderID    // the voter's
	last    position        // of the voter's log
	first   wal.RoundNumber // that it has
}

func (m *voteResp) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.epoch))
	c.Bool(&m.granted)
	folderField(c, &m.folder)
	m.last.fields(c)
	c.Uint((*uint64)(&m.first))
}

// appendReq is what a leader has for a follower: rounds, or none to say that it leads.
type appendReq struct {
	epoch  wal.Epoch
	folder wal.FolderID // of whom it is for
	commit wal.RoundNumber
	first  wal.RoundNumber // that the leader has
	run
}

func (m *appendReq) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.epoch))
	folderField(c, &m.folder)
	c.Uint((*uint64)(&m.commit))
	c.Uint((*uint64)(&m.first))
	m.run.fields(c)
}

// appendResp answers appendReq and campaignReq.
type appendResp struct {
	epoch wal.Epoch
	ok    bool
	// next is the number that the sender should go on with: behind what matches if ok,
	// and else not above where it may match.
	next wal.RoundNumber
	// fit is whether who answers an appendReq would help to elect and be of use then: it has
	// nothing to recover, and room on its disk.
	fit bool
}

func (m *appendResp) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.epoch))
	c.Bool(&m.ok)
	c.Uint((*uint64)(&m.next))
	c.Bool(&m.fit)
}

// fetchReq is what a candidate wants of a voter's log: what is behind a position.
type fetchReq struct {
	epoch    wal.Epoch
	prev     position
	bytesMax uint64
}

func (m *fetchReq) Fields(c *quorum.Coder) {
	c.Uint((*uint64)(&m.epoch))
	m.prev.fields(c)
	c.Uint(&m.bytesMax)
}

// fetchResp is a piece of a log, or where to ask again.
type fetchResp struct {
	appendResp
	run
}

func (m *fetchResp) Fields(c *quorum.Coder) {
	m.appendResp.Fields(c)
	m.run.fields(c)
}

// campaignReq tells a member to campaign at once; or asks a leader where its log ends.
type campaignReq struct{ epoch wal.Epoch }

func (m *campaignReq) Fields(c *quorum.Coder) { c.Uint((*uint64)(&m.epoch)) }

// helloReq asks a node for its folder.
type helloReq struct{}

func (*helloReq) Fields(*quorum.Coder) {}

type helloResp struct{ folder wal.FolderID }

func (m *helloResp) Fields(c *quorum.Coder) { folderField(c, &m.folder) }

type methods struct {
	vote     quorum.Method[voteReq, voteResp]
	append   quorum.Method[appendReq, appendResp]
	fetch    quorum.Method[fetchReq, fetchResp]
	campaign quorum.Method[campaignReq, appendResp]
	end      quorum.Method[campaignReq, appendResp]
	hello    quorum.Method[helloReq, helloResp]
	repair   quorum.Method[repairReq, fetchResp]
}

// serve names the methods, with their numbers on the wire, and handles them.
func (g *Group) serve() {
	g.methods = methods{
		quorum.NewMethod[voteReq, voteResp](11, "stream vote"),
		quorum.NewMethod[appendReq, appendResp](12, "stream append"),
		quorum.NewMethod[fetchReq, fetchResp](13, "stream fetch"),
		quorum.NewMethod[campaignReq, appendResp](14, "stream campaign"),
		quorum.NewMethod[campaignReq, appendResp](15, "stream end"),
		quorum.NewMethod[helloReq, helloResp](16, "stream hello"),
		quorum.NewMethod[repairReq, fetchResp](17, "stream repair"),
	}
	g.methods.vote.Handle(g.endpoint, g.handleVote)
	g.methods.append.Handle(g.endpoint, g.handleAppend)
	g.methods.fetch.Handle(g.endpoint, g.handleFetch)
	g.methods.campaign.Handle(g.endpoint, g.handleCampaign)
	g.methods.end.Handle(g.endpoint, g.handleEnd)
	g.methods.repair.Handle(g.endpoint, g.handleRepair)
	g.methods.hello.Handle(g.endpoint, func(context.Context, quorum.NodeID, *helloReq) (*helloResp, error) {
		return &helloResp{g.options.Folder}, nil
	})
}
