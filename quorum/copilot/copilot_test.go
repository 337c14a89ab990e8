package copilot

import (
	"bytes"
	"errors"
	"testing"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// entry returns an entry that depends on the other log up to dep.
func entry(dep uint64) record { return record{dep: dep, commands: []Command{{1, dep + 1, nil}}} }

func logOf(records ...record) log {
	var l log
	for _, r := range records {
		l.add(r)
	}
	return l
}

// An entry is crossed by one of the other log if neither comes after the other.
func TestCrossed(t *testing.T) {
	for name, test := range map[string]struct {
		own, other log
		want       bool // of own's first entry
	}{
		"the other log is empty":      {logOf(entry(0)), logOf(), false},
		"it comes after the other":    {logOf(entry(1)), logOf(entry(0)), false},
		"the other comes after it":    {logOf(entry(0)), logOf(entry(1)), false},
		"neither":                     {logOf(entry(0)), logOf(entry(0)), true},
		"the second of the other":     {logOf(entry(1)), logOf(entry(0), entry(0)), true},
		"a ruling is none":            {logOf(entry(0)), logOf(record{from: 1}), false},
		"a ruling does not change it": {logOf(entry(0)), logOf(entry(0), record{dep: 1, from: 1}), true},
		"one that is in the snapshot": {logOf(entry(0)), log{base: 2, before: 1}, true},
		"a ruling in the snapshot":    {logOf(entry(1)), log{base: 2, before: 1}, false},
	} {
		if got := crossed(&test.own, &test.other, 1); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A ruling gives the entries that it is about their dependency, wherever the log
// begins, and takes it back when it is dropped.
func TestRuling(t *testing.T) {
	l := logOf(entry(1), entry(2), entry(2), record{dep: 5, from: 2})
	if l.at(1).final != 1 || l.at(2).final != 5 || l.at(3).final != 5 || l.at(1).ruled || !l.at(3).ruled || l.entry(4) != 3 {
		t.Errorf("%+v", l)
	}
	l.truncate(3)
	if l.at(2).final != 2 || l.at(2).ruled {
		t.Errorf("%+v", l)
	}
	l.add(record{dep: 7, from: 2})
	l.compact(2, l.entry(2))
	if l.last() != 4 || l.at(3).final != 7 || l.entry(2) != 2 || len(l.from(5)) != 0 || len(l.from(3)) != 2 {
		t.Errorf("%+v", l)
	}
	l.compact(9, 8) // from elsewhere
	if l.last() != 9 || l.entry(9) != 8 || l.bytes != 0 || l.commit != 9 {
		t.Errorf("%+v", l)
	}
}

// What is next follows from the dependencies alone, by whatever way it is known.
func TestNext(t *testing.T) {
	for name, test := range map[string]struct {
		p, l   log
		commit pair
		want   int // -1 for not yet
	}{
		"nothing":                                {logOf(), logOf(), pair{}, -1},
		"log 0 needs nothing":                    {logOf(entry(0)), logOf(entry(1)), pair{1, 0}, 0},
		"log 1 needs nothing":                    {logOf(entry(1)), logOf(entry(0)), pair{0, 1}, 1},
		"log 0 after log 1":                      {logOf(entry(1)), logOf(entry(0)), pair{1, 1}, 1},
		"log 1 is not known, and log 0 needs it": {logOf(entry(1)), logOf(entry(1)), pair{1, 0}, -1},
		"log 0 is not known, and log 1 needs it": {logOf(entry(1)), logOf(entry(1)), pair{0, 1}, -1},
		"a cycle is broken by log 0":             {logOf(entry(1)), logOf(entry(1)), pair{1, 1}, 0},
		"a ruling waits for nothing":             {logOf(record{dep: 9, from: 1}), logOf(entry(1)), pair{1, 0}, 0},
	} {
		n := &Node{logs: [logs]log{test.p, test.l}}
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
	enc := func(s stored) []byte { return quorum.Encode(nil, &s) }
	first := enc(stored{kind: storedSnapshot, snapshot: snapshot{at: pair{5, 2}}})
	for name, records := range map[string][][]byte{
		"no snapshot":                   {enc(stored{kind: storedPromise, promised: 1})},
		"two snapshots":                 {first, first},
		"logs that are no continuation": {first, enc(stored{kind: storedOpen, state: state{from: pair{7, 3}}})},
		"logs from nowhere":             {first, enc(stored{kind: storedOpen})},
		"a third log":                   {first, enc(stored{kind: storedRecord, log: 2})},
		"unknown kind":                  {first, enc(stored{kind: 9})},
		"undecodable":                   {first, {2}},
	} {
		n := &Node{}
		if err := n.load(records); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	s := state{epoch: 3, pilots: [logs]quorum.NodeID{1, 2}, from: pair{1, 2}, records: [logs][]record{{entry(1)}, {{dep: 3, from: 1}}},
		snapshot: []snapshot{{at: pair{0, 1}, sessions: []session{{1, 2, []byte("result")}}, data: []byte("data")}}}
	f.Add(byte(0), quorum.Encode(nil, &prepareReq{epoch: 1, pre: true, opened: 2, commit: pair{3, 4}}))
	f.Add(byte(1), quorum.Encode(nil, &prepareResp{true, s}))
	f.Add(byte(2), quorum.Encode(nil, &openReq{s}))
	f.Add(byte(3), quorum.Encode(nil, &appendReq{1, 1, 2, 3, []record{entry(4)}}))
	f.Add(byte(4), quorum.Encode(nil, &appendResp{1, 2, true, pair{3, 4}, 5, []uint64{6}}))
	f.Add(byte(5), quorum.Encode(nil, &stored{kind: storedOpen, state: s}))
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		messages := []func() quorum.Message{
			func() quorum.Message { return new(prepareReq) },
			func() quorum.Message { return new(prepareResp) },
			func() quorum.Message { return new(openReq) },
			func() quorum.Message { return new(appendReq) },
			func() quorum.Message { return new(appendResp) },
			func() quorum.Message { return new(stored) },
		}[kind%6]
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
