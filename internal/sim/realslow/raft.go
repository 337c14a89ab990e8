package realslow

import (
	"context"
	"encoding/binary"
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
func (m *raftMember) Do(ctx context.Context, c Command) (env.NodeID, error) {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), c.Client)
	_, err := m.Propose(ctx, binary.LittleEndian.AppendUint64(b, c.Number))
	if errors.Is(err, raft.ErrNotLeader) {
		return m.Status().Leader, err
	}
	return 0, err
}

// State implements Member.
func (m *raftMember) State() (digest uint64, entries int) {
	return m.total.sum, m.Status().Entries
}

// total is the state machine: a sum in which the order counts.
type total struct{ sum uint64 }

func (t *total) Apply(_ uint64, command []byte) []byte {
	t.sum = t.sum*0x9e3779b97f4a7c15 + binary.LittleEndian.Uint64(command) ^ binary.LittleEndian.Uint64(command[8:])
	return nil
}

func (t *total) Snapshot() []byte { return binary.LittleEndian.AppendUint64(nil, t.sum) }

func (t *total) Restore(data []byte) error {
	if len(data) != 8 {
		return errors.New("realslow: not a sum")
	}
	t.sum = binary.LittleEndian.Uint64(data)
	return nil
}
