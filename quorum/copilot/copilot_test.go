package copilot

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// logOf returns the beginning of a log: an entry for each dependency.
func logOf(deps ...uint64) log {
	var l log
	for _, dep := range deps {
		l.entries = append(l.entries, entry{dep: dep, commands: []Command{{1, dep + 1, nil}}})
	}
	return l
}

// What is next follows from the dependencies alone, by whatever way they are known.
func TestNext(t *testing.T) {
	for name, test := range map[string]struct {
		logs          [logs]log
		front, commit pair
		want          int // -1 for not yet
	}{
		"nothing":                            {[logs]log{logOf(), logOf()}, pair{}, pair{}, -1},
		"log 0 needs nothing":                {[logs]log{logOf(0), logOf(0)}, pair{}, pair{1, 1}, 0},
		"log 0 needs nothing, as yet":        {[logs]log{logOf(0), logOf(0)}, pair{}, pair{0, 1}, -1},
		"log 0 after log 1":                  {[logs]log{logOf(1), logOf(0)}, pair{}, pair{1, 1}, 1},
		"after log 1, which is not known":    {[logs]log{logOf(1), logOf(0)}, pair{}, pair{1, 0}, -1},
		"log 1, of which log 0 knows":        {[logs]log{logOf(), logOf(0)}, pair{0, 1}, pair{0, 1}, 1},
		"log 1, of which log 0 knew not":     {[logs]log{logOf(), logOf(0)}, pair{0, 0}, pair{0, 1}, -1},
		"log 1, and then more of log 0":      {[logs]log{logOf(), logOf(0)}, pair{1, 1}, pair{0, 1}, -1},
		"an entry of log 0 tells of its own": {[logs]log{logOf(1), logOf(0)}, pair{1, 1}, pair{0, 1}, 1},
	} {
		n := &Node{logs: test.logs, front: test.front}
		n.logs[0].commit, n.logs[1].commit = test.commit[0], test.commit[1]
		j, ok := n.next()
		if !ok {
			j = -1
		}
		if j != test.want {
			t.Errorf("%s: %d, want %d", name, j, test.want)
		}
	}
}

// Sessions remember the clients that were heard of last.
func TestSessions(t *testing.T) {
	var s sessions
	for _, client := range []uint64{1, 2, 1, 3} {
		s.put(session{client: client, seq: client}, 2)
	}
	if s.find(2) != nil || s.find(1) == nil || s.find(3) == nil || len(s.all()) != 2 || s.all()[0].client != 1 {
		t.Errorf("%+v", s.all())
	}
}

