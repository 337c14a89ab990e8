package copilot

import "slices"

// log is one pilot's log in memory: what is behind the snapshot. Entries are
// counted from 1.
type log struct {
	base    uint64 // entries up to here are in the snapshot
	entries []entry
	commit  uint64 // entries up to here are on a majority of disks
}

func (l *log) last() uint64 { return l.base + uint64(len(l.entries)) }

// at returns an entry behind the snapshot.
func (l *log) at(i uint64) *entry { return &l.entries[i-l.base-1] }

// from returns the entries from i on.
func (l *log) from(i uint64) []entry {
	if i > l.last() {
		return nil
	}
	return slices.Clip(l.entries[i-l.base-1:])
}

// truncate drops the entries behind i, for those of another epoch. What was
// committed of them then is not, as yet, in that one.
func (l *log) truncate(i uint64) {
	l.entries = slices.Clip(l.entries[:i-l.base])
	l.commit = min(l.commit, i)
}

// compact moves the beginning of the log up to what a snapshot holds.
func (l *log) compact(base uint64) {
	l.entries = slices.Clone(l.from(base + 1))
	l.base, l.commit = base, max(l.commit, base)
}
