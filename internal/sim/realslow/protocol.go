package realslow

import (
	"context"
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
	// Do carries out a command that a client has sent here. instead, if not 0, is
	// the member to send it to, because this one takes none. The same command may
	// come to several members.
	Do(ctx context.Context, c Command) (instead env.NodeID, err error)
	// State returns a number that tells how far the state machine is: members that
	// have carried out the same commands have the same one. entries is how many
	// the member holds in memory.
	State() (digest uint64, entries int)
}

// Command is what a client sends. Client and Number together name it.
type Command struct{ Client, Number uint64 }

// Protocols returns those that can be measured.
func Protocols() []Protocol { return []Protocol{raftProtocol()} }
