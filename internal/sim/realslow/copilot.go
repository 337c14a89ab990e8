package realslow

import (
	"context"
	"errors"
	"slices"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/copilot"
)

func copilotProtocol() Protocol {
	return Protocol{Name: "copilot", Leaders: 2, Start: startCopilot}
}

// entryBytes is more than an entry takes for each command in it, so that the number of
// entries alone bounds the log.
const entryBytes = 1 << 10

func startCopilot(ctx context.Context, e *quorum.Endpoint, files env.FS, c Cluster) (Member, error) {
	m := &copilotMember{}
	o := copilot.Options{Dir: c.Dir, Members: c.Members, ElectionTimeout: c.ElectionTimeout,
		SnapshotEntries: c.SnapshotEntries, SnapshotBytes: c.SnapshotEntries * entryBytes}
	var err error
	m.Node, err = copilot.Start(ctx, e, files, &m.total, o)
	return m, err
}

type copilotMember struct {
	*copilot.Node
	total total
}

// Do implements Member. Who has carried a command out also tells who the pilots
// are: a client that has an answer from one of them would not hear otherwise that
// the other one has been replaced.
func (m *copilotMember) Do(ctx context.Context, c Command) (bool, []env.NodeID, error) {
	_, err := m.Submit(ctx, copilot.Command{Client: c.Client, Seq: c.Number, Data: c.encode()})
	if err != nil && !errors.Is(err, copilot.ErrNotPilot) {
		return false, nil, err
	}
	pilots := m.Status().Pilots
	if slices.Contains(pilots[:], 0) {
		return err == nil, nil, nil
	}
	return err == nil, pilots[:], nil
}

// State implements Member.
func (m *copilotMember) State() State {
	return State{m.total.applied, m.total.sum, m.Status().Entries}
}
