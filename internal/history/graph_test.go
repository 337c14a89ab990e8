package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// reach returns for each node of a graph what it reaches by edges of mask, in
// one or more steps.
func reach(g *graph, mask edgeKind) [][]bool {
	all := make([][]bool, g.nodes())
	for start := range all {
		seen := make([]bool, g.nodes())
		stack := []node{node(start)}
		for len(stack) > 0 {
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, e := range g.out(n) {
				if (e.kind == edgeVia || e.kind&mask != 0) && !seen[e.to] {
					seen[e.to] = true
					stack = append(stack, e.to)
				}
			}
		}
		all[start] = seen
	}
	return all
}

func randomGraph(r *rand.Rand) *graph {
	n := 1 + r.IntN(25)
	b := newGraphBuilder(n)
	for range r.IntN(3 * n) {
		b.add(node(r.IntN(n)), edge{to: node(r.IntN(n)), kind: []edgeKind{edgeWW, edgeWR, edgeRW}[r.IntN(3)]})
	}
	return b.build()
}

func nodesOf(g *graph) []node {
	all := make([]node, g.nodes())
	for i := range all {
		all[i] = node(i)
	}
	return all
}

func TestComponentsAreMutualReach(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := randomGraph(r)
		for _, mask := range []edgeKind{edgeWW, edgeWW | edgeWR, edgeAny} {
			reaches := reach(g, mask)
			s := newSearcher(g)
			part := nodesOf(g)
			if r.IntN(2) == 0 {
				part = part[r.IntN(len(part)):]
				s.join(part)
				reaches = reach(induced(g, part), mask)
			}
			comps := s.components(part, mask)
			in := make([]int, g.nodes()) // component from 1 up
			for i, comp := range comps {
				for _, n := range comp {
					in[n] = i + 1
				}
			}
			for a := range g.nodes() {
				for b := range g.nodes() {
					if a == b {
						continue
					}
					same := in[a] != 0 && in[a] == in[b]
					if both := reaches[a][b] && reaches[b][a]; same != both {
						t.Fatalf("seed %d, mask %b: %d and %d in one component: %v, reach each other: %v", seed, mask, a, b, same, both)
					}
				}
			}
		}
	}
}

// induced returns a graph without the edges of nodes outside of part.
func induced(g *graph, part []node) *graph {
	b := newGraphBuilder(g.txns)
	for _, n := range part {
		for _, e := range g.out(n) {
			if slices.Contains(part, e.to) {
				b.add(n, e)
			}
		}
	}
	return b.build()
}

// shortestNaive returns the length of the shortest cycle, 0 if there is none,
// whose first edge is in first and the others in rest.
func shortestNaive(g *graph, first, rest edgeKind) int {
	best := 0
	for start := range g.nodes() {
		level := map[node]bool{node(start): true}
		mask := first
		for n := 1; n <= g.nodes(); n++ {
			next := map[node]bool{}
			for from := range level {
				for _, e := range g.out(from) {
					if e.kind&mask != 0 {
						next[e.to] = true
					}
				}
			}
			if next[node(start)] && (best == 0 || n < best) {
				best = n
			}
			level, mask = next, rest
		}
	}
	return best
}

func TestShortestCycle(t *testing.T) {
	found := 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		g := randomGraph(r)
		for _, tt := range [][2]edgeKind{{edgeWW, edgeWW}, {edgeAny, edgeAny}, {edgeRW, edgeWW | edgeWR}} {
			best := 0
			s := newSearcher(g)
			for _, comp := range s.components(nodesOf(g), tt[0]|tt[1]) {
				cycle := s.shortest(comp, tt[0], tt[1])
				checkCycle(t, g, cycle, tt[0], tt[1])
				if n := len(cycle); n > 0 && (best == 0 || n < best) {
					best = n
				}
			}
			if want := shortestNaive(g, tt[0], tt[1]); best != want {
				t.Fatalf("seed %d, %b: shortest is %d, want %d", seed, tt, best, want)
			}
			if best > 0 {
				found++
			}
		}
	}
	if found < 200 {
		t.Fatalf("only %d graphs had cycles", found)
	}
}