// A journal that holds what no node writes is an error, not a state.
func TestLoadRefusesNonsense(t *testing.T) {
	enc := func(s state) []byte { return quorum.Encode(nil, &stored{state: s}) }
	first := enc(state{epoch: 2, from: pair{6, 3}, snapshot: []snapshot{{at: pair{5, 2}}}})
	for name, records := range map[string][][]byte{
		"logs that are no continuation": {first, enc(state{epoch: 2, from: pair{7, 3}})},
		"logs from nowhere":             {first, enc(state{epoch: 3})},
		"an epoch that has passed":      {first, enc(state{epoch: 1, from: pair{6, 3}})},
		"undecodable":                   {first, {2}},
	} {
		onNode(t, func(n *Node) {
			if err := n.load(records); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// blank is a state machine without a state.
type blank struct{}

func (blank) Apply(uint64, []byte) []byte { return nil }
func (blank) Snapshot() []byte            { return nil }
func (blank) Restore([]byte) error        { return nil }

// onNode runs f in a task of a node that is nobody yet.
func onNode(t *testing.T, f func(n *Node)) {
	t.Helper()
	rt, stop := quorum.Start(1)
	defer stop()
	if err := rt.Run(t.Context(), "test", func(ctx context.Context) error {
		f(&Node{machine: blank{}, options: Options{}.withDefaults(), changed: quorum.NewWatermark(ctx, "changed", 0)})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A state is taken if it goes on where the node is. A newer epoch begins behind what
// was carried out.
func TestAdopt(t *testing.T) {
	first := state{epoch: 2, from: pair{1, 1}, entries: [logs][]entry{logOf(0, 1, 1).entries, logOf(0, 0).entries}, front: pair{3, 2}, commit: pair{2, 9}}
	for name, test := range map[string]struct {
		s               state
		want            bool
		ends, commit    pair
		front, executed pair
	}{
		"the same again":                 {first, true, pair{3, 2}, pair{2, 2}, pair{3, 2}, pair{1, 1}},
		"an epoch that has passed":       {state{epoch: 1, from: pair{1, 1}}, false, pair{3, 2}, pair{2, 2}, pair{3, 2}, pair{1, 1}},
		"more of one log":                {state{epoch: 2, from: pair{0, 2}, entries: [logs][]entry{1: logOf(0, 0).entries}, front: pair{3, 3}, commit: pair{3, 3}}, true, pair{3, 3}, pair{3, 3}, pair{3, 3}, pair{1, 1}},
		"what is between is not there":   {state{epoch: 2, from: pair{5, 0}, entries: [logs][]entry{logOf(1).entries}, commit: pair{5, 2}}, false, pair{3, 2}, pair{2, 2}, pair{3, 2}, pair{1, 1}},
		"a newer epoch":                  {state{epoch: 3, from: pair{2, 2}, entries: [logs][]entry{logOf(1).entries}, front: pair{2, 1}, commit: pair{1, 1}}, true, pair{2, 1}, pair{1, 1}, pair{2, 1}, pair{1, 1}},
		"a newer epoch, not all of it":   {state{epoch: 3, from: pair{3, 2}, entries: [logs][]entry{logOf(1).entries}}, false, pair{3, 2}, pair{2, 2}, pair{3, 2}, pair{1, 1}},
		"a newer epoch, one log of it":   {state{epoch: 3, from: pair{2, 0}, entries: [logs][]entry{logOf(1).entries}}, false, pair{3, 2}, pair{2, 2}, pair{3, 2}, pair{1, 1}},
		"a newer epoch, with a snapshot": {state{epoch: 3, from: pair{9, 6}, entries: [logs][]entry{logOf(5).entries}, front: pair{9, 5}, snapshot: []snapshot{{at: pair{8, 5}}}}, true, pair{9, 5}, pair{8, 5}, pair{9, 5}, pair{8, 5}},
		"an older snapshot":              {state{epoch: 3, from: pair{1, 2}, snapshot: []snapshot{{at: pair{0, 1}}}}, true, pair{1, 1}, pair{1, 1}, pair{}, pair{1, 1}},
	} {
		onNode(t, func(n *Node) {
			n.adopt(&first, n.ends())
			n.executed = pair{1, 1}
			known := n.ends()
			if test.s.epoch > n.opened {
				known = n.executed
			}
			got := n.adopt(&test.s, known)
			commit := pair{n.logs[0].commit, n.logs[1].commit}
			if got != test.want || n.ends() != test.ends || commit != test.commit || n.front != test.front || n.executed != test.executed {
				t.Errorf("%s: %v, ends %v, commit %v, front %v, executed %v", name, got, n.ends(), commit, n.front, n.executed)
			}
		})
	}
}

func FuzzMessages(f *testing.F) {
	s := state{3, [logs]quorum.NodeID{1, 2}, pair{3, 4}, pair{5, 6}, pair{1, 2}, [logs][]entry{logOf(1, 2).entries, logOf(0).entries},
		[]snapshot{{pair{0, 1}, 4, []session{{1, 2, []byte("result")}}, []byte("data")}}}
	f.Add(byte(0), quorum.Encode(nil, &prepareReq{epoch: 1, pre: true, opened: 2, executed: pair{3, 4}}))
	f.Add(byte(1), quorum.Encode(nil, &prepareResp{true, s}))
	f.Add(byte(2), quorum.Encode(nil, &s))
	f.Add(byte(3), quorum.Encode(nil, &appendResp{1, 2, pair{3, 4}, pair{5, 6}, pair{7, 8}}))
	f.Add(byte(4), quorum.Encode(nil, &stored{5, s}))
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		messages := []func() quorum.Message{
			func() quorum.Message { return new(prepareReq) },
			func() quorum.Message { return new(prepareResp) },
			func() quorum.Message { return new(state) },
			func() quorum.Message { return new(appendResp) },
			func() quorum.Message { return new(stored) },
		}[kind%5]
		m, again := messages(), messages()
		if quorum.Decode(b, m) != nil {
			return
		}
		first := quorum.Encode(nil, m)
		if err := quorum.Decode(first, again); err != nil || !bytes.Equal(quorum.Encode(nil, again), first) {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}
