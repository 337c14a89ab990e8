package server

import (
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// removedEvery is how often a node that has heard of no leader for Options.LeaderWait asks the others whether it is still
// a member.
const removedEvery = 2 * time.Second

const errRemoved command.Error = "CLUSTERDOWN this node was removed from the cluster and serves nobody any more: connect to another one"

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
		if removed, err := s.db.Removed(s.ctx); err == nil && removed && !s.removed.Swap(true) {
			s.log.Error("this node was removed from the cluster and serves nobody any more: stop it; to make it a member again, start it with an empty data folder and --join, and use godwit members add")
		}
	})
}
