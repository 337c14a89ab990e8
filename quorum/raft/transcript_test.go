package raft

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/quorum"
)

var update = flag.Bool("update", false, "write the transcripts anew, to be read before they are kept")

// The transcripts of testdata: what is asked of a cluster, in lines that begin
// with "> ", and what it says. testdata/README.md explains them.
func TestTranscripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) < 25 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(string(text), "\r\n", "\n")
			got := perform(t, want)
			switch {
			case got == want:
			case *update:
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Error(difference(want, got))
			}
		})
	}
}

// difference shows where two texts part.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	show := func(lines []string) string { return strings.Join(lines[i:min(i+5, len(lines))], "\n\t") }
	return fmt.Sprintf("from line %d on\n\t%s\nis now\n\t%s", i+1, show(w), show(g))
}

// perform plays a transcript and returns it as it comes out now.
func perform(t *testing.T, transcript string) string {
	s := &stage{shown: map[string]bool{}}
	defer func() {
		for _, a := range s.actors {
			if a.rt != nil {
				a.crash()
			}
		}
	}()
	for number, line := range strings.Split(strings.TrimSuffix(transcript, "\n"), "\n") {
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			if line == "" || line[0] == '#' {
				s.printf("%s", line)
			}
			continue
		}
		s.printf("%s", line)
		if err := s.do(strings.Fields(command)); err != nil {
			t.Fatalf("line %d, %q: %v", number+1, line, err)
		}
		s.settle()
	}
	return s.out.String()
}

// do carries out one command.
func (s *stage) do(words []string) error {
	verb, rest := words[0], words[1:]
	switch verb {
	case "show":
		clear(s.shown)
		for _, kind := range rest {
			s.shown[kind] = true
		}
		return nil
	case "pass":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			return err
		}
		s.pass(d)
		return nil
	case "heal":
		s.rules = nil
		return nil
	case "batch":
		var err error
		s.batch, err = strconv.Atoi(rest[0])
		return err
	}
	ids, rest := s.nodes(rest)
	all := len(ids) == 0
	switch verb {
	case "cluster", "node":
		s.enter(verb == "node", ids, rest)
		return nil
	case "cut":
		s.cut(ids)
		return nil
	case string(lost), string(noAnswer), string(hold):
		kind := strings.Join(rest, "")
		s.rules = append(s.rules, rule{ids[0], ids[1], kind, fate(verb)})
		return nil
	case "deliver":
		s.deliver(ids[0], ids[1])
		return nil
	case "add", "remove", "transfer":
		s.actor(ids[0]).change(verb, ids[1])
		return nil
	}
	if all {
		for _, a := range s.actors {
			ids = append(ids, a.id)
		}
	}
	for _, id := range ids {
		a := s.actor(id)
		if a == nil {
			return fmt.Errorf("there is no n%d", id)
		}
		if all && a.node == nil && verb != "status" {
			continue
		}
		if err := a.do(verb, rest); err != nil {
			return err
		}
	}
	return nil
}

// nodes reads the names of nodes at the beginning of words.
func (s *stage) nodes(words []string) (ids []quorum.NodeID, rest []string) {
	for i, w := range words {
		id, err := strconv.ParseUint(strings.TrimPrefix(w, "n"), 10, 32)
		if err != nil || w[0] != 'n' {
			return ids, words[i:]
		}
		ids = append(ids, quorum.NodeID(id))
	}
	return ids, nil
}

// enter makes nodes and starts them, as members or as nodes that join later.
func (s *stage) enter(late bool, ids []quorum.NodeID, rest []string) {
	voters := ids
	switch {
	case late:
		voters = nil
	case len(rest) > 0:
		voters, _ = s.nodes(rest[1:]) // behind the word voters
	}
	for _, id := range ids {
		a := &actor{s: s, id: id, voters: voters, files: faultfs.New(1)}
		s.actors = append(s.actors, a)
		a.start()
	}
}

