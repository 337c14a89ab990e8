package mutants

import (
	"fmt"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/mutant"
	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/internal/sim/copilotsim"
	"github.com/godwitdb/godwit/quorum"
)

const (
	appendGo = "quorum/copilot/append.go"
	applyGo  = "quorum/copilot/apply.go"
	epochGo  = "quorum/copilot/epoch.go"
	pilotGo  = "quorum/copilot/pilot.go"
	stateGo  = "quorum/copilot/state.go"
)

// wrong are mistakes that break a promise.
func wrong() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "an answer before the disk has it", File: appendGo, Seed: 9, Edits: []string{
			"		if err := n.journal.Sync(ctx); err != nil {\n			return nil, err\n		}\n", "",
		}},
		{Name: "half is a majority", File: pilotGo, Seed: 10, Edits: []string{
			"matches[len(matches)-p.n.majority()]", "matches[len(matches)-p.n.majority()+1]",
		}},
		{Name: "an entry that does not know the other log", File: pilotGo, Seed: 1, Edits: []string{
			"		e.dep = p.met\n", "		e.dep = p.n.logs[1].commit\n",
		}},
		{Name: "the second pilot tells of the front", File: pilotGo, Seed: 1, Edits: []string{
			"	if p.j == 0 {\n		p.n.front = p.n.ends()\n	}\n", "	p.n.front = p.n.ends()\n",
		}},
		{Name: "what is not in log 0 yet comes after all of log 1", File: applyGo, Seed: 2, Edits: []string{
			"known := n.front[1], n.front[0] < i", "known := k, true",
		}},
		{Name: "a new epoch with what one node has", File: epochGo, Seed: 19, Edits: []string{
			"	for _, r := range replies {\n		if r.epoch", "	for _, r := range replies[1:] {\n		if r.epoch",
		}},
		{Name: "the front of the last epoch", File: stateGo, Seed: 53, Edits: []string{
			"n.opened, n.pilots, n.front = s.epoch, s.pilots, s.front", "n.opened, n.pilots = s.epoch, s.pilots",
		}},
		{Name: "a new epoch begins behind what is on the disk", File: stateGo, Seed: 85, Edits: []string{
			"		known = n.executed\n", "",
		}},
		{Name: "what was committed is so in the new epoch", File: epochGo, Seed: 61, Edits: []string{
			"s.epoch, s.front, s.commit = epoch, n.ends(), n.executed", "s.epoch, s.front = epoch, n.ends()",
		}},
		{Name: "a refusal taken for a promise", File: epochGo, Seed: 22, Edits: []string{
			"	case req.epoch <= n.promised, now-n.promisedAt < n.options.TakeoverTimeout:\n		return &prepareResp{}, nil", "	case req.epoch <= n.promised, now-n.promisedAt < n.options.TakeoverTimeout:\n		return &prepareResp{granted: n.promised == req.epoch}, nil",
		}},
		{Name: "a pilot proposes before its disk has the epoch", File: epochGo, Seed: 222, Edits: []string{
			"		err := n.journal.Sync(ctx)\n		if err == nil && n.inEpoch(epoch) {", "		var err error\n		if n.inEpoch(epoch) {",
		}},
		{Name: "a command is carried out from both logs", File: applyGo, Seed: 1, Edits: []string{
			"if s == nil || s.seq < c.Seq {", "if s == nil || s.seq <= c.Seq {",
		}},
	}
}

// TestVictim fails at the first seed that finds something; with the protocol as
// it is there is none.
func TestVictim(t *testing.T) {
	defer sim.RareCollections()()
	mutant.Victim(t, 1, 1000, func(seed uint64) error { return sim.Replay(copilotsim.Scenarios()[1], seed, nil).Err })
}

// Every planted mistake is found by the simulation.
func TestMutantsAreFound(t *testing.T) {
	mutant.Find(t, "../../../..", "TestVictim", wrong())
}

// brief are mistakes that show only if two things come at the same moment, which seeds do
// not find. Tests of quorum/copilot do.
func brief() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "an answer to a retired pilot counts", File: appendGo, Tests: "^TestRetiredPilotCountsNoAnswer$", Edits: []string{
			"	if !p.leads() {\n		return // what", "	if p.n.opened == 0 {\n		return // what",
		}},
		{Name: "what a retired pilot has on its disk counts", File: appendGo, Tests: "^TestRetiredPilotCommitsNothing$", Edits: []string{
			"err != nil || !p.leads() {\n			return err\n		}\n		x.match", "err != nil {\n			return err\n		}\n		x.match",
		}},
		{Name: "a retired pilot proposes", File: pilotGo, Tests: "^TestRetiredPilotProposesNothing$", Edits: []string{
			"for p.leads() {\n		seen, now :=", "for {\n		seen, now :=",
		}},
	}
}

// Every mistake of a moment is found by a test of the protocol alone.
func TestBriefMutantsAreFound(t *testing.T) {
	mutant.Kill(t, "../../../..", "../../../../quorum/copilot", brief())
}

// slow are mistakes by which one slow node, or disk, slows all down.
func slow() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "wait on one remote", File: appendGo, Edits: []string{
			"		short, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)\n		defer cancel()\n		resp, err := n.methods.append.Call(short, n.endpoint, x.id, req)", "		resp, err := n.methods.append.Call(ctx, n.endpoint, x.id, req)",
		}},
		{Name: "sync without a bound", File: appendGo, Edits: []string{
			"			p.exchange(ctx, x)\n", "			if err := p.n.journal.Sync(ctx); err != nil {\n				return err\n			}\n			p.exchange(ctx, x)\n",
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
		if _, err := copilotsim.MeasureSlow(seed, f, int(seed)%3, 20*time.Millisecond, rec); err != nil {
			return err
		}
		for _, s := range quorum.FailSlow(rec.Waits(), copilotsim.Excuses()...) {
			return fmt.Errorf("%s: %v", f.Name, s)
		}
		return nil
	})
}

// Every planted slowness is found by the checker.
func TestSlowMutantsAreFound(t *testing.T) {
	mutant.Find(t, "../../../..", "TestSlowVictim", slow())
}
