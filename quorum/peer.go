package quorum

import (
	"maps"
	"slices"
)

// peer is a node with which at least one connection stands. Two can: the one that
// was dialled from here and the one that was dialled from there.
type peer struct {
	conns int
	lost  *peerLost
}

// peerLost is the event that the last connection with a node has ended.
type peerLost struct {
	base
	id NodeID
}

func (l *peerLost) describe(w *WaitInfo) {
	// Like a reply it takes that one node, and may never come.
	w.Kind, w.What, w.K, w.N, w.Peer = KindReply, "loss of the connection", 1, 1, l.id
}

// OnPeer makes f be called on the loop whenever the first connection with a node
// stands, with up, and when the last one has ended. A node whose process dies is lost
// at once, because its system closes its connections; one that loses power, or the
// network to it, says nothing, and only silence tells. A node may also be lost and
// alive: what follows has to be right then too. A follower that has lost its leader
// asks for a pre-vote at once, which those deny who still hear the leader.
//
// f must not wait. Every f that OnPeer was given is called, in that order.
func (e *Endpoint) OnPeer(f func(id NodeID, up bool)) { e.onPeer = append(e.onPeer, f) }

// Connected tells whether a connection with a node stands.
func (e *Endpoint) Connected(id NodeID) bool { return e.peers[id] != nil }

// Lost returns the event that no connection with a node stands any more; it is won
// already if none stands now. A connection that comes later does not undo it: ask
// again. What OnPeer says of the loss of a node is true of it.
func (e *Endpoint) Lost(id NodeID) Event {
	if p := e.peers[id]; p != nil {
		return p.lost
	}
	l := newPeerLost(e.rt, id)
	l.win()
	return l
}

func newPeerLost(r *Runtime, id NodeID) *peerLost {
	l := &peerLost{id: id}
	l.rt = r
	return l
}

// stands counts a connection with a node that has begun to stand.
func (e *Endpoint) stands(id NodeID) {
	p := e.peers[id]
	if p != nil {
		p.conns++
		return
	}
	e.peers[id] = &peer{conns: 1, lost: newPeerLost(e.rt, id)}
	e.tellPeer(id, true)
}

// fell counts one that has ended.
func (e *Endpoint) fell(id NodeID) {
	p := e.peers[id]
	if p == nil {
		return // closed
	}
	if p.conns--; p.conns > 0 {
		return
	}
	delete(e.peers, id)
	p.lost.win()
	e.tellPeer(id, false)
}

func (e *Endpoint) tellPeer(id NodeID, up bool) {
	for _, f := range e.onPeer {
		f(id, up)
	}
}

// loseAll is the end of all connections because the Endpoint closes. Who waits is
// told; nobody else has anything to conclude from it.
func (e *Endpoint) loseAll() {
	e.onPeer = nil
	for _, id := range slices.Sorted(maps.Keys(e.peers)) {
		e.peers[id].lost.win()
	}
	clear(e.peers)
}