// cut parts nodes from all others.
func (s *stage) cut(ids []quorum.NodeID) {
	for _, a := range s.actors {
		for _, id := range ids {
			if !slices.Contains(ids, a.id) {
				s.rules = append(s.rules, rule{a.id, id, "", lost}, rule{id, a.id, "", lost})
			}
		}
	}
}

// deliver lets arrive what is held up between two nodes now.
func (s *stage) deliver(from, to quorum.NodeID) {
	s.held = slices.DeleteFunc(s.held, func(m heldMessage) bool {
		if m.from != from || m.to != to {
			return false
		}
		s.actor(to).host.Post(func() { m.gate.Set(struct{}{}) })
		return true
	})
}

// do carries out a command at one node.
func (a *actor) do(verb string, rest []string) error {
	n := a.node
	switch verb {
	case "crash":
		a.crash()
		return nil
	case "start":
		a.start()
		return nil
	case "disk":
		a.diskHolds = rest[0] == "holds"
		if !a.diskHolds {
			for _, job := range a.jobs {
				job()
			}
			a.jobs = nil
		}
		return nil
	case "status":
		a.status()
		return nil
	}
	if n == nil {
		return fmt.Errorf("n%d is down", a.id)
	}
	switch verb {
	case "campaign":
		// It loses patience.
		n.heard = a.s.now - n.options.ElectionTimeout
		a.host.Post(func() { n.election.Reset(0) })
	case "silence":
		n.heard = a.s.now - n.options.ElectionTimeout
	case "compact":
		a.host.Post(n.compact)
	case "log":
		a.log()
	case "progress":
		a.progress()
	case "propose":
		for _, word := range rest {
			a.task(word, func(ctx context.Context) error { _, err := n.Propose(ctx, []byte(word)); return err })
		}
	case "read":
		a.task("read", func(ctx context.Context) error {
			err := n.Read(ctx)
			if err == nil {
				a.s.printf("n%d: reads %v", a.id, a.machine)
			}
			return err
		})
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

// change changes who votes or leads.
func (a *actor) change(verb string, id quorum.NodeID) {
	n := a.node
	f := map[string]func(context.Context, quorum.NodeID) error{"add": n.Add, "remove": n.Remove, "transfer": n.Transfer}[verb]
	a.task(fmt.Sprintf("%s n%d", verb, id), func(ctx context.Context) error { return f(ctx, id) })
}

// task does something that may take a while, and says what came of it.
func (a *actor) task(what string, f func(ctx context.Context) error) {
	a.host.Post(func() {
		a.rt.Go("transcript", func(ctx context.Context) error {
			err := f(ctx)
			if ctx.Err() == nil {
				result := "done"
				if err != nil {
					result = err.Error()
				}
				a.s.printf("n%d: %s: %s", a.id, what, result)
			}
			return err
		})
	})
}

func (a *actor) status() {
	if a.node == nil {
		a.s.printf("n%d down", a.id)
		return
	}
	st := a.node.Status()
	a.s.printf("n%d %v in term %d of n%d, last %d/%d, commit %d, applied %d, voters %v",
		a.id, st.Role, st.Term, st.Leader, st.Last, a.node.log.lastTerm(), st.Commit, st.Applied, st.Voters)
}

func (a *actor) log() {
	l := a.node.log
	line := fmt.Sprintf("n%d", a.id)
	if s := l.snapshot; s.index > 0 {
		line += fmt.Sprintf(" [%d/%d:%s]", s.index, s.term, s.data)
	}
	for i := range l.entries {
		line += " " + entryText(l.snapshot.index+1+uint64(i), &l.entries[i])
	}
	a.s.printf("%s", line)
}

func (a *actor) progress() {
	for _, id := range a.node.voters() {
		p := a.node.peers[id]
		if id == a.id || p == nil {
			continue
		}
		state := "replicating"
		if p.probing {
			state = "probing"
		}
		a.s.printf("n%d of n%d: match %d, next %d, %s, %d under way", a.id, id, p.match, p.next, state, p.inflight)
	}
}
