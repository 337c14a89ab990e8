package history

import (
	"fmt"
	"slices"
	"strings"
)

// level is one of the three rounds of the search for cycles: dependencies only,
// then with the order of each client, then with real time.
type level struct {
	ww, wr, rw edgeKind
	order      edgeKind
}

var levels = []level{
	{ww: edgeWW, wr: edgeWR, rw: edgeRW},
	{ww: edgeWW, wr: edgeWR, rw: edgeRW, order: edgeProcess},
	{ww: edgeWW | edgeTimedWW, wr: anyWR, rw: anyRW, order: edgeProcess | edgeRealtime},
}

// findCycles reports the cycles of the graph, why explaining each hop.
//
// It goes from the worst kind of cycle to the mildest. A transaction that is on
// a reported cycle is left out of the search from then on, so that one mistake
// of the database is reported once, under its worst name, and not again as every
// longer cycle that runs through it. As each kind has been searched for until no
// cycle is left, what the next search finds is of the next kind: a cycle found
// among ww and wr edges has a wr edge, for cycles of ww alone are gone.
func (c *checker) findCycles(why func(hop) string) {
	s := newSearcher(c.b.build())
	all := make([]node, s.g.nodes())
	for i := range all {
		all[i] = node(i)
	}
	var core []node
	for _, comp := range s.components(all, edgeAny) {
		core = append(core, comp...)
	}
	if len(core) == 0 {
		return
	}
	slices.Sort(core)
	for i, l := range levels {
		c.sweep(s, core, l.ww|l.order, l.ww|l.order, why)
		c.sweep(s, core, l.ww|l.wr|l.order, l.ww|l.wr|l.order, why)
		if i == 0 {
			for _, t := range c.lost {
				s.remove(node(t))
			}
		}
		c.sweep(s, core, l.rw, l.ww|l.wr|l.order, why)
		c.sweep(s, core, l.ww|l.wr|l.rw|l.order, l.ww|l.wr|l.rw|l.order, why)
	}
}

// sweep reports cycles, and removes them, whose first edge has a kind in first
// and the others in rest, until there are none.
func (c *checker) sweep(s *searcher, core []node, first, rest edgeKind, why func(hop) string) {
	part := s.alive(core)
	s.join(part)
	work := s.components(part, first|rest)
	for len(work) > 0 {
		comp := work[0]
		work = work[1:]
		cycle := s.shortest(comp, first, rest)
		if cycle == nil {
			continue
		}
		kind := classify(cycle)
		gone := comp // too many already: give up on all of it
		if !c.found.full(kind) {
			gone = gone[:0:0]
			for _, h := range cycle {
				gone = append(gone, h.from)
			}
		}
		c.reportCycle(kind, cycle, why)
		for _, n := range gone {
			s.remove(n)
		}
		left := s.alive(comp)
		work = append(work, s.components(left, first|rest)...)
	}
}

// classify names a cycle by the kinds of its edges.
func classify(cycle []hop) Kind {
	var kinds edgeKind
	anti, predicate := 0, false
	for _, h := range cycle {
		kinds |= h.kind
		if h.kind&anyRW != 0 {
			anti++
			predicate = predicate || h.predicate
		}
	}
	var names [3]Kind
	switch {
	case anti == 0 && kinds&anyWR == 0:
		names = [3]Kind{G0, G0Process, G0Realtime}
	case anti == 0:
		names = [3]Kind{G1c, G1cProcess, G1cRealtime}
	case anti == 1:
		names = [3]Kind{GSingle, GSingleProcess, GSingleRealtime}
	case predicate:
		names = [3]Kind{G2, G2Process, G2Realtime}
	case len(cycle) == 2:
		names = [3]Kind{WriteSkew, G2ItemProcess, G2ItemRealtime}
	default:
		names = [3]Kind{G2Item, G2ItemProcess, G2ItemRealtime}
	}
	switch {
	case kinds&timed != 0:
		return names[2]
	case kinds&edgeProcess != 0:
		return names[1]
	}
	return names[0]
}

// reportCycle reports a cycle: what its transactions did, and why each comes
// before the next.
func (c *checker) reportCycle(kind Kind, cycle []hop, why func(hop) string) {
	txns := make([]TxnID, len(cycle))
	for i, h := range cycle {
		txns[i] = TxnID(h.from)
		c.explained[h.key] = true
	}
	c.found.add(kind, txns, func() string {
		var keys []Key
		for _, h := range cycle {
			if h.key != noKey && !slices.Contains(keys, c.names[h.key]) {
				keys = append(keys, c.names[h.key])
			}
		}
		var b strings.Builder
		b.WriteString(c.describeAll(txns, keys...))
		for i, h := range cycle {
			if i == shownTxnsMax {
				fmt.Fprintf(&b, "\nand %d more steps back to T%d", len(cycle)-i, cycle[0].from)
				break
			}
			fmt.Fprintf(&b, "\nT%d before T%d (%s): %s", h.from, h.to, h.label(), c.reason(h, why))
		}
		return b.String()
	})
}

// label returns the short name of a hop's kind.
func (h hop) label() string {
	switch {
	case h.kind&(edgeWW|edgeTimedWW) != 0:
		return "ww"
	case h.kind&anyWR != 0:
		return "wr"
	case h.kind&anyRW != 0 && h.predicate:
		return "rw, of a range"
	case h.kind&anyRW != 0:
		return "rw"
	case h.kind == edgeProcess:
		return "process"
	}
	return "realtime"
}

// reason explains a hop.
func (c *checker) reason(h hop, why func(hop) string) string {
	from, to := &c.h.Txns[h.from], &c.h.Txns[h.to]
	switch h.kind {
	case edgeProcess:
		return fmt.Sprintf("client %d ran the one after the other", from.Client)
	case edgeRealtime:
		return fmt.Sprintf("it was over at %d, before the other began at %d", from.Complete, to.Invoke)
	}
	return why(h)
}
