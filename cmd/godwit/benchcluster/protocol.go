package benchcluster

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/tpcc"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/wal"
)

// Order is what a member's process is told on its standard input, one a line. One field
// is set.
type Order struct {
	Listen string               `json:",omitempty"` // at this address
	Start  *Setup               `json:",omitempty"`
	Load   bool                 `json:",omitempty"` // the data, if the member leads
	Run    *RunOrder            `json:",omitempty"` // the workload, whenever the member leads
	Disk   *benchnode.DiskOrder `json:",omitempty"`
	Stop   bool                 `json:",omitempty"` // what Run said
	Check  *CheckOrder          `json:",omitempty"`
	Quit   bool                 `json:",omitempty"`
}

// Setup is what a member needs to start.
type Setup struct {
	ID      env.NodeID
	Addrs   map[env.NodeID]string
	Cluster uint64
	Dir     string
	// Alone makes it an engine without log and replicas.
	Alone           bool
	Protocol        Protocol
	Workload        Workload
	Threads         int
	MemoryMiB       int64
	Durability      string
	ElectionTimeout time.Duration
	Profile         string // where to write a processor profile, "" for none
}

// Workload is what runs: one of the two is set.
type Workload struct {
	TPCC *tpcc.Config `json:",omitempty"`
	YCSB *ycsb.Config `json:",omitempty"`
}

// New makes the workload.
func (w Workload) New() (bench.Remote, error) {
	switch {
	case w.TPCC != nil:
		return tpcc.New(*w.TPCC)
	case w.YCSB != nil:
		return ycsb.New(*w.YCSB)
	}
	return nil, errors.New("benchcluster: no workload")
}

// RunOrder is how the workload runs.
type RunOrder struct {
	Warmup, Duration time.Duration
	// Endless runs go on until they are stopped, in leader after leader, and have no
	// result.
	Endless bool `json:",omitempty"`
	// Remote runs are the clients' process's, and no member's.
	Remote bool `json:",omitempty"`
	// Sessions is how many transactions execute at a time at most; 0: as many as there
	// are threads.
	Sessions      int     `json:",omitempty"`
	RatePerSecond float64 `json:",omitempty"`
	InFlightMax   int     `json:",omitempty"`
	Seed          uint64
}

// CheckOrder says what to check the data for.
type CheckOrder struct {
	// AtLeast is a timestamp that the snapshot must not be older than.
	AtLeast uint64 `json:",omitempty"`
	// Executed compares the data with what this process has executed, too, and Counts
	// with what clients were told is executed.
	Executed bool         `json:",omitempty"`
	Counts   bench.Counts `json:",omitempty"`
}

// Report is what a member's process says on its standard output, one a line. One field
// is set.
type Report struct {
	Addr    string        `json:",omitempty"` // it listens there
	Started bool          `json:",omitempty"`
	Sample  *Sample       `json:",omitempty"`
	Loaded  *LoadReport   `json:",omitempty"`
	Result  *bench.Result `json:",omitempty"`
	Stopped bool          `json:",omitempty"`
	Counts  bench.Counts  `json:",omitempty"` // of clients that have stopped
	Checked *CheckReport  `json:",omitempty"`
	Err     string        `json:",omitempty"`
}

// Sample is how a member is at a moment, or the clients' process.
type Sample struct {
	At        int64  // Unix nanoseconds
	CPU       int64  // nanoseconds of processor time that the process has used
	Leads     bool   `json:",omitempty"`
	Epoch     uint64 `json:",omitempty"` // of clients that of the newest answer
	Executed  uint64 `json:",omitempty"` // transactions, by this process
	Released  uint64 `json:",omitempty"` // transactions, as far as who runs the workload is told
	Conflicts uint64 `json:",omitempty"` // attempts that had to run again
	Applied   uint64 `json:",omitempty"` // timestamp up to which everything is certain and there
	Commit    uint64 `json:",omitempty"` // rounds that are durable
	Rounds    uint64 `json:",omitempty"` // that it has made
	Payload   uint64 `json:",omitempty"` // bytes in them
	Sent      uint64 `json:",omitempty"` // bytes to the others
	Received  uint64 `json:",omitempty"` // bytes from the replicas, of clients
	Writes    uint64 `json:",omitempty"` // batches of frames that were sent
}

// LoadReport says that the data are there.
type LoadReport struct {
	Seconds float64
	Applied uint64 // timestamp of the newest
}

// CheckReport is what a member has found in its data.
type CheckReport struct {
	At       uint64 // timestamp of the snapshot
	Checksum benchshard.Checksum
	Seconds  float64
	Wrong    string `json:",omitempty"` // what violates the conditions
}

// database returns the id of the cluster's data.
func (s *Setup) database() (id wal.DatabaseID) {
	binary.LittleEndian.PutUint64(id[:], s.Cluster)
	return id
}