// checkCycle checks that a cycle is one, visits no node twice and has the kinds
// of edges asked for.
func checkCycle(t *testing.T, g *graph, cycle []hop, first, rest edgeKind) {
	t.Helper()
	firsts := 0
	var seen []node
	for i, h := range cycle {
		if h.to != cycle[(i+1)%len(cycle)].from || slices.Contains(seen, h.from) {
			t.Fatalf("%v is no cycle", cycle)
		}
		seen = append(seen, h.from)
		if !slices.ContainsFunc(g.out(h.from), func(e edge) bool { return e.to == h.to && e.kind == h.kind }) {
			t.Fatalf("%v: no edge from %d to %d", cycle, h.from, h.to)
		}
		if h.kind&rest == 0 {
			firsts++
		}
		if h.kind&(first|rest) == 0 {
			t.Fatalf("%v: kind %b", cycle, h.kind)
		}
	}
	if len(cycle) > 0 && first&rest == 0 && firsts != 1 {
		t.Fatalf("%v: %d edges of kind %b", cycle, firsts, first)
	}
}

// TestLinkIsEachToEach compares the reachability of hubs with that of an edge
// from each source to each of the next, and demands fewer edges.
func TestLinkIsEachToEach(t *testing.T) {
	hubs := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		n := 2 + r.IntN(40)
		var sources []source
		var next []node
		for i := range n {
			if r.IntN(2) == 0 {
				sources = append(sources, source{node: node(i), kind: []edgeKind{edgeWW, edgeRW}[r.IntN(2)]})
			}
			if r.IntN(2) == 0 {
				next = append(next, node(i))
			}
		}
		hub, direct := newGraphBuilder(n), newGraphBuilder(n)
		hub.link(0, sources, next)
		for _, s := range sources {
			for _, to := range next {
				direct.add(s.node, edge{to: to, kind: s.kind})
			}
		}
		if hub.nodes > n {
			hubs++
			if hub.edges > 4*n+2 {
				t.Fatalf("seed %d: %d edges between %d nodes", seed, hub.edges, n)
			}
		}
		got, want := reach(hub.build(), edgeAny), reach(direct.build(), edgeAny)
		for i := range n {
			if !slices.Equal(got[i][:n], want[i]) {
				t.Fatalf("seed %d: from %d: reached %v, want %v", seed, i, got[i][:n], want[i])
			}
		}
	}
	if hubs < 100 {
		t.Fatalf("only %d of the graphs have hubs", hubs)
	}
}

// TestRealtimeIsBefore compares paths through moments with intervals.
func TestRealtimeIsBefore(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		h := &History{}
		committed := make([]bool, 1+r.IntN(40))
		for i := range committed {
			t := Txn{Invoke: Time(r.IntN(60)), Outcome: []Outcome{OK, OK, Unknown}[r.IntN(3)]}
			t.Complete = t.Invoke + Time(r.IntN(12))
			h.Txns = append(h.Txns, t)
			committed[i] = r.IntN(5) > 0
		}
		b := newGraphBuilder(len(committed))
		newTimeline(h, committed).addRealtime(b, h)
		if b.edges > 3*len(committed) {
			t.Fatalf("seed %d: %d edges for %d transactions", seed, b.edges, len(committed))
		}
		reaches := reach(b.build(), edgeRealtime)
		for i := range committed {
			for j := range committed {
				want := committed[i] && committed[j] && h.Txns[i].Outcome == OK && h.Txns[i].Complete < h.Txns[j].Invoke
				if reaches[i][j] != want {
					t.Fatalf("seed %d: T%d before T%d: %v, want %v", seed, i, j, reaches[i][j], want)
				}
			}
		}
	}
}
