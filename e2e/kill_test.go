package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/history"
)

// killsPerFolder is how often one data folder's processes are killed before the
// next folder is begun: the history of a folder is checked as a whole.
const killsPerFolder = 30

// TestKill kills processes under load, again and again, and looks each time
// whether everything that was released is there and nothing is half there.
func TestKill(t *testing.T) {
	deadline := time.Now().Add(*soakFlag)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for kills, folder := 0, 0; kills < *killsFlag || time.Now().Before(deadline); folder++ {
		background := folder%2 == 1
		n := min(killsPerFolder, max(*killsFlag/2, 1))
		name := fmt.Sprintf("folder %d, background %v", folder, background)
		if !t.Run(name, func(t *testing.T) { killFolder(t, rng, n, background) }) {
			return
		}
		kills += n
	}
}

// killFolder kills n processes on one data folder.
func killFolder(t *testing.T, rng *rand.Rand, n int, background bool) {
	dir := filepath.Join(t.TempDir(), "data")
	backups := t.TempDir()
	parent := &parent{t: t, dir: dir, background: background, expect: map[int]expectation{}}
	stages := map[string]int{}
	for run := range n {
		c := config{Role: "load", Dir: dir, Seed: rng.Uint64(), Run: uint64(run), Background: background}
		if run == n/2 {
			c.BackupDir = backups
		}
		stages[parent.runAndKill(rng, c)]++
		if t.Failed() {
			return
		}
	}
	parent.runAndClose(config{Role: "load", Dir: dir, Seed: rng.Uint64(), Run: uint64(n), Background: background})
	if !background {
		parent.checkHistory()
	}
	parent.checkBackup()
	checkFolder(t, dir)
	t.Logf("%d kills (%v), %d transactions acknowledged, %d in the history", n, stages, parent.acked, parent.seen)
}

// parent follows what the processes on one data folder do.
type parent struct {
	t          *testing.T
	dir        string
	background bool
	expect     map[int]expectation
	acked      int
	// txns is the history so far; open are the transactions that are under way.
	txns   []history.Txn
	open   map[int]history.Txn
	closed bool   // whether the last process closed its database
	seen   int    // how many transactions were in checked histories
	backup string // the file of the newest backup
}

// take notes what a message says.
func (p *parent) take(m message) {
	e := p.expect[m.Client]
	switch m.Kind {
	case violation:
		p.t.Errorf("violation: %s", m.Text)
	case found:
		// What was in flight is decided now.
		p.expect[m.Client] = expectation{m.Number, m.Number}
	case started:
		e.Started = m.Number
		p.expect[m.Client] = e
	case acked:
		p.acked++
		if !p.background {
			e.Acked = m.Number
			p.expect[m.Client] = e
		}
	case began:
		p.open[m.Client] = *m.Txn
	case ended:
		delete(p.open, m.Client)
		p.txns = append(p.txns, *m.Txn)
	case copied:
		p.backup = m.Text
	case closed:
		p.closed = true
	}
}

// runAndKill starts a process, kills it at a random point of what it does, and
// returns what that was.
func (p *parent) runAndKill(rng *rand.Rand, c config) string {
	p.t.Helper()
	p.open = map[int]history.Txn{}
	c.Expect = maps.Clone(p.expect)
	child := spawn(p.t, c)
	// Most are killed under load, some while they recover or check.
	stage, after := ready, 1+rng.IntN(2000)
	switch rng.IntN(10) {
	case 0:
		stage, after = opening, rng.IntN(2)
	case 1:
		stage, after = opened, rng.IntN(5)
	case 2, 3: // long enough for checkpoints and new segments
		after = 1 + rng.IntN(20_000)
	}
	if c.BackupDir != "" {
		stage, after = copied, 1+rng.IntN(200)
	}
	seen := false
	for {
		m, ok := child.next()
		if !ok {
			break
		}
		p.take(m)
		seen = seen || m.Kind == stage
		if seen {
			if after == 0 {
				child.kill()
			}
			after--
		}
	}
	if after >= 0 && !child.killed {
		child.wait()
		p.t.Fatalf("the child ended before it was killed\n%s", child.errs.String())
	}
	child.wait()
	for _, txn := range p.open {
		txn.Complete = now()
		p.txns = append(p.txns, txn)
	}
	if p.background {
		p.checkRun()
	}
	return string(stage)
}

