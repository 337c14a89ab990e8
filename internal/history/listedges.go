package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// findLostUpdates finds transactions that read the same version of the key and
// all appended to it.
func (c *listCheck) findLostUpdates(id keyID) {
	k := &c.keys[id]
	var updates []*listRead
	for i := range k.reads {
		if r := &k.reads[i]; r.appends && r.fits {
			updates = append(updates, r)
		}
	}
	slices.SortStableFunc(updates, func(a, b *listRead) int { return cmp.Compare(len(a.list), len(b.list)) })
	for len(updates) > 0 {
		n := 1
		for n < len(updates) && len(updates[n].list) == len(updates[0].list) {
			n++
		}
		if n > 1 {
			txns := make([]TxnID, n)
			for i := range txns {
				txns[i] = updates[i].txn
			}
			c.lost = append(c.lost, txns...)
			list := updates[0].list
			c.found.add(LostUpdate, txns, func() string {
				return c.describeAll(txns, c.names[id]) +
					fmt.Sprintf("\nAll %d read key %d as %s, and appended to it", n, c.names[id], listText(list))
			})
		}
		updates = updates[n:]
	}
}

// addEdges adds the dependencies at one key.
func (c *listCheck) addEdges(id keyID) {
	k := &c.keys[id]
	// next is, for each length of a list, the transaction that appended the
	// next value that counts, or -1.
	next := make([]node, len(k.longest)+1)
	next[len(k.longest)] = -1
	for pos := len(k.longest) - 1; pos >= 0; pos-- {
		next[pos] = next[pos+1]
		if a := k.at[pos]; a >= 0 {
			next[pos] = node(c.appends[a].txn)
			if after := next[pos+1]; after >= 0 {
				c.b.add(next[pos], edge{to: after, key: id, kind: edgeWW})
			}
		}
	}
	var tail []source // what comes before all appends that nobody saw
	for pos := len(k.longest) - 1; pos >= 0 && tail == nil; pos-- {
		if a := k.at[pos]; a >= 0 {
			tail = append(tail, source{node: node(c.appends[a].txn), kind: edgeWW})
		}
	}
	for i := range k.reads {
		r := &k.reads[i]
		if n := len(r.list); n > 0 {
			if a, ok := c.byValue[keyValue{id, r.list[n-1]}]; ok && c.committed[c.appends[a].txn] {
				c.b.add(node(c.appends[a].txn), edge{to: node(r.txn), key: id, kind: edgeWR})
			}
		}
		// What comes after a part of a transaction's appends is the rest of
		// them. That is G1b, and no dependency of the reader on itself.
		switch {
		case !r.fits || r.partial:
		case next[len(r.list)] >= 0:
			c.b.add(node(r.txn), edge{to: next[len(r.list)], key: id, kind: edgeRW})
		default:
			tail = append(tail, source{node: node(r.txn), kind: edgeRW})
		}
	}
	c.b.link(id, tail, c.unseen(k))
}

// unseen returns the committed transactions with appends that no read has. Lists
// only grow, so these come after all that was seen; in which order is not known.
func (c *listCheck) unseen(k *listKey) []node {
	var nodes []node
	for _, a := range k.appends {
		w := &c.appends[a]
		if w.seen || w.lost || !c.committed[w.txn] {
			continue
		}
		if n := len(nodes); n == 0 || nodes[n-1] != node(w.txn) {
			nodes = append(nodes, node(w.txn))
		}
	}
	return nodes
}

// why explains a dependency.
func (c *listCheck) why(h hop) string {
	key, from, to := c.names[h.key], TxnID(h.from), TxnID(h.to)
	switch h.kind {
	case edgeWR:
		list := c.listOf(to, h.key)
		return fmt.Sprintf("T%d read %s in key %d, the last of which T%d appended", to, listText(list), key, from)
	case edgeRW:
		list := c.listOf(from, h.key)
		return fmt.Sprintf("T%d read key %d as %s; T%d appended %s", from, key, listText(list), to, c.placed(to, h.key))
	}
	return fmt.Sprintf("T%d appended %s to key %d, and T%d appended %s", from, c.placed(from, h.key), key, to, c.placed(to, h.key))
}

// listOf returns what t read of a key.
func (c *listCheck) listOf(t TxnID, id keyID) []Value {
	for i := range c.keys[id].reads {
		if r := &c.keys[id].reads[i]; r.txn == t {
			return r.list
		}
	}
	return nil
}

// placed returns what t appended to a key, and where that stands in the list.
func (c *listCheck) placed(t TxnID, id keyID) string {
	k := &c.keys[id]
	var parts []string
	all := c.appendsOf(t, id)
	for _, a := range all[:min(len(all), shownAppendsMax)] {
		w := &c.appends[a]
		switch {
		case w.pos >= 0:
			parts = append(parts, fmt.Sprintf("%d (number %d of the list that T%d read)", w.value, w.pos+1, c.firstReader(id, int(w.pos))))
		case !w.seen && k.longestTxn >= 0:
			parts = append(parts, fmt.Sprintf("%d (which no read has, so it comes after all of %s)", w.value, listText(k.longest)))
		default:
			parts = append(parts, fmt.Sprint(w.value))
		}
	}
	text := strings.Join(parts, ", ")
	if more := len(all) - shownAppendsMax; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// shownAppendsMax is how many appends of a transaction an explanation places.
const shownAppendsMax = 3
