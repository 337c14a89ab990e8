package raft

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

func entries(terms ...uint64) []Entry {
	var e []Entry
	for i, t := range terms {
		e = append(e, Entry{Term: t, Data: fmt.Append(nil, i)})
	}
	return e
}

// The cases of figure 7 of the Raft paper, and some with a snapshot: from where
// on a follower says that its log may match.
func TestMatches(t *testing.T) {
	leader := &log{entries: entries(1, 1, 1, 4, 4, 5, 5, 6, 6, 6)}
	for name, test := range map[string]struct {
		log      log
		requests int // until it matches
		match    uint64
	}{
		"a: lacks the last":       {log{entries: entries(1, 1, 1, 4, 4, 5, 5, 6, 6)}, 2, 9},
		"b: lacks more":           {log{entries: entries(1, 1, 1, 4)}, 2, 4},
		"c: one too many":         {log{entries: entries(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6)}, 1, 10},
		"d: more of another term": {log{entries: entries(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7)}, 1, 10},
		"e: both":                 {log{entries: entries(1, 1, 1, 4, 4, 4, 4)}, 3, 3},
		"f: other terms":          {log{entries: entries(1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3)}, 3, 3},
		"empty":                   {log{}, 2, 0},
		"behind a snapshot":       {log{snapshot: snapshot{index: 3, term: 1}, entries: entries(2, 2, 2, 3)}, 4, 3},
		"only a snapshot":         {log{snapshot: snapshot{index: 8, term: 6}}, 2, 8},
	} {
		n := &Node{log: &test.log}
		prev, requests := leader.last(), 1
		for {
			term, _ := leader.term(prev)
			next, ok := n.matches(prev, term)
			if ok {
				break
			}
			if next > prev || next == 0 {
				t.Fatalf("%s: after %d the follower wants %d", name, prev, next)
			}
			prev = next - 1
			requests++
		}
		if prev != test.match || requests != test.requests {
			t.Errorf("%s: matches at %d after %d requests, want %d after %d", name, prev, requests, test.match, test.requests)
		}
	}
}

// The voters are those that looking through all entries would find.
func TestVotersOfALog(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l := &log{snapshot: snapshot{voters: []quorum.NodeID{99}}}
	find := func(i uint64) ([]quorum.NodeID, uint64) {
		for ; i > l.snapshot.index; i-- {
			var c config
			if e := l.at(i); e.Kind == KindConfig && quorum.Decode(e.Data, &c) == nil {
				return c.voters, i
			}
		}
		return l.snapshot.voters, l.snapshot.index
	}
	for step := range quorum.NodeID(5000) {
		span := l.last() - l.snapshot.index
		switch i := l.snapshot.index + random.Uint64N(span+1); random.IntN(12) {
		case 0:
			l.truncate(i + 1)
		case 1:
			voters, _ := find(i)
			term, _ := l.term(i)
			l.compact(snapshot{index: i, term: term, voters: voters})
		case 2: // of another log
			l.compact(snapshot{index: i, term: 1 << 20, voters: []quorum.NodeID{step}})
		case 3, 4:
			l.append(Entry{uint64(step), KindConfig, quorum.Encode(nil, &config{[]quorum.NodeID{step, step + 1}})})
		default:
			l.append(Entry{Term: uint64(step)})
		}
		for i := l.snapshot.index; i <= l.last(); i++ {
			voters, at := l.voters(i)
			if want, wantAt := find(i); at != wantAt || !slices.Equal(voters, want) {
				t.Fatalf("step %d: voters at %d are %v of %d, want %v of %d", step, i, voters, at, want, wantAt)
			}
		}
	}
}

