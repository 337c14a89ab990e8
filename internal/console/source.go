package console

import (
	"context"
	"net"
	"time"

	"github.com/godwitdb/godwit/internal/metric"
)

// Source is the node that a console shows.
type Source interface {
	// Figures returns what the node is and has done, now.
	Figures(ctx context.Context) Figures
	// Pulse returns how many requests were executed since the node began, how many of them are released, and how many will be.
	Pulse() (executed, released, inFlight uint64)
	// Replicas returns what all nodes of the group have said of themselves last, and has them asked again. It is called while
	// somebody looks, and does not wait. It is empty before they have answered, and if the database is alone.
	Replicas() []Replica
	// Connect returns a client's connection to the node: one that is the user's, or with "" that of a client which has not
	// authenticated.
	Connect(user string) net.Conn
}

// Figures are what a node is and has done. Counts are since it began.
type Figures struct {
	Node      uint32    `json:"node"` // 0: the database is alone
	Role      string    `json:"role"`
	Epoch     uint64    `json:"epoch"`
	Leader    uint32    `json:"leader"` // 0: none is known
	Members   []Member  `json:"members"`
	Replicas  []Replica `json:"replicas"`
	Trouble   []string  `json:"trouble"` // what an operator should look at
	Started   time.Time `json:"started"`
	HotKeys   []HotKey  `json:"hotKeys"`
	Errors    []Count   `json:"errors"` // replies that are errors, by their code
	Address   string    `json:"address"`
	Watermark time.Time `json:"watermark"` // up to when this node has everything that is released

	Executed, Released, InFlight        uint64         `json:"-"` // requests
	Transactions                        uint64         `json:"-"` // that wrote
	Conflicts, Favoured                 uint64         `json:"-"`
	ExecutedIn, ReleasedIn              *metric.Counts `json:"-"` // from when a request came
	PendingBytes                        int64          `json:"-"` // executed and not written to the log yet
	SyncP50, SyncP99                    time.Duration  `json:"-"`
	Syncs                               uint64         `json:"-"`
	Clients                             int            `json:"-"`
	Keys                                int64          `json:"-"`
	MemoryUsed, MemoryLive, MemoryLimit int64          `json:"-"`
	LogBytes, CheckpointBytes           int64          `json:"-"`
}

// Member is a node of the group.
type Member struct {
	Node    uint32 `json:"node"`
	Learner bool   `json:"learner"`
	Address string `json:"address"` // where its clients connect, if it is known
}

// Replica is what a node of the group says of itself.
type Replica struct {
	Node         uint32    `json:"node"`
	Silent       string    `json:"silent,omitempty"` // why it says nothing: then the rest is empty
	Role         string    `json:"role"`
	Epoch        uint64    `json:"epoch"`
	Watermark    time.Time `json:"watermark"` // up to when it has everything that is released
	LagMillis    *int64    `json:"lag"`       // how far that is behind the leader's; nil if none answers
	Streams      int       `json:"streams"`
	PendingBytes int64     `json:"pending"` // executed and not written to its log yet
	LogBytes     int64     `json:"log"`
	MemoryUsed   int64     `json:"memUsed"`
	Records      int64     `json:"records"`
	Clients      int       `json:"clients"`
}

// HotKey is a key that is asked for often.
type HotKey struct {
	DB        int     `json:"db"`
	Key       string  `json:"key"`
	PerSecond float64 `json:"perSecond"`
}

// Count is how often something happened.
type Count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}
