package history

// node is a vertex of a graph: those below graph.txns stand for transactions (or
// versions), the others are virtual. A virtual node only stands for the edges
// from each of its predecessors to each of its successors, which would be too
// many to list.
type node int32

// keyID numbers the keys of a history from 0 up.
type keyID int32

// noKey is the key of edges that are about time.
const noKey keyID = -1

// edgeKind is a bit, so that searches can allow several kinds.
type edgeKind uint8

const (
	edgeWW edgeKind = 1 << iota
	edgeWR
	edgeRW
	edgeProcess
	edgeRealtime
	// Timed dependencies rest on an order of versions that is known only from
	// who was over before whom.
	edgeTimedWW
	edgeTimedWR
	edgeTimedRW

	// edgeVia leads out of a virtual node. The kind of the edge that led there
	// is the kind of the whole step. Every search may take it.
	edgeVia edgeKind = 0

	edgeAny edgeKind = 0xff
	anyWR            = edgeWR | edgeTimedWR
	anyRW            = edgeRW | edgeTimedRW
	timed            = edgeTimedWW | edgeTimedWR | edgeTimedRW | edgeRealtime
)

// edge leads from the node that holds it.
type edge struct {
	to        node
	key       keyID
	kind      edgeKind
	predicate bool // an anti-dependency of a range read
}

// graph holds for each node the edges that leave it.
type graph struct {
	txns  int // nodes that are not virtual
	first []int
	edges []edge
}

func (g *graph) nodes() int { return len(g.first) - 1 }

func (g *graph) out(n node) []edge { return g.edges[g.first[n]:g.first[n+1]] }

// graphBuilder collects edges in any order.
type graphBuilder struct {
	txns   int
	nodes  int
	edges  int
	chunks [][]builtEdge // all full but the last
}

type builtEdge struct {
	from node
	edge
}

const (
	chunkEdgesMin = 1 << 6
	chunkEdgesMax = 1 << 14
)

func newGraphBuilder(txns int) *graphBuilder { return &graphBuilder{txns: txns, nodes: txns} }

// virtual returns a new virtual node.
func (b *graphBuilder) virtual() node {
	b.nodes++
	return node(b.nodes - 1)
}

// add adds an edge. A transaction does not depend on itself.
func (b *graphBuilder) add(from node, e edge) {
	if from == e.to {
		return
	}
	if n := len(b.chunks); n == 0 || len(b.chunks[n-1]) == cap(b.chunks[n-1]) {
		b.chunks = append(b.chunks, make([]builtEdge, 0, min(max(b.edges, chunkEdgesMin), chunkEdgesMax)))
	}
	last := &b.chunks[len(b.chunks)-1]
	*last = append(*last, builtEdge{from, e})
	b.edges++
}

// build returns the graph. The edges of a node stay in the order in which they
// were added, so that searches are repeatable.
func (b *graphBuilder) build() *graph {
	g := &graph{txns: b.txns, first: make([]int, b.nodes+1), edges: make([]edge, b.edges)}
	for _, chunk := range b.chunks {
		for i := range chunk {
			g.first[chunk[i].from+1]++
		}
	}
	for n := range b.nodes {
		g.first[n+1] += g.first[n]
	}
	at := make([]int, b.nodes)
	copy(at, g.first)
	for _, chunk := range b.chunks {
		for i := range chunk {
			n := chunk[i].from
			g.edges[at[n]] = chunk[i].edge
			at[n]++
		}
	}
	return g
}

// source is a transaction that comes before whoever wrote a later version: it
// wrote the version, or read it.
type source struct {
	node      node
	kind      edgeKind
	predicate bool
}

// directEdgesMax is how many edges link may add one by one.
const directEdgesMax = 32

// link adds the edges from each source to each of next, the writers of the
// versions that come next, in a number that grows with the sum of the two, not
// with their product.
func (b *graphBuilder) link(key keyID, sources []source, next []node) {
	if len(next) == 0 {
		return
	}
	if len(sources)*len(next) <= directEdgesMax || len(next) == 1 {
		for _, s := range sources {
			for _, n := range next {
				b.add(s.node, edge{n, key, s.kind, s.predicate})
			}
		}
		return
	}
	// A hub would lead a source that is also in next to itself. Such sources
	// get a hub of their own to the rest of next, and a ring among themselves,
	// which connects each to each.
	isNext := make(map[node]bool, len(next))
	for _, n := range next {
		isNext[n] = true
	}
	all, rest := node(-1), node(-1)
	both := map[node]bool{}
	var ring []source
	for _, s := range sources {
		switch {
		case !isNext[s.node]:
			if all < 0 {
				all = b.virtual()
			}
			b.add(s.node, edge{all, key, s.kind, s.predicate})
		case !both[s.node]:
			both[s.node] = true
			ring = append(ring, s)
		}
	}
	for i, s := range ring {
		if rest < 0 {
			rest = b.virtual()
		}
		b.add(s.node, edge{rest, key, s.kind, s.predicate})
		b.add(s.node, edge{ring[(i+1)%len(ring)].node, key, s.kind, s.predicate})
	}
	for _, n := range next {
		if all >= 0 {
			b.add(all, edge{to: n, key: key, kind: edgeVia})
		}
		if rest >= 0 && !both[n] {
			b.add(rest, edge{to: n, key: key, kind: edgeVia})
		}
	}
}
