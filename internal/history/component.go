package history

// removed is the region of nodes that searches do not enter any more.
const removed int32 = -1

// searcher looks for components and cycles in parts of a graph. Each node is in
// one region; a search stays within one.
type searcher struct {
	g       *graph
	region  []int32
	regions int32 // the last region given out

	// Of components: order of discovery from 1 up, 0 before; the smallest order
	// reachable; whether the node is on the stack.
	index, low []int32
	onStack    []bool

	// Of cycles: the search that reached a node last, and from where.
	reached []int32
	parent  []hopRef
	search  int32
}

func newSearcher(g *graph) *searcher {
	n := g.nodes()
	return &searcher{g: g, region: make([]int32, n)}
}

// frame is a node that components is in the midst of.
type frame struct {
	node node
	next int // of its edges
}

// components returns the strongly connected components with more than one node
// of the part of the graph that consists of nodes, which are one region, and
// the edges whose kinds are in mask (Tarjan's algorithm, with a stack of its own
// since paths are long). Each becomes a region.
func (s *searcher) components(nodes []node, mask edgeKind) [][]node {
	if s.index == nil {
		n := s.g.nodes()
		s.index, s.low, s.onStack = make([]int32, n), make([]int32, n), make([]bool, n)
	}
	for _, n := range nodes {
		s.index[n] = 0
	}
	var found [][]node
	var stack []node
	var frames []frame
	order := int32(0)
	enter := func(n node) {
		order++
		s.index[n], s.low[n], s.onStack[n] = order, order, true
		stack = append(stack, n)
		frames = append(frames, frame{n, s.g.first[n]})
	}
	for _, root := range nodes {
		if s.index[root] != 0 || s.region[root] == removed {
			continue
		}
		enter(root)
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			n := f.node
			if f.next < s.g.first[n+1] {
				e := &s.g.edges[f.next]
				f.next++
				if e.kind != edgeVia && e.kind&mask == 0 || s.region[e.to] != s.region[n] {
					continue
				}
				if s.index[e.to] == 0 {
					enter(e.to)
				} else if s.onStack[e.to] {
					s.low[n] = min(s.low[n], s.index[e.to])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				up := frames[len(frames)-1].node
				s.low[up] = min(s.low[up], s.low[n])
			}
			if s.low[n] != s.index[n] {
				continue
			}
			at := len(stack) - 1
			for ; stack[at] != n; at-- {
				s.onStack[stack[at]] = false
			}
			s.onStack[n] = false
			if len(stack)-at > 1 {
				found = append(found, append([]node(nil), stack[at:]...))
			}
			stack = stack[:at]
		}
	}
	for _, c := range found {
		s.join(c)
	}
	return found
}

// join makes nodes a region of their own.
func (s *searcher) join(nodes []node) {
	s.regions++
	for _, n := range nodes {
		s.region[n] = s.regions
	}
}

// remove keeps searches away from a node.
func (s *searcher) remove(n node) { s.region[n] = removed }

// alive returns those of nodes that are not removed.
func (s *searcher) alive(nodes []node) []node {
	var left []node
	for _, n := range nodes {
		if s.region[n] != removed {
			left = append(left, n)
		}
	}
	return left
}
