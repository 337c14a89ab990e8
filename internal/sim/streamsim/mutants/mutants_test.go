package mutants

import (
	"testing"

	"github.com/godwitdb/godwit/internal/mutant"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/streamsim"
)

const (
	electionGo = "internal/stream/election.go"
	adoptGo    = "internal/stream/adopt.go"
	leadGo     = "internal/stream/lead.go"
	replGo     = "internal/stream/replicate.go"
	followGo   = "internal/stream/follow.go"
	messagesGo = "internal/stream/messages.go"
	membersGo  = "internal/stream/members.go"
	logGo      = "internal/stream/log.go"
	modelGo    = "internal/sim/streamsim/model.go"
)

// wrong are mistakes that break a rule. Those of the model of DESIGN 4.2 come first.
func wrong() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "vote-twice", File: electionGo, Seed: 2, Edits: []string{
			"over := req.epoch <= g.epoch && req.epoch != g.open\n", "over := req.epoch < g.epoch || req.epoch == g.epoch && g.role == Leader\n",
		}},
		{Name: "who has voted still has a vote", File: electionGo, Seed: 1, Edits: []string{"		g.vote, g.open = from, 0\n", "		g.vote, g.open = from, req.epoch\n"}},
		{Name: "small-quorum", File: membersGo, Seed: 2, Edits: []string{"return len(m.Voters)/2 + 1", "return len(m.Voters) / 2"}},
		{Name: "longest-tail", File: messagesGo, Seed: 34, Edits: []string{
			"return p.epoch < q.epoch || p.epoch == q.epoch && p.number < q.number", "return p.number < q.number",
		}},
		{Name: "own-tail", File: adoptGo, Seed: 8, Edits: []string{"if best.less(&reports[i].last) {", "if best.less(&reports[i].last) && reports[i].from == g.id {"}},
		{Name: "accept-old-epoch", File: followGo, Seed: 35, Edits: []string{
			"	if !g.observe(epoch) {\n		return false\n	}\n	if g.role == Leader {", "	if g.observe(epoch); g.role != Follower {\n		return false\n	}\n	if g.role == Leader {",
			"	if resp.epoch = g.epoch; g.epoch != epoch {", "	if resp.epoch = epoch; g.epoch < epoch {",
		}},
		{Name: "no-barrier", File: leadGo, Seed: 2, Edits: []string{
			"	g.reign.Barrier = g.add(wal.Round{Kind: wal.RoundOpen})\n", "	if g.reign.Barrier = g.log.last(); !g.members().known() {\n		g.reign.Barrier = g.add(wal.Round{Kind: wal.RoundOpen})\n	}\n",
			"	if r.Watermark < g.log.lastWatermark() {", "	if r.Watermark < g.log.lastWatermark() && g.log.lastEpoch() == g.epoch {",
			"	return g.add(r), nil", "	if g.log.lastEpoch() != g.epoch {\n		r.Kind = wal.RoundOpen\n	}\n	return g.add(r), nil",
		}},
		{Name: "release-before-barriers", File: leadGo, Seed: 3, Edits: []string{
			"	g.elected.TryGet() // an older", "	g.reign.Opened.Set(struct{}{})\n	g.elected.TryGet() // an older",
		}},
		{Name: "the final watermark is the last timestamp", File: logGo, Seed: 2, Edits: []string{
			"l.spans[len(l.spans)-1].watermark = r.Watermark", "l.spans[len(l.spans)-1].watermark = r.Last",
		}},
		{Name: "keep-above-final", File: modelGo, Seed: 2, Edits: []string{
			"		s.pending = nil\n", "		for _, t := range s.pending {\n			s.install(t)\n		}\n		s.pending = nil\n",
		}},
		{Name: "one-ack", File: leadGo, Seed: 1, Edits: []string{"return all[(len(all)-1)/2]", "return all[len(all)-1]"}},
		{Name: "watermark-max", File: modelGo, Seed: 1, Edits: []string{
			"r.Watermark = min(r.Watermark, closed[i])", "r.Watermark = max(r.Watermark%hlc.Max, closed[i])",
			"		if t.ts <= s.watermark {", "		if t.ts == 0 {",
		}},
		// In the model this does no harm: there nothing rests on what is durable before
		// the barriers are. Here followers carry out what is.
		{Name: "count-old-epoch", File: leadGo, Seed: 15, Edits: []string{
			"	if number >= g.reign.Barrier {\n		g.advance(number)\n", "	g.advance(number)\n	if number >= g.reign.Barrier {\n",
		}},
		{Name: "an answer before the disk has it", File: followGo, Seed: 8, Edits: []string{
			"g.settled(ctx, rounds > g.disk.written)", "g.settled(ctx, g.lazyMax() > 0)",
		}},
		{Name: "the leader's own disk counts before it has the round", File: replGo, Seed: 9, Edits: []string{
			"g.settled(ctx, true)", "g.settled(ctx, g.lazyMax() > 0)",
		}},
		{Name: "a commit number is believed beyond what matches", File: followGo, Seed: 8, Edits: []string{
			"g.advance(min(req.commit, req.end()))", "g.advance(min(req.commit, g.log.last()))",
		}},
		{Name: "the last number decides where logs match", File: "internal/stream/group.go", Seed: 8, Edits: []string{
			"	if epoch == p.epoch {\n", "	if epoch > 0 {\n",
		}},
		{Name: "a member counts with whatever folder it has", File: membersGo, Seed: 1577, Edits: []string{
			"return expected == wal.FolderID{} || expected == folder", "return true || expected == folder",
		}},
		{Name: "a majority elects the first leader", File: membersGo, Seed: 149, Edits: []string{
			"		return len(m.Voters)\n", "		return len(m.Voters)/2 + 1\n",
		}},
		{Name: "confirmed without asking who follows", File: leadGo, Seed: 22, Edits: []string{
			"	return l.untilEnded(ctx, l.confirmed.Reached(g.Ask(l)))", "	g.Ask(l)\n	return nil",
		}},
	}
}

