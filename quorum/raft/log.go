package raft

import (
	"slices"

	"github.com/godwitdb/godwit/quorum"
)

// log is the log in memory: a snapshot and the entries behind it.
type log struct {
	snapshot snapshot
	entries  []Entry  // the first has index snapshot.index+1
	configs  []placed // those among the entries, which would be too many to look through
}

// placed is the configuration of an entry.
type placed struct {
	index  uint64
	voters []quorum.NodeID
}

// append puts an entry behind the others.
func (l *log) append(e Entry) {
	l.entries = append(l.entries, e)
	if c := (config{}); e.Kind == KindConfig && quorum.Decode(e.Data, &c) == nil {
		l.configs = append(l.configs, placed{l.last(), c.voters})
	}
}

func (l *log) last() uint64 { return l.snapshot.index + uint64(len(l.entries)) }

// at returns the entry at an index above the snapshot's.
func (l *log) at(i uint64) *Entry { return &l.entries[i-l.snapshot.index-1] }

// term returns the term of the entry at an index; ok is false if it is not known.
func (l *log) term(i uint64) (term uint64, ok bool) {
	switch {
	case i == l.snapshot.index:
		return l.snapshot.term, true
	case i < l.snapshot.index || i > l.last():
		return 0, false
	}
	return l.at(i).Term, true
}

func (l *log) lastTerm() uint64 {
	t, _ := l.term(l.last())
	return t
}

// truncate drops the entries from index i on, if there are any. Who holds some of
// them keeps them as they are.
func (l *log) truncate(i uint64) {
	if i <= l.last() {
		l.entries = slices.Clip(l.entries[:i-l.snapshot.index-1])
	}
	l.configs = slices.DeleteFunc(l.configs, func(c placed) bool { return c.index >= i })
}

// from returns entries from index i on, as many as fit.
func (l *log) from(i uint64, entriesMax, bytesMax int) []Entry {
	if i > l.last() {
		return nil
	}
	tail := l.entries[i-l.snapshot.index-1:]
	bytes := 0
	for n := range tail {
		if bytes += len(tail[n].Data); n > 0 && (bytes > bytesMax || n >= entriesMax) {
			return tail[:n:n]
		}
	}
	return tail[:len(tail):len(tail)]
}

// compact moves the beginning of the log up to a snapshot.
func (l *log) compact(s snapshot) {
	if t, ok := l.term(s.index); ok && t == s.term {
		l.entries = slices.Clone(l.entries[s.index-l.snapshot.index:])
		l.configs = slices.DeleteFunc(l.configs, func(c placed) bool { return c.index <= s.index })
	} else {
		l.entries, l.configs = nil, nil
	}
	l.snapshot = s
}

// voters returns who votes according to the log up to index i, and where that
// is said.
func (l *log) voters(i uint64) (voters []quorum.NodeID, at uint64) {
	for _, c := range slices.Backward(l.configs) {
		if c.index <= i {
			return c.voters, c.index
		}
	}
	return l.snapshot.voters, l.snapshot.index
}
