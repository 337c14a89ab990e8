package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// nodesTable has where clients find the nodes: node -> address. The leader writes its own and what the others tell it,
// so that everybody knows the next leader's before there is one.
// It also has where the replicas find nodes that were added (GODWIT MEMBERS ADD): peer/node -> address.
const nodesTable = "redis.nodes"

// peerPrefix begins the keys of addresses between replicas.
const peerPrefix = "peer/"

func peerKey(id godwit.NodeID) []byte { return fmt.Appendf(nil, "%s%d", peerPrefix, id) }

func nodeKey(id godwit.NodeID) []byte { return fmt.Appendf(nil, "%d", id) }

// lead is what a node knows of who leads.
type lead struct {
	here  bool // this node
	epoch uint64
	node  godwit.NodeID // 0 if nobody is known
	addr  string        // where its clients connect, "" if that is not known
}

const (
	// leadEvery is how often a node looks who leads, idleLeadEvery while it has no clients.
	leadEvery     = 20 * time.Millisecond
	idleLeadEvery = 200 * time.Millisecond
	// peersEvery is how often a node looks whether others were added, peersRest if nothing seems to have changed.
	peersEvery = time.Second
	peersRest  = 30 * time.Second
	// addrBytesMax is longer than an address can be.
	addrBytesMax = 300
	// announceTimeout is how long one attempt to announce may take.
	announceTimeout = time.Second
)

// watchLead keeps track of who leads: it announces this node when it does, and ends the connections to a node that
// does not any more, on which clients wait for replies.
func (s *Server) watchLead() {
	var (
		announced uint64 // the epoch in which it was
		learned   time.Time
		seen      uint64 // what changes said before that
		last      lead
		since     time.Time // when the lead has changed
		known     = map[godwit.NodeID]string{}
		outage    outage

		removalAsked time.Time
	)
	for {
		status, err := s.db.Status(s.ctx)
		if err != nil {
			return // it is alone, or closed
		}
		now := lead{here: status.Leading, epoch: status.Epoch, node: status.Leader}
		if before := s.lead.Load(); before != nil && before.node == now.node && before.epoch == now.epoch {
			now.addr = before.addr
		}
		if now.node != 0 && !now.here && now.addr == "" {
			now.addr, _ = s.nodeAddr(s.ctx, now.node) // it may not have come yet
		}
		before := s.lead.Swap(&now)
		outage.look(s, now.node != 0 || now.here)
		s.lookForRemoval(&removalAsked)
		if !now.here || before == nil || now.epoch != before.epoch { // it may have led in between
			s.waiters.endAll(endsElsewhere) // what comes there is not seen here
		}
		if before != nil && (before.here != now.here || before.epoch != now.epoch) {
			s.tracking.leadChanged(now.here)
		}
		if before := last; before.node != now.node || before.epoch != now.epoch {
			last, since = now, time.Now()
		}
		if time.Since(since) >= drainLinger { // one that has handed it over still answers
			s.hangUpBut(now.addr)
		}
		switch {
		case now.here:
			s.follow("")
		case now.addr != "": // else whoever led may still publish
			s.follow(now.addr)
		}
		if announced != now.epoch && (now.here || now.addr != "") {
			if err := s.announce(status.Node, now); err == nil {
				announced = now.epoch
			} else if s.ctx.Err() == nil {
				s.log.Warn("the other nodes cannot be told where clients connect", "error", err)
			}
		}
		if passed := time.Since(learned); passed >= peersEvery {
			if changes := s.changes(&now); changes != seen || passed >= peersRest {
				learned, seen = time.Now(), changes
				if !s.learnPeers(status.Node, known) {
					seen = 0
				}
			}
		}
		every := leadEvery
		if s.clients() == 0 {
			every = idleLeadEvery
		}
		if s.pause(s.ctx, untilNext(every)) != nil {
			return
		}
	}
}

// clients returns how many connections there are, without the feeds of other nodes.
func (s *Server) clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns) - s.feeds.count()
}

// hangUpBut ends the connections to other nodes than the one that leads.
func (s *Server) hangUpBut(addr string) {
	if addr == "" {
		return // whoever led may still answer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.mu.conns {
		if up := c.up.Load(); up != nil && up.addr != addr {
			_ = up.Close()
		}
	}
}