func TestLog(t *testing.T) {
	l := &log{snapshot: snapshot{voters: []quorum.NodeID{1}}}
	for i, e := range entries(1, 1, 2, 3) {
		if i == 1 {
			e = Entry{1, KindConfig, quorum.Encode(nil, &config{[]quorum.NodeID{1, 2}})}
		}
		l.append(e)
	}
	if v, at := l.voters(1); len(v) != 1 || at != 0 {
		t.Error(v, at)
	}
	if v, at := l.voters(4); len(v) != 2 || at != 2 {
		t.Error(v, at)
	}
	l.compact(snapshot{index: 2, term: 1, voters: []quorum.NodeID{1, 2}})
	if l.last() != 4 || l.lastTerm() != 3 || len(l.entries) != 2 || l.at(3).Term != 2 {
		t.Errorf("%+v", l)
	}
	if v, at := l.voters(4); len(v) != 2 || at != 2 {
		t.Error(v, at)
	}
	if _, ok := l.term(1); ok {
		t.Error("the term of a compacted entry is known")
	}
	if got := l.from(3, 1, 1000); len(got) != 1 || len(l.from(3, 10, 1)) != 1 || len(l.from(3, 10, 1000)) != 2 || l.from(5, 1, 1) != nil {
		t.Error(got)
	}
	l.compact(snapshot{index: 9, term: 7}) // from elsewhere
	if l.last() != 9 || len(l.entries) != 0 || l.lastTerm() != 7 {
		t.Errorf("%+v", l)
	}
}

