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
	logGo    = "quorum/copilot/log.go"
	pilotGo  = "quorum/copilot/pilot.go"
)

// wrong are mistakes that break a promise.
func wrong() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "an answer before the disk has it", File: appendGo, Seed: 28, Edits: []string{
			"	if err := n.journal.Sync(ctx); err != nil {\n		return nil, err\n	}\n", "",
		}},
		{Name: "a vote without a look at what crosses", File: appendGo, Seed: 1, Edits: []string{
			"case !l.at(i).ruling() && crossed(l, o, i):", "case false && crossed(l, o, i):",
		}},
		{Name: "a commit cut to what is there, without its ruling", File: appendGo, Seed: 12, Edits: []string{
			"	if req.commit <= l.last() {\n		n.committed(j, req.commit)\n	}\n", "	n.committed(j, min(req.commit, l.last()))\n",
		}},
		{Name: "half is a majority", File: pilotGo, Seed: 20, Edits: []string{
			"return have >= p.n.majority()", "return have+1 >= p.n.majority()",
		}},
		{Name: "the fast way without the other pilot", File: pilotGo, Seed: 1, Edits: []string{
			"return ok && p.other.fresh && v == p.log.at(i).dep", "return v == p.log.at(i).dep || !ok",
		}},
		{Name: "an entry that does not know the other log", File: pilotGo, Seed: 2, Edits: []string{
			"p.record(record{dep: o.last(), commands: batch})", "p.record(record{dep: o.commit, commands: batch})",
		}},
		{Name: "a new epoch with the dependencies as proposed", File: epochGo, Seed: 1, Edits: []string{
			"				l.at(i).final = o.last()\n", "				l.at(i).final = l.at(i).dep\n",
		}},
		{Name: "a refusal taken for a promise", File: epochGo, Seed: 278, Edits: []string{
			"	case req.epoch <= n.promised, now-n.promisedAt < n.options.TakeoverTimeout:\n		return &prepareResp{}, nil", "	case req.epoch <= n.promised, now-n.promisedAt < n.options.TakeoverTimeout:\n		return &prepareResp{granted: n.promised == req.epoch}, nil",
		}},
		{Name: "a pilot proposes before its disk has the epoch", File: pilotGo, Seed: 478, Edits: []string{
			"case len(p.queue) == 0 || !p.saved || p.held", "case len(p.queue) == 0 || p.held",
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
	mutant.Victim(t, 1, 1000, func(seed uint64) error { return sim.Replay(copilotsim.Scenarios()[0], seed, nil).Err })
}

// Every planted mistake is found by the simulation.
func TestMutantsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	mutant.Find(t, "../../../..", "TestVictim", wrong())
}

// slow are mistakes by which one slow node, or disk, slows all down.
func slow() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "wait on one remote", File: appendGo, Edits: []string{
			"		short, cancel := quorum.WithTimeout(ctx, n.options.ElectionTimeout/2)\n		defer cancel()\n		resp, err := call(short)", "		resp, err := call(ctx)",
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
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	mutant.Find(t, "../../../..", "TestSlowVictim", slow())
}
