package history

import "slices"

// searchEdgesMax bounds the work of finding one short cycle. Beyond it, some
// cycle is found but maybe not the shortest.
const searchEdgesMax = 8 << 20

// depths are the lengths of cycles that are looked for in turn. Short ones are
// found in a small part of the graph, and most are short.
var depths = [...]int{2, 3, 5, 1 << 30}

// hop is a step of a cycle, from one transaction to another.
type hop struct {
	from, to  node
	kind      edgeKind
	key       keyID
	predicate bool
}

// hopRef tells how a search reached a node: by an edge of a node.
type hopRef struct {
	from node
	edge int32
}

// shortest returns a shortest cycle in comp, which is a component and a region:
// its first edge has a kind in first, the others in rest. If that is the same
// there always is one. It returns nil if there is none, or none was found
// within searchEdgesMax.
func (s *searcher) shortest(comp []node, first, rest edgeKind) []hop {
	starts := make([]node, 0, len(comp))
	for _, n := range comp {
		if int(n) < s.g.txns {
			starts = append(starts, n)
		}
	}
	slices.Sort(starts)
	budget := searchEdgesMax
	for _, depth := range depths {
		var best []hop
		for i, n := range starts {
			certain := depth == depths[len(depths)-1] && first == rest && i == 0
			if budget <= 0 && !certain {
				break
			}
			limit := depth
			if best != nil {
				limit = len(best) - 1
			}
			if limit < 2 {
				break
			}
			if c := s.cycleFrom(n, limit, first, rest, &budget); c != nil {
				best = c
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// cycleFrom returns the shortest cycle through start of at most limit hops, by
// breadth-first search.
func (s *searcher) cycleFrom(start node, limit int, first, rest edgeKind, budget *int) []hop {
	if s.reached == nil {
		s.reached, s.parent = make([]int32, s.g.nodes()), make([]hopRef, s.g.nodes())
	}
	s.search++
	level, next := []node{start}, []node(nil)
	mask := first
	for range limit {
		next = next[:0]
		for _, n := range level {
			if int(n) >= s.g.txns {
				continue // its successors are in the level already
			}
			if s.expand(n, start, mask, &next, budget) {
				return s.trace(start)
			}
		}
		// The list grows while it is walked: virtual nodes cost no hop.
		for i := 0; i < len(next); i++ {
			if int(next[i]) >= s.g.txns && s.expand(next[i], start, mask, &next, budget) {
				return s.trace(start)
			}
		}
		if len(next) == 0 {
			return nil
		}
		level, next = next, level
		mask = rest
	}
	return nil
}

// expand appends to next what one edge of n leads to that was not reached yet,
// and tells whether start is among it.
func (s *searcher) expand(n, start node, mask edgeKind, next *[]node, budget *int) bool {
	*budget -= len(s.g.out(n)) + 1
	for i, e := range s.g.out(n) {
		if e.kind != edgeVia && e.kind&mask == 0 || s.region[e.to] != s.region[start] || s.reached[e.to] == s.search {
			continue
		}
		s.reached[e.to] = s.search
		s.parent[e.to] = hopRef{n, int32(i)}
		if e.to == start {
			return true
		}
		*next = append(*next, e.to)
	}
	return false
}

// trace returns the cycle that the last search closed, from its smallest
// transaction on.
func (s *searcher) trace(start node) []hop {
	var hops []hop
	to, at := start, start
	for {
		ref := s.parent[at]
		if int(ref.from) < s.g.txns {
			e := s.g.out(ref.from)[ref.edge]
			hops = append(hops, hop{ref.from, to, e.kind, e.key, e.predicate})
			to = ref.from
		}
		at = ref.from
		if at == start {
			break
		}
	}
	slices.Reverse(hops)
	low := 0
	for i := range hops {
		if hops[i].from < hops[low].from {
			low = i
		}
	}
	return append(hops[low:len(hops):len(hops)], hops[:low]...)
}
