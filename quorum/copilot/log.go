package copilot

// log is one pilot's log in memory: what is behind the snapshot. Records are
// counted from 1.
type log struct {
	base    uint64 // records up to here are in the snapshot
	before  uint64 // the last entry up to base
	records []record
	// settled is where the log ended when the epoch was opened: up to there all
	// dependencies are final.
	settled uint64
	commit  uint64 // records up to here are durable, and their dependencies final
	bytes   int    // of the records
}

func (l *log) last() uint64 { return l.base + uint64(len(l.records)) }

// at returns a record behind the snapshot.
func (l *log) at(i uint64) *record { return &l.records[i-l.base-1] }

// from returns the records from i on.
func (l *log) from(i uint64) []record {
	if i > l.last() {
		return nil
	}
	return l.records[i-l.base-1 : len(l.records) : len(l.records)]
}

// entry returns the last entry up to i, as opposed to rulings.
func (l *log) entry(i uint64) uint64 {
	for ; i > l.base; i-- {
		if !l.at(i).ruling() {
			return i
		}
	}
	return l.before
}

// add appends a record. A ruling takes effect here, on every node in the same
// way.
func (l *log) add(r record) {
	r.final, r.ruled = r.dep, false
	if r.ruling() {
		r.final = 0 // it has nothing to be carried out
	}
	l.records = append(l.records, r)
	l.bytes += r.bytes()
	for i := max(r.from, l.base+1); r.ruling() && i < l.last(); i++ {
		e := l.at(i)
		e.final, e.ruled = max(e.final, r.dep), true
	}
}

// truncate drops the records behind i. What a ruling among them said is void, and
// so is what it said of earlier ones.
func (l *log) truncate(i uint64) {
	kept := l.records[:i-l.base]
	l.records, l.bytes = nil, 0
	for _, r := range kept {
		l.add(r)
	}
}

// compact moves the beginning of the log up to what a snapshot holds.
func (l *log) compact(base, before uint64) {
	l.records = append([]record(nil), l.from(base+1)...)
	l.base, l.before, l.commit, l.bytes = base, before, max(l.commit, base), 0
	for i := range l.records {
		l.bytes += l.records[i].bytes()
	}
}

// crossed tells whether entry i of a log crosses one of the other: both were
// proposed without knowledge of the other, so that neither comes after the other
// as proposed. As proposed, the dependencies of an epoch's entries only grow, so
// the first entry that i does not come after tells. One that is in the snapshot,
// where i is not, was carried out before i, so it did not come after i.
func crossed(own, other *log, i uint64) bool {
	dep := own.at(i).dep
	if other.before > dep {
		return true
	}
	for k := max(dep, other.base) + 1; k <= other.last(); k++ {
		if e := other.at(k); !e.ruling() {
			return e.dep < i
		}
	}
	return false
}