// A journal that holds what no node writes is an error, not a state.
func TestRestoreRefusesNonsense(t *testing.T) {
	enc := func(r record) []byte { return quorum.Encode(nil, &r) }
	first := enc(record{kind: recordSnapshot, snapshot: snapshot{index: 5, term: 2}})
	for name, records := range map[string][][]byte{
		"no snapshot":        {enc(record{kind: recordState, term: 1})},
		"two snapshots":      {first, first},
		"an entry below":     {first, enc(record{kind: recordEntry, index: 5})},
		"an entry far above": {first, enc(record{kind: recordEntry, index: 7})},
		"unknown kind":       {first, enc(record{kind: 9})},
		"undecodable":        {first, {2}},
	} {
		n := &Node{log: &log{}}
		if err := n.restore(records); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Reading a long log costs memory in proportion: each entry once copied all that were
// there, and a member with a log of some seconds took minutes to start.
func TestRestoreOfALongLog(t *testing.T) {
	records := [][]byte{quorum.Encode(nil, &record{kind: recordSnapshot})}
	for i := range uint64(5000) {
		records = append(records, quorum.Encode(nil, &record{kind: recordEntry, index: i + 1, entry: Entry{Term: 1, Data: []byte("x")}}))
	}
	n := &Node{log: &log{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := n.restore(records)
	runtime.ReadMemStats(&after)
	if err != nil || n.log.last() != 5000 {
		t.Fatal(n.log.last(), err)
	}
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 16<<20 {
		t.Errorf("it took %d bytes", bytes)
	}
}

// Whatever a journal holds, a node refuses it or has the state that it says. The
// fuzzer finds steps: two bytes make a record, whose index is near the log's end, or
// are one's beginning.
func FuzzRestore(f *testing.F) {
	f.Add([]byte{4, 3, 2, 0, 3, 1, 3, 1, 3, 1, 3, 255, 3, 1}) // entries, of which the last two are replaced
	f.Add([]byte{4, 1, 2, 2, 7, 1, 3, 1, 7, 1, 3, 0, 15, 1})  // voters that change, and are dropped
	f.Add([]byte{4, 0, 3, 5})                                 // an entry far above
	f.Add([]byte{4, 0, 3, 1, 0, 1})                           // no record
	f.Add([]byte{255, 40, 3, 1, 3, 254})                      // an entry below
	f.Fuzz(func(t *testing.T, steps []byte) {
		records, want, last, bad := journalOf(steps)
		n := &Node{log: &log{}}
		if err := n.restore(records); bad != (err != nil) || bad && !errors.Is(err, journal.ErrCorrupt) {
			t.Fatalf("bad: %v, but: %v", bad, err)
		}
		if bad {
			return
		}
		if n.term != want.term || n.vote != want.vote || n.log.last() != last || fmt.Sprint(n.log) != fmt.Sprint(want.log) {
			t.Fatalf("%+v %+v, want %+v %+v up to %d", n, n.log, want, want.log, last)
		}
	})
}

// journalOf returns records that steps make, and what a node has of them: the last
// entry of each index up to the last of all. bad are those that no node writes.
func journalOf(steps []byte) (records [][]byte, want *Node, last uint64, bad bool) {
	want = &Node{log: &log{}}
	entries := map[uint64]Entry{}
	for i := 0; i+1 < len(steps) && !bad; i += 2 {
		what, near := steps[i], int8(steps[i+1])
		r := record{kind: recordKind(what % 4), term: uint64(what), vote: quorum.NodeID(steps[i+1])}
		switch {
		case i == 0:
			last = uint64(what) << (steps[i+1] % 50)
			r = record{kind: recordSnapshot, snapshot: snapshot{index: last, term: 1, voters: []quorum.NodeID{1}}}
			want.log.snapshot = r.snapshot
		case r.kind == recordState:
			want.term, want.vote = r.term, r.vote
		case r.kind == recordEntry:
			r.entry = Entry{uint64(i), KindCommand, []byte{what}}
			if what&4 > 0 {
				r.entry = Entry{uint64(i), KindConfig, quorum.Encode(nil, &config{[]quorum.NodeID{1, quorum.NodeID(i)}})}
			}
			r.index = last + uint64(near)
			if bad = near > 1 || int64(r.index) <= int64(want.log.snapshot.index); !bad {
				last = r.index
				entries[last] = r.entry
			}
		default:
			bad = true
		}
		records = append(records, quorum.Encode(nil, &r))
		if r.kind == 0 {
			records[len(records)-1] = steps[i:]
		}
	}
	for i := want.log.snapshot.index + 1; i <= last; i++ {
		want.log.append(entries[i])
	}
	return records, want, last, bad
}

func FuzzMessages(f *testing.F) {
	f.Add(byte(0), quorum.Encode(nil, &voteReq{term: 1, last: 2, lastTerm: 3, pre: true}))
	f.Add(byte(1), quorum.Encode(nil, &appendReq{term: 1, prev: 2, prevTerm: 3, commit: 4, entries: entries(1, 2)}))
	f.Add(byte(2), quorum.Encode(nil, &snapshotReq{1, snapshot{2, 3, []quorum.NodeID{1, 2, 3}, []byte("data")}}))
	f.Add(byte(3), quorum.Encode(nil, &appendResp{1, true, 2}))
	f.Add(byte(4), quorum.Encode(nil, &record{kind: recordEntry, index: 1, entry: Entry{1, KindNoop, nil}}))
	f.Add(byte(5), quorum.Encode(nil, &voteResp{term: 1, granted: true}))
	f.Add(byte(6), quorum.Encode(nil, &timeoutReq{term: 1}))
	f.Add(byte(7), quorum.Encode(nil, &config{voters: []quorum.NodeID{1, 2}}))
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		messages := []func() quorum.Message{
			func() quorum.Message { return new(voteReq) },
			func() quorum.Message { return new(appendReq) },
			func() quorum.Message { return new(snapshotReq) },
			func() quorum.Message { return new(appendResp) },
			func() quorum.Message { return new(record) },
			func() quorum.Message { return new(voteResp) },
			func() quorum.Message { return new(timeoutReq) },
			func() quorum.Message { return new(config) },
		}[kind%8]
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

// What a majority has reached, against counting.
func TestMajorityHasReached(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := &Node{log: &log{}, peers: map[quorum.NodeID]*peer{}}
		for i := range 1 + rng.IntN(7) {
			id := quorum.NodeID(i + 1)
			n.log.snapshot.voters = append(n.log.snapshot.voters, id)
			n.peers[id] = &peer{match: uint64(rng.IntN(5))}
		}
		n.peers[99] = &peer{match: 9} // who has no vote does not count
		var want uint64
		for index := range uint64(6) {
			have := 0
			for _, id := range n.voters() {
				if n.peers[id].match >= index {
					have++
				}
			}
			if 2*have > len(n.voters()) {
				want = index
			}
		}
		if got := n.kth(func(p *peer) uint64 { return p.match }); got != want {
			t.Fatalf("%d voters: %d, want %d", len(n.voters()), got, want)
		}
	}
}
