package godwit

import (
	"context"
	"maps"
	"slices"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// A leader tells its members what there is, and others nothing. So a node that was removed while it was away would wait
// for a leader for ever. It asks the nodes that it has addresses of.

// memberReq asks a node whether who asks is a member.
type memberReq struct{}

// Fields implements quorum.Message.
func (*memberReq) Fields(*quorum.Coder) {}

// memberResp is the answer. Only a node that leads knows.
type memberResp struct{ leads, member bool }

// Fields implements quorum.Message.
func (m *memberResp) Fields(c *quorum.Coder) {
	c.Bool(&m.leads)
	c.Bool(&m.member)
}

func memberMethod() quorum.Method[memberReq, memberResp] {
	return quorum.NewMethod[memberReq, memberResp](41, "godwit member")
}

// handleMember answers memberReq, when a majority has said that this node leads: one that was deposed may not know of new
// members. Nor was one removed as long as that is not durable, nor one that is only being added.
func (n *openReplica) handleMember(ctx context.Context, from quorum.NodeID, _ *memberReq) (*memberResp, error) {
	g := n.Group()
	if err := g.Confirm(ctx); err != nil {
		return &memberResp{}, nil //nolint:nilerr // it does not lead
	}
	members := append(g.MembersAt(wal.RoundNumber(g.Commit().Value())).All(), g.Status().Members.All()...)
	return &memberResp{leads: true, member: slices.Contains(members, from)}, nil
}

// Removed asks the other nodes whether this one was removed from the group, and returns true if one that leads says so. It is
// for a node that has heard of no leader for a while. One that waits to become a member was not removed.
func (db *DB) Removed(ctx context.Context) (removed bool, err error) {
	err = db.task(ctx, "removed", func(ctx context.Context, n *openReplica) error {
		if len(n.Group().Status().Members.All()) == 0 {
			return nil
		}
		db.replica.mu.Lock()
		others := slices.Sorted(maps.Keys(db.replica.mu.peers))
		db.replica.mu.Unlock()
		others = slices.DeleteFunc(others, func(id NodeID) bool { return id == n.rt.Node() })
		ctx, cancel := quorum.WithTimeout(ctx, db.opts.Cluster.ElectionTimeout)
		defer cancel()
		votes := memberMethod().Broadcast(ctx, n.endpoint, others, func(quorum.NodeID) *memberReq { return &memberReq{} })
		defer votes.Drop()
		said := votes.Need(1, func(_ quorum.NodeID, m *memberResp) bool { return m.leads && !m.member })
		removed = said.Wait(ctx) == nil
		return nil
	})
	return removed, err
}
