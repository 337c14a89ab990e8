package history

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds of edges between versions.
const (
	// orderKnown: the writer of the later version read the earlier one, or the
	// earlier one is the start.
	orderKnown = edgeWW
	// orderWritten: a transaction that had the earlier version was over before
	// the writer of the later one began.
	orderWritten = edgeTimedWW
	// orderSeen: a transaction that had the earlier version was over before a
	// reader of the later one began. If the reader saw a stale version, which
	// is what this is about to find, that says nothing.
	orderSeen = edgeTimedWR
)

// orderSets are the edges by how firm they are. Versions that come before
// themselves in a set make its last kind worthless among them.
var orderSets = [...]edgeKind{
	orderKnown | orderWritten | orderSeen,
	orderKnown | orderWritten,
	orderKnown,
}

// versionOrder is what is known of the order of versions. It is partial: of two
// blind writes at the same time nothing tells which came first.
type versionOrder struct {
	graph *graph
	// circle is, for each of orderSets, the number of the component of versions
	// that a version is in, all of which come before themselves; 0 for none.
	circle [len(orderSets)][]int32
	cycles [][]hop // one for each component of the first set
}

// findLostUpdates finds transactions that read the same version and each wrote
// the next.
func (c *regCheck) findLostUpdates() {
	children := make(map[versionID][]TxnID)
	var shared []versionID
	for i := range c.versions {
		v := &c.versions[i]
		if v.parent == noVersion {
			continue
		}
		of := append(children[v.parent], c.writer(versionID(i)))
		children[v.parent] = of
		if len(of) == 2 {
			shared = append(shared, v.parent)
		}
	}
	slices.Sort(shared)
	for _, v := range shared {
		txns, key := children[v], c.versions[v].key
		c.lost = append(c.lost, txns...)
		c.explained[key] = true
		c.found.add(LostUpdate, txns, func() string {
			return c.describeAll(txns, c.names[key]) +
				fmt.Sprintf("\nAll %d read key %d as %s, and wrote the next value", len(txns), c.names[key], c.versionText(v))
		})
	}
}

// orderVersions collects all that is known of the order of versions.
func (c *regCheck) orderVersions() *versionOrder {
	b := newGraphBuilder(len(c.versions))
	for i := range c.versions {
		v := &c.versions[i]
		if v.parent != noVersion {
			kind := orderKnown
			if v.parentTimed {
				kind = orderWritten
			}
			b.add(node(v.parent), edge{to: node(i), key: v.key, kind: kind})
		}
		if !c.start(versionID(i)) && (v.parent == noVersion || v.parentTimed) {
			b.add(node(v.key), edge{to: node(i), key: v.key, kind: orderKnown})
		}
	}
	if c.timedKeys() {
		c.addTimedOrder(b)
	}
	o := &versionOrder{graph: b.build()}
	o.findCycles()
	return o
}

// front is a version that some transaction has seen or written and is over.
type front struct {
	version versionID
	done    Time
}

// timedSweep goes through time and orders the versions of each key by it.
type timedSweep struct {
	*regCheck
	b      *graphBuilder
	first  []int32   // by TxnID: the index of its first access
	fronts [][]front // by key: versions that have no later one yet
	// Versions known to come before a version, as lists: heads by version.
	heads []int32
	cells []predecessor
}

// predecessor is a cell of a list.
type predecessor struct {
	version versionID
	kind    edgeKind
	next    int32
}

// addTimedOrder adds the edges that follow from time: if a transaction that read
// or wrote version u was over before one began that read or wrote version v of
// the same key, then u comes before v. What follows through a third version is
// left out: a key's fronts are only the versions that nobody is known to have
// replaced, about as many as there were transactions at a time.
func (c *regCheck) addTimedOrder(b *graphBuilder) {
	s := &timedSweep{
		regCheck: c, b: b,
		first:  make([]int32, len(c.h.Txns)+1),
		fronts: make([][]front, len(c.names)),
		heads:  make([]int32, len(c.versions)),
	}
	for _, a := range c.accesses {
		s.first[a.txn+1]++
	}
	for t := range c.h.Txns {
		s.first[t+1] += s.first[t]
	}
	for i := range s.heads {
		s.heads[i] = -1
	}
	c.time.walk(c.h, s.invoke, s.complete)
}

