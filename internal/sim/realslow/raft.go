package realslow

import (
	"context"
	"errors"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

func raftProtocol() Protocol {
	return Protocol{Name: "raft", Leaders: 1, Start: startRaft}
}

func startRaft(ctx context.Context, e *quorum.Endpoint, files env.FS, c Cluster) (Member, error) {
	m := &raftMember{}
	o := raft.Options{Dir: c.Dir, Voters: c.Members, ElectionTimeout: c.ElectionTimeout, SnapshotEntries: c.SnapshotEntries}
	var err error
	m.Node, err = raft.Start(ctx, e, files, &m.total, o)
	return m, err
}

type raftMember struct {
	*raft.Node
	total total
}

// Do implements Member.
func (m *raftMember) Do(ctx context.Context, c Command) (bool, []env.NodeID, error) {
	_, err := m.Propose(ctx, c.encode())
	if !errors.Is(err, raft.ErrNotLeader) {
		return err == nil, nil, err
	}
	if leader := m.Status().Leader; leader != 0 {
		return false, []env.NodeID{leader}, nil
	}
	return false, nil, nil
}

// State implements Member.
func (m *raftMember) State() State {
	return State{m.total.applied, m.total.sum, m.Status().Entries}
}
