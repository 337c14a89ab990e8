package quorum

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Slowness is a wait that makes one slow node slow others down.
type Slowness struct {
	Wait Waits
	Why  string
}

func (s Slowness) String() string {
	w := &s.Wait
	return fmt.Sprintf("n%d, task %q waits for %s: %s (%d times)", w.Node, w.Task, w.WaitInfo.String(), s.Why, w.Count)
}

// String says what is waited for.
func (w *WaitInfo) String() string {
	var b strings.Builder
	fmt.Fprint(&b, w.Kind)
	if w.What != "" {
		fmt.Fprintf(&b, " %q", w.What)
	}
	if w.Peer != 0 {
		fmt.Fprintf(&b, " of n%d", w.Peer)
	}
	if w.N > 1 {
		fmt.Fprintf(&b, ", %d of %d", w.K, w.N)
	}
	for i := range w.Parts {
		fmt.Fprintf(&b, " [%v]", &w.Parts[i])
	}
	return b.String()
}

// Excuse takes a task's waits for the own disk out of the checker's findings,
// with the reason: whoever waits for that task waits for a majority instead.
type Excuse struct{ Task, What, Reason string }

// FailSlow looks through recorded waits for those by which one slow node slows
// the others down, or one slow wait the rest of its node:
//
//   - a wait without a timeout that cannot be won without one particular other
//     node: for its reply, for all of a quorum, or for a group that comes down to
//     that;
//   - a wait without a timeout for the own disk alone;
//   - a wait for others, a disk or a time while a lock is held;
//   - a queue without a bound.
//
// Waits that could have been over at once count too: that they were is luck.
func FailSlow(waits []Waits, excuses ...Excuse) []Slowness {
	var found []Slowness
	for _, w := range waits {
		switch why := w.slowness(); {
		case why == "":
		case w.Kind == KindDisk && slices.ContainsFunc(excuses, func(e Excuse) bool { return e.Task == w.Task && e.What == w.What }):
		default:
			found = append(found, Slowness{w, why})
		}
	}
	return found
}

// slowness returns why a wait is one, or nothing.
func (w *Waits) slowness() string {
	if w.Kind == KindQueue && w.Max == 0 {
		return "the queue has no bound"
	}
	if w.Locks > 0 && w.leaves() {
		return "a lock is held meanwhile"
	}
	if w.Bounded {
		return ""
	}
	for _, peer := range w.peers(nil) {
		if peer != w.Node && !w.winnable(peer) {
			return fmt.Sprintf("without a timeout, and without n%d it never ends", peer)
		}
	}
	if w.Kind == KindQuorum && len(w.Peers) == 0 && w.K == w.N && w.N > 1 {
		return "without a timeout, and it takes all nodes"
	}
	if !w.winnable(ownDisk) {
		return "without a timeout, and the own disk may take any time"
	}
	return ""
}

// ownDisk stands for the node's disk among the peers.
const ownDisk NodeID = 0

// peers lists the nodes that a wait has to do with.
func (w *WaitInfo) peers(to []NodeID) []NodeID {
	if w.Kind == KindReply {
		to = append(to, w.Peer)
	}
	to = append(to, w.Peers...)
	for i := range w.Parts {
		to = w.Parts[i].peers(to)
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// winnable tells whether what is waited for can happen if nothing comes from a
// peer, or from the own disk, ever.
func (w *WaitInfo) winnable(without NodeID) bool {
	switch w.Kind {
	case KindReply:
		return w.Peer != without
	case KindDisk:
		return without != ownDisk
	case KindQuorum:
		if slices.Contains(w.Peers, without) {
			return w.N-1 >= w.K
		}
	case KindGroup:
		can := 0
		for i := range w.Parts {
			if w.Parts[i].winnable(without) {
				can++
			}
		}
		return can >= w.K
	}
	return true
}

// leaves tells whether a wait is for something outside of the node's processor.
func (w *WaitInfo) leaves() bool {
	switch w.Kind {
	case KindReply, KindQuorum, KindDisk, KindJob, KindTime:
		return true
	}
	return slices.ContainsFunc(w.Parts, func(p WaitInfo) bool { return p.leaves() })
}

// WriteGraph writes the slowness-propagation graph of recorded waits in the
// language of Graphviz: an arrow from each task to what it waits for, through
// whatever it waits, with k/n where it takes k of n, dashed where a timeout ends
// the wait.
func WriteGraph(out io.Writer, waits []Waits) error {
	lines := map[string]bool{}
	var arrows func(from string, top, w *WaitInfo)
	arrows = func(from string, top, w *WaitInfo) {
		style := "solid"
		if top.Bounded {
			style = "dashed"
		}
		arrow := func(to string, k, n int) {
			lines[fmt.Sprintf("\t%q -> %q [label=%q, style=%s];\n", from, to, fmt.Sprintf("%v %d/%d", w.Kind, k, n), style)] = true
		}
		switch w.Kind {
		case KindReply:
			arrow(fmt.Sprintf("n%d %s", w.Peer, w.What), 1, 1)
		case KindQuorum:
			for _, p := range w.Peers {
				arrow(fmt.Sprintf("n%d %s", p, w.What), w.K, w.N)
			}
			if len(w.Peers) == 0 {
				arrow(fmt.Sprintf("n%d %s", top.Node, w.What), w.K, w.N)
			}
		case KindGroup:
			for i := range w.Parts {
				arrows(from, top, &w.Parts[i])
			}
		default:
			arrow(fmt.Sprintf("n%d %v %s", top.Node, w.Kind, w.What), 1, 1)
		}
	}
	for i := range waits {
		w := &waits[i].WaitInfo
		arrows(fmt.Sprintf("n%d %s", w.Node, w.Task), w, w)
	}
	var all []string
	for l := range lines {
		all = append(all, l)
	}
	slices.Sort(all)
	_, err := fmt.Fprintf(out, "digraph slowness {\n%s}\n", strings.Join(all, ""))
	return err
}
