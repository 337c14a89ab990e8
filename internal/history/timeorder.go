package history

import (
	"cmp"
	"slices"
)

// timeline is the committed transactions in the order of the two ends of their
// intervals.
type timeline struct {
	invoked   []TxnID // by Invoke
	completed []TxnID // those with outcome OK, by Complete
}

func newTimeline(h *History, committed []bool) *timeline {
	l := &timeline{}
	for i := range h.Txns {
		if !committed[i] {
			continue
		}
		l.invoked = append(l.invoked, TxnID(i))
		if h.Txns[i].Outcome == OK {
			l.completed = append(l.completed, TxnID(i))
		}
	}
	slices.SortFunc(l.invoked, func(a, b TxnID) int {
		return cmp.Or(cmp.Compare(h.Txns[a].Invoke, h.Txns[b].Invoke), cmp.Compare(a, b))
	})
	slices.SortFunc(l.completed, func(a, b TxnID) int {
		return cmp.Or(cmp.Compare(h.Txns[a].Complete, h.Txns[b].Complete), cmp.Compare(a, b))
	})
	return l
}

// walk calls invoke and complete in the order of time. What completes at the
// time at which another is invoked may have been concurrent with it, so its
// completion comes after.
func (l *timeline) walk(h *History, invoke, complete func(TxnID)) {
	j := 0
	for _, i := range l.invoked {
		for ; j < len(l.completed) && h.Txns[l.completed[j]].Complete < h.Txns[i].Invoke; j++ {
			complete(l.completed[j])
		}
		invoke(i)
	}
	for ; j < len(l.completed); j++ {
		complete(l.completed[j])
	}
}

// addRealtime adds, for all committed pairs of which one completed before the
// other was invoked, a path of one realtime edge: from the first to a virtual
// node that stands for a moment, through the moments after it, to the second.
// That takes at most three edges for each transaction.
func (l *timeline) addRealtime(b *graphBuilder, h *History) {
	moment, left := node(-1), false // left: a transaction was invoked since
	l.walk(h, func(i TxnID) {
		if moment >= 0 {
			b.add(moment, edge{to: node(i), key: noKey, kind: edgeVia})
			left = true
		}
	}, func(i TxnID) {
		if moment < 0 || left {
			next := b.virtual()
			if moment >= 0 {
				b.add(moment, edge{to: next, key: noKey, kind: edgeVia})
			}
			moment, left = next, false
		}
		b.add(node(i), edge{to: moment, key: noKey, kind: edgeRealtime})
	})
}

// addProcess adds an edge from each client's transaction to its next. One of
// unknown outcome may take effect after those that follow it.
func addProcess(b *graphBuilder, h *History, committed []bool) {
	last := map[ClientID]TxnID{} // the last with outcome OK
	for i := range h.Txns {
		if !committed[i] {
			continue
		}
		t := &h.Txns[i]
		if before, ok := last[t.Client]; ok {
			b.add(node(before), edge{to: node(i), key: noKey, kind: edgeProcess})
		}
		if t.Outcome == OK {
			last[t.Client] = TxnID(i)
		}
	}
}
