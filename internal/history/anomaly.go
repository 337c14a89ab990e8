package history

import (
	"fmt"
	"slices"
	"strings"
)

// Kind names an anomaly.
type Kind string

// Anomalies that single reads and writes show.
const (
	// GarbageRead: a read saw a value that nobody wrote, or a range read a key
	// outside its bounds or twice.
	GarbageRead Kind = "garbage-read"
	// G1a: a committed transaction read what a failed one wrote.
	G1a Kind = "G1a"
	// G1b: a transaction read what another overwrote, or appended to, itself
	// before it committed.
	G1b Kind = "G1b"
	// DirtyUpdate: a committed write builds on the write of a failed
	// transaction.
	DirtyUpdate Kind = "dirty-update"
	// Internal: a transaction's read disagrees with its own reads and writes
	// before, or shows a write that it does only later.
	Internal Kind = "internal"
	// DuplicateAppend: a list has a value twice.
	DuplicateAppend Kind = "duplicate-append"
	// IncompatibleOrder: two reads of a list are in conflict: neither is how the
	// other began. Or a list has one transaction's values in an order that is
	// not the transaction's.
	IncompatibleOrder Kind = "incompatible-order"
	// CyclicVersions: the versions of a key come one after the other in a
	// circle.
	CyclicVersions Kind = "cyclic-versions"
	// LostUpdate: several transactions read the same version of a key, and each
	// wrote the next.
	LostUpdate Kind = "lost-update"
	// LostWrite: an acknowledged append is missing from a list read later, and
	// was never seen again.
	LostWrite Kind = "lost-write"
)

// Anomalies that are cycles of dependencies between transactions: write to write
// (ww), write to read (wr), read to the next write (rw, the anti-dependency).
// With the suffix -process the cycle has an edge from a client's transaction to
// its next, with -realtime one from a transaction to another that began after
// it was over, or rests on a version order that is only known so.
const (
	// G0: ww only. Dirty write.
	G0         Kind = "G0"
	G0Process  Kind = "G0-process"
	G0Realtime Kind = "G0-realtime"
	// G1c: ww and wr. Circular information flow.
	G1c         Kind = "G1c"
	G1cProcess  Kind = "G1c-process"
	G1cRealtime Kind = "G1c-realtime"
	// GSingle: one rw, the rest ww and wr. Read skew.
	GSingle         Kind = "G-single"
	GSingleProcess  Kind = "G-single-process"
	GSingleRealtime Kind = "G-single-realtime"
	// WriteSkew: two transactions, each of which read what the other
	// overwrote. It is the smallest instance of G2-item.
	WriteSkew Kind = "write-skew"
	// G2Item: two or more rw, all of reads of single keys.
	G2Item         Kind = "G2-item"
	G2ItemProcess  Kind = "G2-item-process"
	G2ItemRealtime Kind = "G2-item-realtime"
	// G2: two or more rw, one of them at least of a range read: phantoms.
	G2         Kind = "G2"
	G2Process  Kind = "G2-process"
	G2Realtime Kind = "G2-realtime"
)

// NotLinearizable: no order of the operations on one key explains their results.
// Only CheckLinearizable reports it.
const NotLinearizable Kind = "not-linearizable"

// Anomaly is evidence that the database does not keep its promise.
type Anomaly struct {
	Kind Kind
	// Txns are the transactions involved. Those of a cycle are in its order,
	// from the one with the smallest number.
	Txns []TxnID
	// Explanation says in some lines what the transactions did, and why that
	// cannot be. It names transactions by their TxnID, as T7.
	Explanation string
}

// Result is what a check found.
type Result struct {
	// Anomalies is sorted by kind, first the ones that are the worst.
	Anomalies []Anomaly
	// Omitted counts anomalies beyond Options.PerKindMax. Of what is tangled
	// up with an omitted cycle, not everything is counted.
	Omitted int
	// Committed is how many transactions are known to have taken effect.
	Committed int
	// Unresolved is how many reads were not used since it is not clear which
	// deletion it was whose effect they saw.
	Unresolved int
}

// OK tells whether no anomaly was found.
func (r *Result) OK() bool { return len(r.Anomalies) == 0 }

// Has tells whether an anomaly of the kind was found.
func (r *Result) Has(k Kind) bool {
	return slices.ContainsFunc(r.Anomalies, func(a Anomaly) bool { return a.Kind == k })
}

// String returns all explanations, each under the name of its anomaly.
func (r *Result) String() string {
	var b strings.Builder
	n, noun := len(r.Anomalies)+r.Omitted, "anomalies"
	if n == 1 {
		noun = "anomaly"
	}
	fmt.Fprintf(&b, "%d %s in %d committed transactions", n, noun, r.Committed)
	if r.Omitted > 0 {
		fmt.Fprintf(&b, " (%d not shown)", r.Omitted)
	}
	b.WriteByte('\n')
	for _, a := range r.Anomalies {
		fmt.Fprintf(&b, "%s\n%s\n", a.Kind, indent(a.Explanation))
	}
	return b.String()
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// severity is the order in which results list anomalies.
var severity = []Kind{
	GarbageRead, DuplicateAppend, IncompatibleOrder, CyclicVersions, LostWrite, Internal, G1a, DirtyUpdate, G1b,
	G0, G1c, LostUpdate, GSingle, WriteSkew, G2Item, G2,
	G0Process, G1cProcess, GSingleProcess, G2ItemProcess, G2Process,
	G0Realtime, G1cRealtime, GSingleRealtime, G2ItemRealtime, G2Realtime,
	NotLinearizable,
}

// findings collects anomalies during a check.
type findings struct {
	perKindMax int
	count      map[Kind]int
	list       []Anomaly
	omitted    int
}

func newFindings(perKindMax int) *findings {
	return &findings{perKindMax: perKindMax, count: map[Kind]int{}}
}

// full tells whether another anomaly of the kind would be omitted.
func (f *findings) full(k Kind) bool { return f.count[k] >= f.perKindMax }

// add reports an anomaly; explain is called only if there is room for it.
func (f *findings) add(k Kind, txns []TxnID, explain func() string) {
	if f.full(k) {
		f.omitted++
		return
	}
	f.count[k]++
	f.list = append(f.list, Anomaly{Kind: k, Txns: txns, Explanation: explain()})
}

// sorted returns the anomalies in the order of results.
func (f *findings) sorted() []Anomaly {
	slices.SortStableFunc(f.list, func(a, b Anomaly) int {
		return slices.Index(severity, a.Kind) - slices.Index(severity, b.Kind)
	})
	return f.list
}
