package history

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// generator makes histories of a serial database: every transaction takes effect
// at one moment between its invocation and its completion. So all of them are
// strictly serializable.
type generator struct {
	rand    *rand.Rand
	w       Workload
	clients int
	txns    int // of each client
	keys    int // in use at a time
	perKeys int // transactions after which other keys come into use; 0: never
	opsMax  int
	failed  float64 // share of transactions
	unknown float64
	durMax  int // of a transaction; short ones make many equal times

	lists  map[Key][]Value
	values map[Key]Value
	last   Value
}

// moment is a transaction with the time at which it takes effect.
type moment struct {
	txn     Txn
	at      Time
	applied bool
	seq     int
}

func newGenerator(seed uint64, w Workload) *generator {
	r := rand.New(rand.NewPCG(seed, uint64(w)))
	g := &generator{
		rand: r, w: w,
		clients: 1 + r.IntN(12), txns: 1 + r.IntN(60), keys: 1 + r.IntN(8), opsMax: 1 + r.IntN(6),
		perKeys: r.IntN(2) * (20 + r.IntN(100)), durMax: 1 + r.IntN(50),
	}
	if r.IntN(2) == 0 {
		g.failed, g.unknown = r.Float64()*0.3, r.Float64()*0.3
	}
	return g
}

// history returns a history, ordered by invocation.
func (g *generator) history() *History {
	var moments []moment
	for client := range g.clients {
		now := Time(g.rand.IntN(g.durMax + 1))
		for range g.txns {
			now += Time(g.rand.IntN(g.durMax/4 + 1))
			dur := g.rand.IntN(g.durMax + 1)
			m := moment{txn: Txn{Client: ClientID(client), Outcome: OK, Invoke: now, Complete: now + Time(dur)}, applied: true}
			m.at = now + Time(g.rand.IntN(dur+1))
			switch p := g.rand.Float64(); {
			case p < g.failed:
				m.txn.Outcome, m.applied = Failed, false
			case p < g.failed+g.unknown:
				m.txn.Outcome, m.applied = Unknown, g.rand.IntN(2) == 0
				m.at = now + Time(g.rand.IntN(5*dur+1))
			}
			now, m.seq = m.txn.Complete, len(moments)
			moments = append(moments, m)
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	g.lists, g.values = map[Key][]Value{}, map[Key]Value{}
	for i := range moments {
		g.run(&moments[i], i)
	}
	slices.SortFunc(moments, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.txn.Invoke, b.txn.Invoke), cmp.Compare(a.seq, b.seq))
	})
	h := &History{Workload: g.w}
	for _, m := range moments {
		h.Txns = append(h.Txns, m.txn)
	}
	return h
}

// run executes a transaction.
func (g *generator) run(m *moment, i int) {
	base := 0
	if g.perKeys > 0 {
		base = i / g.perKeys * g.keys
	}
	lists, values := map[Key][]Value{}, map[Key]Value{}
	gone := map[Key]bool{}
	get := func(k Key) (Value, bool) {
		if v, ok := values[k]; ok || gone[k] {
			return v, ok
		}
		v, ok := g.values[k]
		return v, ok
	}
	for range g.rand.IntN(g.opsMax + 1) {
		k := Key(base + g.rand.IntN(g.keys))
		list, own := lists[k]
		if !own {
			list = g.lists[k]
		}
		g.last++
		switch p := g.rand.IntN(10); {
		case g.w == Lists && p < 5:
			m.txn.Ops = append(m.txn.Ops, Op{Kind: OpAppend, Key: k, Value: g.last})
			lists[k] = append(slices.Clone(list), g.last)
		case g.w == Lists:
			m.txn.Ops = append(m.txn.Ops, Op{Kind: OpList, Key: k, List: slices.Clone(list)})
		case g.w == Sets && p < 2:
			m.txn.Ops = append(m.txn.Ops, Op{Kind: OpDelete, Key: k})
			delete(values, k)
			gone[k] = true
		case g.w == Sets && p < 5:
			op := Op{Kind: OpRange, Key: k, To: k + Key(g.rand.IntN(g.keys))}
			for at := op.Key; at < op.To; at++ {
				if v, ok := get(at); ok {
					op.Pairs = append(op.Pairs, Pair{at, v})
				}
			}
			m.txn.Ops = append(m.txn.Ops, op)
		case p < 7:
			m.txn.Ops = append(m.txn.Ops, Op{Kind: OpWrite, Key: k, Value: g.last})
			values[k] = g.last
			delete(gone, k)
		default:
			v, ok := get(k)
			m.txn.Ops = append(m.txn.Ops, Op{Kind: OpRead, Key: k, Value: v, Found: ok})
		}
	}
	if m.applied {
		for k, l := range lists {
			g.lists[k] = l
		}
		for k, v := range values {
			g.values[k] = v
		}
		for k := range gone {
			delete(g.values, k)
		}
		return
	}
	g.spoil(m)
}

// spoil makes the reads of a transaction that had no effect senseless: nobody
// promised anything about them.
func (g *generator) spoil(m *moment) {
	for i := range m.txn.Ops {
		op := &m.txn.Ops[i]
		if g.rand.IntN(3) > 0 {
			continue
		}
		switch op.Kind {
		case OpList:
			op.List = []Value{Value(g.rand.IntN(100)), 1 << 40}
		case OpRead:
			op.Found = !op.Found
			op.Value = 0
		case OpRange:
			op.Pairs = nil
		}
	}
}