// forgotten are mistakes with what only the memory has.
func forgotten() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "a member votes before it has caught up", File: "internal/stream/group.go", Seed: 3, Edits: []string{
			"g.recovering = o.Ballot.Ahead", "g.recovering = o.Ballot.Ahead && g.epoch == 0",
		}},
		{Name: "a member that does not wait for its disk has promised to", File: "internal/stream/recover.go", Seed: 3, Edits: []string{
			"		g.saveBallot() // it is durable", "		// it is durable",
		}},
	}
}

// damaged are mistakes with what a disk has lost.
func damaged() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "a member does without what is damaged, and all behind it", File: "internal/stream/group.go", Seed: 13, Edits: []string{
			"	if err != nil || g.found.Lost != nil || g.nextHole(g.found.Base.Number+1) != nil {\n",
			"	if h := g.nextHole(g.found.Base.Number + 1); h != nil {\n		g.found.Rounds = g.found.Rounds[:h.from-g.found.Base.Number-1]\n	}\n	if err != nil || g.found.Lost != nil {\n",
		}},
		{Name: "a member that has begun anew votes before it has caught up", File: "internal/stream/repair.go", Seed: 50, Edits: []string{
			"g.lostRounds, g.recovering = true, true", "g.lostRounds, g.recovering = true, false",
		}},
	}
}

// TestVictim fails at the first seed that finds something; with the protocol as
// it is there is none.
func TestVictim(t *testing.T) {
	hunt := streamsim.Scenarios()[1]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1500, func(seed uint64) error { return sim.Replay(hunt, seed, nil).Err })
}

// Every planted mistake is found by the simulation.
func TestMutantsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	mutant.Find(t, "../../../..", "TestVictim", wrong())
}

// TestForgetfulVictim is TestVictim for members that lose what they have in memory.
func TestForgetfulVictim(t *testing.T) {
	forgetful := streamsim.Scenarios()[2]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 3000, func(seed uint64) error { return sim.Replay(forgetful, seed, nil).Err })
}

func TestForgottenIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	mutant.Find(t, "../../../..", "TestForgetfulVictim", forgotten())
}

// elected are mistakes of elections that chance hardly ever shows.
func elected() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "a vote is told before it is on the disk", File: electionGo, Seed: 10, Edits: []string{
			"		g.expectLeader()\n		if err := g.disk.kept.Wait(ctx, g.promised); err != nil {", "		g.expectLeader()\n		if err := ctx.Err(); err != nil {",
		}},
		// Either alone does no harm here: an epoch that is granted once is not won again by who
		// forgot it.
		{Name: "a candidate's own disk lacks the epoch, and it is granted again", File: electionGo, Seed: 642, Edits: []string{
			"		err = g.disk.kept.Wait(ctx, g.promised)\n", "		err = ctx.Err()\n",
			"over := req.epoch <= g.epoch && req.epoch != g.open\n", "over := req.epoch < g.epoch || req.epoch == g.epoch && g.vote != from\n",
		}},
		{Name: "the members of long ago elect", File: leadGo, Seed: 12, Edits: []string{
			"	return votes >= m.quorum() && g.votes()\n", "	return votes >= 0\n",
		}},
	}
}

// TestElectedVictim is TestVictim for elections.
func TestElectedVictim(t *testing.T) {
	elections := streamsim.Scenarios()[3]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1000, func(seed uint64) error { return sim.Replay(elections, seed, nil).Err })
}

func TestElectedIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	mutant.Find(t, "../../../..", "TestElectedVictim", elected())
}

// TestDamagedVictim is TestVictim for members whose disks lose a part of a log.
func TestDamagedVictim(t *testing.T) {
	damage := streamsim.Scenarios()[4]
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1500, func(seed uint64) error { return sim.Replay(damage, seed, nil).Err })
}

func TestDamagedIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	mutant.Find(t, "../../../..", "TestDamagedVictim", damaged())
}

// Tests of their own find mistakes that the simulation shows too rarely.
func TestDirectedAreFound(t *testing.T) {
	mutant.Kill(t, "../../../..", "../../../stream", []mutant.Mutant{
		{Name: "whatever lies where the voter's log begins matches", File: adoptGo, Tests: "^TestFetchBehindTheBase$", Edits: []string{
			"	case req.prev.number < base.Number || req.prev.number == base.Number && req.prev.epoch != base.Epoch:\n", "	case req.prev.number < base.Number:\n",
		}},
	})
	mutant.Kill(t, "../../../..", "..", []mutant.Mutant{
		{Name: "a member that retires does not wait for its disk", File: "internal/stream/recover.go", Tests: "^TestKilledWhileItRetires$", Edits: []string{
			"	if err := g.disk.sync(ctx); err != nil {\n		return err\n	}\n	g.ahead = ", "	g.ahead = ",
		}},
		{Name: "an epoch is granted again to who has got it", File: electionGo, Tests: "^TestFirstLeaderLosesItsDisk$", Edits: []string{
			"over := req.epoch <= g.epoch && req.epoch != g.open\n", "over := req.epoch < g.epoch || req.epoch == g.epoch && g.vote != from\n",
		}},
		{Name: "a leader leaves those who do not vote", File: "internal/stream/members.go", Tests: "^TestLeaderWaitsForVoters$", Edits: []string{
			"p.fit && p.match >= m.number", "p.match >= m.number",
		}},
	})
}
