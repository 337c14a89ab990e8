package server

import (
	"context"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// removedEvery is how often a node that has heard of no leader for Options.LeaderWait asks the others whether it is still
// a member.
const removedEvery = 2 * time.Second

const errRemoved command.Error = "CLUSTERDOWN this node was removed from the cluster and serves nobody any more: connect to another one"

// A node that is removed while it is away, or that the others tell nothing more once it is removed, would wait for a
// leader for ever. So it asks the others over the port of their clients, and says so to operators and clients.

// lookForRemoval asks whether this node is a member, beside watchLead, whose own times it keeps: asked is when it did last.
func (s *Server) lookForRemoval(asked *time.Time) {
	if s.hope.Load().Err() == nil {
		s.removed.Store(false)
		return
	}
	if time.Since(*asked) < removedEvery {
		return
	}
	*asked = time.Now()
	s.wg.Go(func() {
		if s.isRemoved(s.ctx) && !s.removed.Swap(true) {
			s.log.Error("this node was removed from the cluster and serves nobody any more: stop it; to make it a member again, start it with an empty data folder and --join, and use godwit members add")
		}
	})
}

// isRemoved tells whether a node that leads says so.
func (s *Server) isRemoved(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, siblingTimeout)
	defer cancel()
	group, err := s.db.Status(ctx)
	if err != nil {
		return false
	}
	addrs, err := s.nodeAddrs(ctx)
	if err != nil {
		return false // it was never a member
	}
	says := make(chan bool, len(addrs))
	for id := range addrs {
		go func() {
			var conn *upstream
			said, err := s.askSibling(ctx, id, &conn)
			if conn != nil {
				_ = conn.Close()
			}
			says <- err == nil && said.Role == RoleLeader && !slices.Contains(append(said.Members, said.Learners...), group.Node)
		}()
	}
	removed := false
	for range addrs {
		removed = <-says || removed
	}
	return removed
}