// runUntil takes what a child says, calls f when it has acknowledged n
// transactions, and waits for its end.
func (p *parent) runUntil(child *child, n int, f func()) {
	p.t.Helper()
	p.open = map[int]history.Txn{}
	p.closed = false
	until := p.acked + n
	for {
		m, ok := child.next()
		if !ok {
			break
		}
		p.take(m)
		if m.Kind == acked && p.acked == until {
			f()
		}
	}
	child.wait()
	for _, txn := range p.open {
		txn.Complete = now()
		p.txns = append(p.txns, txn)
	}
}

// mustTake takes the next message of a child that is not to end yet.
func (p *parent) mustTake(child *child) message {
	p.t.Helper()
	m, ok := child.next()
	if !ok {
		p.t.Fatalf("the child ended: %v\n%s", child.cmd.Wait(), child.errs.String())
	}
	p.take(m)
	return m
}

// drain takes what a child that was killed has said before.
func (p *parent) drain(child *child) { p.runUntil(child, 0, nil) }

// runAndClose starts a process, lets it work for a while, and has it close the
// database; then another one, which checks that everything is there.
func (p *parent) runAndClose(c config) {
	p.t.Helper()
	for range 2 {
		c.Expect = maps.Clone(p.expect)
		child := spawn(p.t, c)
		p.runUntil(child, 100, func() {
			if err := child.input.Close(); err != nil {
				p.t.Fatal(err)
			}
		})
		if !p.closed {
			p.t.Error("the child ended without closing the database")
		}
		if p.background {
			p.checkRun()
		}
		c.Run++
	}
}

// checkRun checks what the clients of one run saw of each other, before a crash
// took an end of it that had been acknowledged. Each run has lists of its own.
func (p *parent) checkRun() {
	p.t.Helper()
	p.txns = slices.DeleteFunc(p.txns, func(t history.Txn) bool { return t.Client%(listClients+1) == listClients })
	p.checkHistory()
	p.txns = nil
}

// checkHistory checks that all that was seen, over all kills, fits one order.
func (p *parent) checkHistory() {
	p.t.Helper()
	p.seen += len(p.txns)
	h := &history.History{Workload: history.Lists, Txns: p.txns}
	result, err := history.Check(h, history.Options{})
	if err != nil {
		p.t.Fatalf("the history cannot be checked: %v", err)
	}
	if !result.OK() {
		p.t.Errorf("the history is not strictly serializable:\n%s", result.String())
	}
}

// checkBackup restores a backup that was made under load, and checks it as if it
// were the folder after a crash.
func (p *parent) checkBackup() {
	p.t.Helper()
	if p.backup == "" {
		p.t.Fatal("no backup was made")
	}
	f, err := os.Open(p.backup)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	dir := filepath.Join(p.t.TempDir(), "restored")
	if err := godwit.Restore(p.t.Context(), dir, f); err != nil {
		p.t.Fatalf("restore: %v", err)
	}
	child := spawn(p.t, config{Role: "load", Dir: dir})
	child.await(ready)
	child.kill()
	for ok := true; ok; {
		_, ok = child.next()
	}
	child.wait()
}

// checkFolder verifies every byte of a data folder.
func checkFolder(t *testing.T, dir string) {
	t.Helper()
	report, err := godwit.Check(t.Context(), dir)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	for _, problem := range report.Problems {
		t.Errorf("check: %v", problem)
	}
}