// announce has it written where this node's clients connect, by the node that leads.
func (s *Server) announce(self godwit.NodeID, now lead) error {
	ctx, cancel := context.WithTimeout(s.ctx, announceTimeout)
	defer cancel()
	if now.here {
		return s.note(ctx, nodeKey(self), s.opts.Advertise)
	}
	if addr, err := s.nodeAddr(ctx, self); err == nil && addr == s.opts.Advertise {
		return nil
	}
	up, err := s.dial(ctx, now.addr)
	if err != nil {
		return err
	}
	defer up.Close()
	_, err = up.order(ctx, []byte("GODWIT"), []byte("NODE"), nodeKey(self), []byte(s.opts.Advertise))
	return err
}

// note writes an address, on the node that leads.
func (s *Server) note(ctx context.Context, key []byte, addr string) error {
	nodes, err := s.db.Table(nodesTable)
	if errors.Is(err, godwit.ErrNoTable) {
		nodes, err = s.db.CreateTable(ctx, nodesTable, godwit.Ordered)
	}
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *godwit.Tx) error {
		old, err := tx.Get(nodes, key)
		if err == nil && string(old) == addr {
			return nil
		}
		if err != nil && !errors.Is(err, godwit.ErrNotFound) {
			return err
		}
		return tx.Put(nodes, key, []byte(addr))
	})
}

// glance runs fn on what this node has heard of the nodes' addresses.
func (s *Server) glance(ctx context.Context, fn func(tx *godwit.Tx, nodes *godwit.Table) error) error {
	nodes, err := s.db.Table(nodesTable)
	if err != nil {
		return err
	}
	snapshot, err := s.db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	return snapshot.View(ctx, func(tx *godwit.Tx) error { return fn(tx, nodes) })
}

// nodeAddr returns where a node's clients connect, as far as this one has heard.
func (s *Server) nodeAddr(ctx context.Context, id godwit.NodeID) (addr string, err error) {
	err = s.glance(ctx, func(tx *godwit.Tx, nodes *godwit.Table) error {
		v, err := tx.Get(nodes, nodeKey(id))
		addr = string(v)
		return err
	})
	return addr, err
}

// nodeAddrs returns that of all nodes.
func (s *Server) nodeAddrs(ctx context.Context) (map[godwit.NodeID]string, error) {
	found := map[godwit.NodeID]string{}
	err := s.glance(ctx, func(tx *godwit.Tx, nodes *godwit.Table) error {
		for key, addr := range tx.Scan(nodes, godwit.Range{To: []byte(peerPrefix)}) {
			if id, ok := nodeID(key); ok {
				found[id] = string(addr)
			}
		}
		return nil
	})
	return found, err
}

// nodeID reads the number of a node in a key.
func nodeID(digits []byte) (id godwit.NodeID, ok bool) {
	n, ok := resp.ParseInt(digits)
	return godwit.NodeID(n), ok && n > 0 && n <= 1<<32-1 //nolint:gosec // it fits if it is ok
}

// peers returns where the replicas find those nodes that were added.
func (s *Server) peers(ctx context.Context) (map[godwit.NodeID]string, error) {
	found := map[godwit.NodeID]string{}
	err := s.glance(ctx, func(tx *godwit.Tx, nodes *godwit.Table) error {
		for key, addr := range tx.Scan(nodes, godwit.Range{From: []byte(peerPrefix), To: []byte(peerPrefix + "\xff")}) {
			if id, ok := nodeID(key[len(peerPrefix):]); ok {
				found[id] = string(addr)
			}
		}
		return nil
	})
	return found, err
}

// changes returns a number, not 0, which is another one when something has changed. On the node that leads it is of what
// clients do: there, looking makes a round in the log.
func (s *Server) changes(now *lead) uint64 {
	if now.here {
		return 1 + now.epoch<<40 + s.stats.calls()
	}
	return max(1, uint64(s.db.Stats().Released))
}

// learnPeers says to this replica where nodes are found that were added since it was started: known are those that it
// has been told. It returns false if that cannot be known now.
func (s *Server) learnPeers(self godwit.NodeID, known map[godwit.NodeID]string) bool {
	found, err := s.peers(s.ctx)
	if err != nil {
		return false // the table has not come yet
	}
	for id, addr := range found {
		if id == self || known[id] == addr {
			continue
		}
		if err := s.db.SetPeer(s.ctx, id, addr); err != nil {
			s.log.Warn("where a node is found is no use", "node", id, "address", addr, "error", err)
		}
		known[id] = addr
	}
	return true
}
