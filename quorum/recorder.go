package quorum

import (
	"slices"
	"time"
)

// foldAfter is how many waits a Recorder keeps before it adds them up.
const foldAfter = 256

// Recorder is a Tracer that keeps, of each kind of wait, a description and a
// count. What it keeps does not grow with the length of a run, only with the
// number of places in the program. One Recorder may serve many Runtimes of one
// simulation.
type Recorder struct {
	recent [foldAfter]wait1
	n      int
	waits  []Waits
	index  map[waitKey]int
}

// Waits are all waits of a kind.
type Waits struct {
	WaitInfo // the first
	Count    uint64
}

// waitKey tells the kinds of waits apart.
type waitKey struct {
	node    NodeID
	peer    NodeID
	kind    Kind
	bounded bool
	locked  bool
	k, n    int16
	max     int32
	peers   uint64 // a hash of Peers and Parts
	task    string
	what    string
}

// wait1 is a recorded wait that is not added up yet.
type wait1 struct {
	key   waitKey
	parts []WaitInfo
	peers []NodeID
	at    time.Duration
	locks int
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder { return &Recorder{index: map[waitKey]int{}} }

// Wait implements Tracer.
func (r *Recorder) Wait(w *WaitInfo) {
	if r.n == foldAfter {
		r.fold()
	}
	x := &r.recent[r.n]
	r.n++
	x.key = waitKey{node: w.Node, peer: w.Peer, kind: w.Kind, bounded: w.Bounded, locked: w.Locks > 0,
		k: int16(w.K), n: int16(w.N), max: int32(w.Max), peers: hashParts(w), task: w.Task, what: w.What}
	x.parts, x.at, x.locks = w.Parts, w.At, w.Locks
	x.peers = append(x.peers[:0], w.Peers...)
}

// Woken implements Tracer.
func (r *Recorder) Woken(uint64, time.Duration) {}

func hashParts(w *WaitInfo) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for _, p := range w.Peers {
		h = (h ^ uint64(p)) * prime
	}
	for i := range w.Parts {
		p := &w.Parts[i]
		h = (h ^ uint64(p.Kind)<<32 ^ uint64(p.Peer)) * prime
		h = (h ^ uint64(p.K)<<32 ^ uint64(p.N)) * prime
		h = (h ^ hashParts(p)) * prime
	}
	return h
}

func (r *Recorder) fold() {
	for i := range r.recent[:r.n] {
		x := &r.recent[i]
		at, ok := r.index[x.key]
		if !ok {
			k := x.key
			at = len(r.waits)
			r.index[k] = at
			r.waits = append(r.waits, Waits{WaitInfo: WaitInfo{At: x.at, Node: k.node, Task: k.task, Kind: k.kind, What: k.what,
				K: int(k.k), N: int(k.n), Peer: k.peer, Peers: slices.Clone(x.peers), Max: int(k.max),
				Bounded: k.bounded, Locks: x.locks, Parts: x.parts}})
		}
		r.waits[at].Count++
	}
	r.n = 0
}

// Waits returns the kinds of waits that were seen, in the order in which they
// were seen first.
func (r *Recorder) Waits() []Waits {
	r.fold()
	return r.waits
}
