package benchnode

import (
	"encoding/binary"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
)

// Order is what the process is told on its standard input, one a line. One of the fields
// beside Number is set; the Report that answers it has the same Number.
type Order struct {
	Number uint64
	Listen string     `json:",omitempty"` // at this address
	Start  *Setup     `json:",omitempty"`
	Status bool       `json:",omitempty"`
	Change *Change    `json:",omitempty"` // of the group, if it leads
	Disk   *DiskOrder `json:",omitempty"`
	// Check asks for a checksum of all data, at or above a timestamp.
	Check *uint64 `json:",omitempty"`
}

// Setup is what a replica needs to start.
type Setup struct {
	ID      env.NodeID
	Addrs   map[env.NodeID]string // as this node finds them
	Cluster uint64
	Dir     string
	// Voters are the first members of a new group. A node that is to join one has none.
	Voters          []env.NodeID
	Threads         int
	MemoryMiB       int64
	Memory          bool // durable is what a majority has received
	ElectionTimeout time.Duration
	SegmentBytes    int64
	CheckpointBytes int64
}

// Change is a change of the group's members. One field is set.
type Change struct {
	Add     env.NodeID `json:",omitempty"`
	Promote env.NodeID `json:",omitempty"`
	Remove  env.NodeID `json:",omitempty"`
}

// DiskOrder is how the disk is from now on.
type DiskOrder struct {
	Full      bool          // files cannot grow
	SyncDelay time.Duration // how much longer a sync takes
}

// Report is what the process says on its standard output, one a line.
type Report struct {
	Number uint64               `json:",omitempty"` // of the order that it answers
	Err    string               `json:",omitempty"` // why the order was not carried out
	Addr   string               `json:",omitempty"`
	Status *Status              `json:",omitempty"`
	Sum    *benchshard.Checksum `json:",omitempty"`
	At     uint64               `json:",omitempty"` // timestamp of Sum
	// Ended: the replica has ended by itself, and the process does now.
	Ended string `json:",omitempty"`
}

// Status is how a replica is.
type Status struct {
	stream.Status
	Leads   bool
	Applied uint64 // timestamp up to which everything is certain and there
}

// Database returns the id of the cluster's data.
func (s *Setup) Database() (id wal.DatabaseID) {
	binary.LittleEndian.PutUint64(id[:], s.Cluster)
	return id
}
