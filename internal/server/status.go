package server

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/hlc"
)

// Role is what a node is to its shard.
type Role string

// The roles.
const (
	RoleAlone      Role = "alone" // a database without replicas
	RoleLeader     Role = "leader"
	RoleFollower   Role = "follower"
	RoleLearner    Role = "learner"    // it follows, and does not count for majorities
	RoleRecovering Role = "recovering" // it has restarted, and votes when it has caught up
	RoleRemoved    Role = "removed"    // it is no member, or known with another folder
)

// Status is what a node tells of itself: the answer to GODWIT STATUS, as JSON.
type Status struct {
	Node     godwit.NodeID   `json:"node,omitempty"` // 0: alone
	Role     Role            `json:"role"`
	Epoch    uint64          `json:"epoch,omitempty"`
	Leader   godwit.NodeID   `json:"leader,omitempty"`         // 0 if none is known
	LeaderAt string          `json:"leader_address,omitempty"` // where its clients connect
	Members  []godwit.NodeID `json:"members,omitempty"`
	Learners []godwit.NodeID `json:"learners,omitempty"`

	Executed   godwit.Timestamp `json:"executed"` // see godwit.Stats
	Released   godwit.Timestamp `json:"released"`
	ReleasedAt time.Time        `json:"released_at"` // when that was, to the millisecond
	// Commands counts those that were executed here and whose replies were released.
	Commands      uint64 `json:"commands"`
	Clients       int    `json:"clients"`
	Draining      bool   `json:"draining,omitempty"`
	UptimeSeconds int64  `json:"uptime_seconds"`
	Records       int64  `json:"records"`
	MemoryBytes   int64  `json:"memory_bytes"`
	MemoryLimit   int64  `json:"memory_limit_bytes"`
	// Streams is how many the node executes and logs with, LogPendingBytes what it has executed and not written yet, LogBytes
	// the size of the log on its disk.
	Streams         int   `json:"streams"`
	LogPendingBytes int64 `json:"log_pending_bytes"`
	LogBytes        int64 `json:"log_bytes"`

	DiskFull  bool   `json:"disk_full,omitempty"`
	Damaged   string `json:"damaged,omitempty"`
	Refused   string `json:"refused,omitempty"`
	LogFailed string `json:"log_failed,omitempty"`
}

// Status returns what the node is and has.
func (s *Server) Status(ctx context.Context) Status {
	stats := s.db.Stats()
	now := Status{
		Role: RoleAlone, Executed: stats.Executed, Released: stats.Released, Commands: s.counters.sumReleased(), Records: stats.Records,
		MemoryBytes: stats.MemoryUsedBytes, MemoryLimit: stats.MemoryLimitBytes, LogFailed: text(stats.Log.Failed),
		Streams: stats.Streams, LogPendingBytes: stats.Log.PendingBytes, LogBytes: stats.Log.DiskBytes,
		UptimeSeconds: int64(time.Since(s.started).Seconds()),
	}
	now.Clients = s.clients()
	s.mu.Lock()
	now.Draining = s.mu.draining
	s.mu.Unlock()
	now.ReleasedAt = moment(now.Released)
	group, err := s.db.Status(ctx)
	if err != nil {
		return now
	}
	now.Node, now.Role, now.Epoch, now.Leader = group.Node, role(group), group.Epoch, group.Leader
	now.Members, now.Learners, now.Released = group.Members, group.Learners, group.Released
	now.DiskFull, now.Damaged, now.Refused = group.DiskFull, text(group.Damaged), text(group.Refused)
	now.ReleasedAt = moment(now.Released)
	if s.removed.Load() {
		now.Role = RoleRemoved
	}
	if l := s.lead.Load(); group.Leading {
		now.LeaderAt = s.opts.Advertise
	} else if l != nil && l.node == group.Leader {
		now.LeaderAt = l.addr
	}
	return now
}

func role(s godwit.ClusterStatus) Role {
	switch {
	case s.Leading:
		return RoleLeader
	case s.Recovering:
		return RoleRecovering
	case s.OtherFolder:
		return RoleRemoved
	case slices.Contains(s.Members, s.Node):
		return RoleFollower
	case slices.Contains(s.Learners, s.Node):
		return RoleLearner
	}
	return RoleRemoved
}

// LagMillis returns how much longer ago it was released what the node has than what the leader has, in milliseconds; nil for
// a node that was started and has not heard yet what is released.
func (s *Status) LagMillis(leader time.Time) *int64 {
	if s.Released == 0 {
		return nil
	}
	lag := max(0, leader.Sub(s.ReleasedAt).Milliseconds())
	return &lag
}

// moment returns when a transaction executed.
func moment(at godwit.Timestamp) time.Time { return hlc.Timestamp(at).Time() }

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// status answers GODWIT STATUS.
func (c *conn) status(args [][]byte) error {
	if len(args) != 0 {
		return command.Error("ERR GODWIT STATUS has no arguments")
	}
	b, err := json.Marshal(c.server.Status(c.ctx))
	if err != nil {
		return err
	}
	c.out.Bulk(b)
	return nil
}
