package realslow

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// Protocol is a replicated state machine that can be measured.
type Protocol struct {
	Name string
	// Leaders is how many members a client sends each command to at once. The
	// first that has carried it out counts. Members 1 to Leaders are tried first.
	Leaders int
	// Start makes a member out of what is on its disk. The endpoint listens
	// afterwards.
	Start func(ctx context.Context, e *quorum.Endpoint, files env.FS, c Cluster) (Member, error)
}

// Cluster is what a member is told of where it belongs.
type Cluster struct {
	Dir             string // for the member's files
	Members         []env.NodeID
	ElectionTimeout time.Duration
	// SnapshotEntries is how long the log gets.
	SnapshotEntries int
}

// Member is one of a cluster. Its methods are for tasks of its runtime.
type Member interface {
	// Run takes part until ctx ends.
	Run(ctx context.Context) error
	// Do carries out a command that a client has sent here, and tells whether it
	// has. leaders are those to ask from now on, as many as a command is sent to,
	// if they may be others. The same command may come to several members.
	Do(ctx context.Context, c Command) (done bool, leaders []env.NodeID, err error)
	// State returns how far the member is.
	State() State
}

// State is how far a member is.
type State struct {
	Applied uint64 // commands that it has carried out
	// Digest tells state machines apart: members that have carried out the same
	// commands in the same order have the same one.
	Digest  uint64
	Entries int // that it holds in memory
}

// Command is what a client sends. Client and Number together name it.
type Command struct{ Client, Number uint64 }

// encode returns the command as it is in the log.
func (c Command) encode() []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), c.Client)
	return binary.LittleEndian.AppendUint64(b, c.Number)
}

// Protocols returns those that can be measured.
func Protocols() []Protocol { return []Protocol{raftProtocol(), copilotProtocol()} }

// total is the members' state machine: a sum in which the order counts.
type total struct{ applied, sum uint64 }

func (t *total) Apply(_ uint64, command []byte) []byte {
	t.applied++
	t.sum = t.sum*0x9e3779b97f4a7c15 + binary.LittleEndian.Uint64(command) ^ binary.LittleEndian.Uint64(command[8:])
	return nil
}

func (t *total) Snapshot() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, t.applied), t.sum)
}

func (t *total) Restore(data []byte) error {
	if len(data) != 16 {
		return errors.New("realslow: not a sum")
	}
	t.applied, t.sum = binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
	return nil
}
