package server

import (
	"context"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/console"
)

// TestReplicas: each node's console hears from all nodes, and which of them does not answer.
func TestReplicas(t *testing.T) {
	s := newTestShard(t)
	lead, follower := s.leader(), s.follower()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	await := func(what string, is func([]console.Replica) bool) {
		t.Helper()
		var last []console.Replica
		for ; ctx.Err() == nil; _ = follower.server.pause(ctx, 10*time.Millisecond) {
			if last = follower.server.Replicas(); is(last) {
				return
			}
		}
		t.Fatalf("%s is not told, but %+v", what, last)
	}
	await("what all nodes are", func(found []console.Replica) bool {
		roles := map[string]int{}
		for _, r := range found {
			if r.Silent != "" || r.LagMillis == nil || r.Streams == 0 || r.Watermark.IsZero() {
				return false
			}
			roles[r.Role]++
		}
		return roles[string(RoleLeader)] == 1 && roles[string(RoleFollower)] == 2
	})
	for _, n := range s.nodes {
		if n != lead && n != follower {
			n.server.Close()
		}
	}
	await("which node does not answer", func(found []console.Replica) bool {
		silent := 0
		for _, r := range found {
			if r.Silent != "" {
				silent++
			}
		}
		return silent == 1
	})
}

// TestLagOfOneThatKnowsNothing: a node that has just been started is not behind by all the time there is.
func TestLagOfOneThatKnowsNothing(t *testing.T) {
	now := time.Now()
	if lag := (&Status{}).LagMillis(now); lag != nil {
		t.Errorf("%d ms", *lag)
	}
	if lag := (&Status{Released: 1, ReleasedAt: now.Add(-time.Second)}).LagMillis(now); lag == nil || *lag != 1000 {
		t.Errorf("%v ms", lag)
	}
}