func (s *timedSweep) of(t TxnID) []access { return s.accesses[s.first[t]:s.first[t+1]] }

func (s *timedSweep) invoke(t TxnID) {
	for _, a := range s.of(t) {
		for _, f := range s.fronts[a.key] {
			if f.version == a.entry {
				continue
			}
			kind := orderSeen
			if s.writer(a.entry) == t {
				kind = orderWritten
			}
			s.add(f.version, a.entry, a.key, kind)
		}
	}
}

func (s *timedSweep) complete(t TxnID) {
	began, done := s.h.Txns[t].Invoke, s.h.Txns[t].Complete
	for _, a := range s.of(t) {
		known := false
		// invoke put those that were over before t began below a.exit.
		left := slices.DeleteFunc(s.fronts[a.key], func(f front) bool {
			known = known || f.version == a.exit
			return f.version != a.exit && f.done < began
		})
		if !known {
			left = append(left, front{a.exit, done})
		}
		s.fronts[a.key] = left
	}
}

// recentMax is how many predecessors of a version add compares with. A version
// has few, unless the database serves versions long replaced.
const recentMax = 16

// add adds an edge from u to v, unless it was added recently or follows from the
// others.
func (s *timedSweep) add(u, v versionID, key keyID, kind edgeKind) {
	if s.start(u) || s.versions[v].parent == u {
		return
	}
	for i, n := s.heads[v], 0; i >= 0 && n < recentMax; i, n = s.cells[i].next, n+1 {
		if s.cells[i].version == u && (s.cells[i].kind == kind || kind == orderSeen) {
			return
		}
	}
	s.cells = append(s.cells, predecessor{u, kind, s.heads[v]})
	s.heads[v] = int32(len(s.cells) - 1)
	s.b.add(node(u), edge{to: node(v), key: key, kind: kind})
}

// findCycles finds the versions that come before themselves.
func (o *versionOrder) findCycles() {
	s := newSearcher(o.graph)
	part := make([]node, o.graph.nodes())
	for i := range part {
		part[i] = node(i)
	}
	for i, set := range orderSets {
		o.circle[i] = make([]int32, o.graph.nodes())
		var core []node // a firmer circle is part of a looser one
		for n, comp := range s.components(part, set) {
			if i == 0 {
				o.cycles = append(o.cycles, s.shortest(comp, set, set))
			}
			for _, v := range comp {
				o.circle[i][v] = int32(n) + 1
			}
			core = append(core, comp...)
		}
		s.join(core)
		part = core
	}
}

// holds tells whether an edge may be relied on.
func (o *versionOrder) holds(v versionID, e *edge) bool {
	set := len(orderSets) - 1
	for orderSets[set]&e.kind == 0 {
		set--
	}
	c := o.circle[set]
	return c[v] == 0 || c[v] != c[e.to]
}

// next appends to buf the writers of the versions right after v: those that are
// known from time, or those that are known otherwise.
func (c *regCheck) next(o *versionOrder, v versionID, timed bool, buf []node) []node {
	out := o.graph.out(node(v))
	for i := range out {
		e := &out[i]
		if (e.kind != orderKnown) == timed && o.holds(v, e) && !c.start(versionID(e.to)) {
			buf = append(buf, node(c.writer(versionID(e.to))))
		}
	}
	return buf
}

// addEdges adds the dependencies of all keys.
func (c *regCheck) addEdges(o *versionOrder) {
	readers := make([][]int32, len(c.versions))
	for i := range c.reads {
		readers[c.reads[i].version] = append(readers[c.reads[i].version], int32(i))
	}
	var plain, late []node
	var sources []source
	for i := range c.versions {
		v, key := versionID(i), c.versions[i].key
		plain = c.next(o, v, false, plain[:0])
		late = c.next(o, v, true, late[:0])
		sources = sources[:0]
		if w := c.writer(v); w >= 0 {
			sources = append(sources, source{node: node(w), kind: edgeWW})
		}
		for _, n := range readers[v] {
			r := &c.reads[n]
			wr, rw := edgeWR, edgeRW
			if r.timed {
				wr, rw = edgeTimedWR, edgeTimedRW
			}
			if w := c.writer(v); w >= 0 {
				c.b.add(node(w), edge{to: node(r.txn), key: key, kind: wr})
			}
			sources = append(sources, source{node(r.txn), rw, r.predicate})
		}
		c.b.link(key, sources, plain)
		for n := range sources {
			switch sources[n].kind {
			case edgeWW:
				sources[n].kind = edgeTimedWW
			case edgeRW:
				sources[n].kind = edgeTimedRW
			}
		}
		c.b.link(key, sources, late)
	}
}

