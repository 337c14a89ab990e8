package raftsim

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/sim"
)

// mutant is a mistake planted in the source of a protocol: in file, each text in
// edits is replaced by the one behind it.
type mutant struct {
	name, file string
	edits      []string
}

func mutants() []mutant {
	const (
		appendGo   = "quorum/raft/append.go"
		electionGo = "quorum/raft/election.go"
		storeGo    = "quorum/raft/store.go"
		raftGo     = "quorum/raft/raft.go"
		memberGo   = "quorum/raft/member.go"
	)
	return []mutant{
		{"lost vote: it is not on the disk", storeGo, []string{
			"term: n.term, vote: n.vote})\n}\n\n// saveAll", "term: n.term})\n}\n\n// saveAll",
		}},
		{"a vote counts twice", electionGo, []string{
			"granted := upToDate && (n.vote == 0 || n.vote == from)", "granted := upToDate",
		}},
		{"a vote for whoever lacks entries", electionGo, []string{
			"upToDate := req.lastTerm", "upToDate := true || req.lastTerm",
		}},
		{"stale-term reply accepted: votes of a term that is over", electionGo, []string{
			"return err == nil && n.term == term, err", "return err == nil && term+1 > 0, err",
			" && n.role == Candidate {", " {",
		}},
		{"an answer before the disk has it", appendGo, []string{
			"	if err := n.journal.Sync(ctx); err != nil {\n		return nil, err\n	}\n	if resp.term", "	if resp.term",
		}},
		{"the last index decides where logs match", appendGo, []string{
			"	if term == prevTerm {\n		return 0, true\n	}\n", "	if term > 0 {\n		return 0, true\n	}\n",
		}},
		{"a read without asking who follows", raftGo, []string{
			"	if err := n.untilDeposed(ctx, n.confirmed.Reached(n.round)); err != nil {\n		return err\n	}\n", "",
		}},
		{"the leader's own disk does not count", appendGo, []string{
			"		if err := n.journal.Durable().Wait(ctx, put); err != nil {\n			return err\n		}\n		p.match = last\n", "		p.match = last\n",
		}},
		{"half is a majority", appendGo, []string{"return all[(len(all)-1)/2]", "return all[len(all)/2]"}},
		{"a snapshot without its voters", memberGo, []string{"		s.data = slices.Clone(s.data)\n", "		s.voters = nil\n"}},
	}
}

// mutantSeeds is how many seeds a mutant gets to be found.
const (
	mutantEnv   = "GODWIT_RAFT_MUTANT"
	mutantSeeds = 2000
)

// TestMutantVictim is what the mutants are run with: it fails at the first seed
// that finds something, and with the protocol as it is there is none.
func TestMutantVictim(t *testing.T) {
	seeds := uint64(1)
	if os.Getenv(mutantEnv) != "" {
		seeds = mutantSeeds
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		if r := sim.Replay(Scenarios()[0], seed, nil); r.Err != nil {
			t.Fatalf("found by seed %d: %v", seed, r.Err)
		}
	}
}

// Every planted mistake is found by the simulation.
func TestMutantsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the protocol anew for each mutant")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(root, m.file))
			if err != nil {
				t.Fatal(err)
			}
			planted := string(source)
			for i := 0; i < len(m.edits); i += 2 {
				if n := strings.Count(planted, m.edits[i]); n != 1 {
					t.Fatalf("the place of edit %d is there %d times", i/2, n)
				}
				planted = strings.Replace(planted, m.edits[i], m.edits[i+1], 1)
			}
			dir := t.TempDir()
			changed := filepath.Join(dir, "changed.go")
			if err := os.WriteFile(changed, []byte(planted), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): changed}})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			victim := filepath.Join(dir, "victim.test")
			build := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", file, "-c", "-o", victim, ".")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("it does not compile: %v\n%s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), victim, "-test.run", "^TestMutantVictim$")
			cmd.Env = append(os.Environ(), mutantEnv+"=run")
			out, err := cmd.CombinedOutput()
			_, found, ok := strings.Cut(string(out), "found by ")
			if err == nil || !ok {
				t.Fatalf("%d seeds do not find it\n%s", mutantSeeds, out)
			}
			found, _, _ = strings.Cut(found, "\n")
			t.Log(found[:min(len(found), 120)])
		})
	}
}
