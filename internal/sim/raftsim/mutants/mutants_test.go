package mutants

import (
	"fmt"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/mutant"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/raftsim"
	"github.com/godwitdb/godwit/quorum"
)

const (
	appendGo   = "quorum/raft/append.go"
	electionGo = "quorum/raft/election.go"
	storeGo    = "quorum/raft/store.go"
	raftGo     = "quorum/raft/raft.go"
	memberGo   = "quorum/raft/member.go"
	journalGo  = "quorum/journal/journal.go"
)

// wrong are mistakes that break a promise.
func wrong() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "lost vote: it is not on the disk", File: storeGo, Seed: 26, Edits: []string{
			"term: n.term, vote: n.vote})\n}\n\n// saveAll", "term: n.term})\n}\n\n// saveAll",
		}},
		{Name: "a vote counts twice", File: electionGo, Seed: 11, Edits: []string{
			"granted := upToDate && (n.vote == 0 || n.vote == from)", "granted := upToDate",
		}},
		{Name: "a vote for whoever lacks entries", File: electionGo, Seed: 1, Edits: []string{
			"upToDate := req.lastTerm", "upToDate := true || req.lastTerm",
		}},
		{Name: "stale-term reply accepted: votes of a term that is over", File: electionGo, Seed: 12, Edits: []string{
			"return err == nil && n.term == term, err", "return err == nil && term+1 > 0, err",
			" && n.role == Candidate {", " {",
		}},
		{Name: "an answer before the disk has it", File: appendGo, Seed: 83, Edits: []string{
			"	if err := n.journal.Sync(ctx); err != nil {\n		return nil, err\n	}\n	if resp.term", "	if resp.term",
		}},
		{Name: "the last index decides where logs match", File: appendGo, Seed: 5, Edits: []string{
			"	if term == prevTerm {\n		return 0, true\n	}\n", "	if term > 0 {\n		return 0, true\n	}\n",
		}},
		{Name: "a read without asking who follows", File: raftGo, Seed: 5, Edits: []string{
			"	if err := n.untilDeposed(ctx, n.confirmed.Reached(n.round)); err != nil {\n		return err\n	}\n", "",
		}},
		{Name: "half is a majority", File: appendGo, Seed: 12, Edits: []string{"return all[(len(all)-1)/2]", "return all[len(all)/2]"}},
		{Name: "the leader's own disk counts before it has the entry", File: appendGo, Seed: 9, Edits: []string{
			"		if err := n.journal.Durable().Wait(ctx, put); err != nil {\n			return err\n		}\n		p.match = last", "		p.match = last",
		}},
		{Name: "entries of earlier terms are committed by counting", File: appendGo, Seed: 105, Edits: []string{
			"	if index >= n.first {\n		n.commit.Advance(index)\n	}", "	n.commit.Advance(index)",
		}},
		{Name: "a damaged journal is taken for one cut off by a crash", File: journalGo, Seed: 13, Edits: []string{
			"	if good < certain {\n", "	if good < 0 {\n", "r[0] == kindBatch {\n			if s", "r[0] > kindData {\n			if s",
		}},
		{Name: "a snapshot without its voters", File: memberGo, Seed: 39, Edits: []string{"		s.data = slices.Clone(s.data)\n", "		s.voters = nil\n"}},
	}
}

// TestVictim fails at the first seed that finds something; with the protocol as
// it is there is none.
func TestVictim(t *testing.T) {
	hunt := raftsim.Scenarios()[1]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1500, func(seed uint64) error { return sim.Replay(hunt, seed, nil).Err })
}

// Every planted mistake is found by the simulation.
func TestMutantsAreFound(t *testing.T) {
	mutant.Find(t, "../../../..", "TestVictim", wrong())
}

// slow are mistakes by which one slow node, or disk, slows all down.
func slow() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "wait on one remote", File: appendGo, Edits: []string{
			"		short, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)\n		defer cancel()\n		resp, err := call(short)", "		resp, err := call(ctx)",
		}},
		{Name: "wait on all", File: appendGo, Edits: []string{
			"n.commit.Behind(quorum.KindQuorum, len(voters)/2+1, len(voters))", "n.commit.Behind(quorum.KindQuorum, len(voters), len(voters))",
			"return all[(len(all)-1)/2]", "return all[0]",
		}},
		{Name: "sync without a bound", File: appendGo, Edits: []string{
			"			n.exchange(ctx, p)\n", "			if err := n.journal.Sync(ctx); err != nil {\n				return err\n			}\n			n.exchange(ctx, p)\n",
		}},
		{Name: "unbounded queue", File: appendGo, Edits: []string{
			"func (n *Node) apply(ctx context.Context) error {\n", "func (n *Node) apply(ctx context.Context) error {\n	indices := quorum.NewQueue[uint64](ctx, \"to apply\", 0)\n",
			"			index := n.applied.Value() + 1\n", "			if err := indices.TryPut(n.applied.Value() + 1); err != nil {\n				return err\n			}\n			index, err := indices.Get(ctx)\n			if err != nil {\n				return err\n			}\n",
		}},
		{Name: "lock across a wait", File: electionGo, Edits: []string{
			"	term := n.term\n", "	term := n.term\n	lock := quorum.NewLock(ctx, \"term\")\n	if err := lock.Lock(ctx); err != nil {\n		return false, err\n	}\n	defer lock.Unlock()\n",
		}},
	}
}

// TestSlowVictim fails if the fail-slow checker finds something in a cluster with
// a slow node.
func TestSlowVictim(t *testing.T) {
	faults := sim.SlowFaults()
	defer sim.RareCollections()()
	mutant.Victim(t, 1, uint64(len(faults)), func(seed uint64) error {
		rec := quorum.NewRecorder()
		f := faults[int(seed)%len(faults)]
		if _, err := raftsim.MeasureSlow(seed, f, 20*time.Millisecond, rec); err != nil {
			return err
		}
		for _, s := range quorum.FailSlow(rec.Waits(), raftsim.Excuses()...) {
			return fmt.Errorf("%s: %v", f.Name, s)
		}
		return nil
	})
}

// Every planted slowness is found by the checker.
func TestSlowMutantsAreFound(t *testing.T) {
	mutant.Find(t, "../../../..", "TestSlowVictim", slow())
}
