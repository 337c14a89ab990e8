package history

import (
	"math/rand/v2"
	"testing"
)

// orderOf runs the check of a history up to the order of its versions.
func orderOf(t *testing.T, h *History) (*regCheck, *versionOrder) {
	t.Helper()
	base, err := newChecker(h, h.Workload, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := &regCheck{checker: base, byValue: map[keyValue]int32{}}
	c.index()
	c.settle(c.observe)
	c.time = newTimeline(h, c.committed)
	c.numberVersions()
	c.collectAccesses()
	return c, c.orderVersions()
}

// TestTimedOrder compares the order of versions with what it is to say: u before
// v if a transaction that left u was over before one began that found v.
func TestTimedOrder(t *testing.T) {
	pairs := 0
	for seed := range uint64(400) {
		var h *History
		if w := []Workload{Registers, Sets}[seed%2]; seed < 200 {
			h = newGenerator(seed, w).history()
		} else {
			r := rand.New(rand.NewPCG(seed, 6))
			h = sloppy(r, w, 1+r.IntN(2), 2+r.IntN(30), true)
		}
		if len(h.Txns) > 120 {
			h.Txns = h.Txns[:120]
		}
		c, o := orderOf(t, h)
		reaches := reach(o.graph, edgeAny)
		for _, a := range c.accesses {
			for _, b := range c.accesses {
				if a.key != b.key || a.exit == b.entry || h.Txns[a.txn].Outcome != OK || h.Txns[a.txn].Complete >= h.Txns[b.txn].Invoke {
					continue
				}
				pairs++
				if !reaches[a.exit][b.entry] {
					t.Fatalf("seed %d: key %d: %s of T%d is not before %s of T%d", seed, c.names[a.key],
						c.versionText(a.exit), a.txn, c.versionText(b.entry), b.txn)
				}
			}
		}
		for v := range c.versions {
			for _, e := range o.graph.out(node(v)) {
				if before, _ := c.witnesses(versionID(v), versionID(e.to)); e.kind == orderSeen && before < 0 {
					t.Fatalf("seed %d: nothing says that %s is before %s", seed, c.versionText(versionID(v)), c.versionText(versionID(e.to)))
				}
			}
		}
	}
	if pairs < 10000 {
		t.Fatalf("only %d pairs compared", pairs)
	}
}