// reportVersionCycles reports versions that come before themselves, where no
// cycle of transactions says so already.
func (c *regCheck) reportVersionCycles(o *versionOrder) {
	for _, cycle := range o.cycles {
		key := cycle[0].key
		if c.explained[key] {
			continue
		}
		if c.found.full(CyclicVersions) {
			c.found.omitted++
			continue
		}
		var lines []string
		var txns []TxnID
		for _, h := range cycle {
			u, v := versionID(h.from), versionID(h.to)
			lines = append(lines, fmt.Sprintf("%s before %s, for %s", c.versionText(u), c.versionText(v), c.orderReason(u, v)))
			for _, v := range []versionID{u, v} {
				if w := c.writer(v); w >= 0 {
					txns = append(txns, w)
				}
			}
			if a, b := c.witnesses(u, v); a >= 0 {
				txns = append(txns, a, b)
			}
		}
		txns = distinct(txns...)
		c.found.add(CyclicVersions, txns, func() string {
			return c.describeAll(txns, c.names[key]) + fmt.Sprintf("\nThe values of key %d:\n", c.names[key]) + strings.Join(lines, "\n")
		})
	}
}

// witnesses returns two transactions of which the first, which read or wrote u,
// was over before the other, which read or wrote v, began; -1 if there are none.
func (c *regCheck) witnesses(u, v versionID) (before, after TxnID) {
	before, after = -1, -1
	for _, a := range c.accesses {
		t := &c.h.Txns[a.txn]
		if a.exit == u && t.Outcome == OK && (before < 0 || t.Complete < c.h.Txns[before].Complete) {
			before = a.txn
		}
		if a.entry == v && (after < 0 || t.Invoke > c.h.Txns[after].Invoke) {
			after = a.txn
		}
	}
	if before < 0 || after < 0 || c.h.Txns[before].Complete >= c.h.Txns[after].Invoke {
		return -1, -1
	}
	return before, after
}

// orderReason says why u comes before v.
func (c *regCheck) orderReason(u, v versionID) string {
	switch {
	case c.versions[v].parent == u:
		return fmt.Sprintf("T%d read %s before it wrote %s", c.writer(v), c.versionText(u), c.versionText(v))
	case c.start(u):
		return "every key starts out as nil"
	}
	a, b := c.witnesses(u, v)
	return fmt.Sprintf("T%d, with %s, was over at %d before T%d, with %s, began at %d",
		a, c.versionText(u), c.h.Txns[a].Complete, b, c.versionText(v), c.h.Txns[b].Invoke)
}

// versionText names a version by its value.
func (c *regCheck) versionText(v versionID) string {
	if c.start(v) {
		return "nil"
	}
	w := &c.writes[c.versions[v].write]
	if w.deletes {
		return fmt.Sprintf("nil by T%d", w.txn)
	}
	return fmt.Sprint(w.value)
}

// why explains a dependency.
func (c *regCheck) why(h hop) string {
	key, from, to := c.names[h.key], TxnID(h.from), TxnID(h.to)
	if h.kind&anyWR != 0 {
		if v := c.versionOf(from, h.key); c.readOf(to, h.key) == v {
			return fmt.Sprintf("T%d read key %d as %s, which is what T%d left", to, key, c.versionText(v), from)
		}
		return fmt.Sprintf("T%d read what T%d wrote to key %d", to, from, key)
	}
	v := c.versionOf(to, h.key)
	u, verb := c.readOf(from, h.key), "read"
	if h.kind&anyRW == 0 {
		u, verb = c.versionOf(from, h.key), "wrote"
	}
	return fmt.Sprintf("T%d %s key %d as %s, and T%d's %s is later, for %s",
		from, verb, key, c.versionText(u), to, c.versionText(v), c.orderReason(u, v))
}

// readOf returns the version of k that t read.
func (c *regCheck) readOf(t TxnID, k keyID) versionID {
	for i := range c.reads {
		if r := &c.reads[i]; r.txn == t && c.versions[r.version].key == k {
			return r.version
		}
	}
	return noVersion
}
