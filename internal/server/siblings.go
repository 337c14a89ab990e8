package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/console"
	"github.com/godwitdb/godwit/internal/resp"
)

// siblingTimeout is how long another node may take to say what it is.
const siblingTimeout = time.Second

// siblings are what the other nodes say of themselves to the console of this one. They are asked only while somebody looks.
type siblings struct {
	mu     sync.Mutex
	asking bool
	found  []console.Replica

	conns map[godwit.NodeID]*upstream // to those that have answered; whoever asks has them
}

// Replicas implements console.Source: it returns what the nodes have said last, and asks them again.
func (s *Server) Replicas() []console.Replica {
	b := &s.siblings
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.asking && s.ctx.Err() == nil {
		b.asking = true
		s.wg.Go(func() {
			found := s.askSiblings(s.ctx)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.found, b.asking = found, false
		})
	}
	return b.found
}

// askSiblings asks all nodes of the group at once.
func (s *Server) askSiblings(ctx context.Context) []console.Replica {
	ctx, cancel := context.WithTimeout(ctx, siblingTimeout)
	defer cancel()
	group, err := s.db.Status(ctx)
	if err != nil {
		return nil // it is alone, or ends
	}
	nodes := append(append([]godwit.NodeID{}, group.Members...), group.Learners...)
	said := make([]Status, len(nodes))
	errs := make([]error, len(nodes))
	conns := make([]*upstream, len(nodes))
	var wg sync.WaitGroup
	for i, id := range nodes {
		if id == group.Node {
			said[i] = s.Status(ctx)
			continue
		}
		conns[i] = s.siblings.conns[id]
		delete(s.siblings.conns, id)
		wg.Go(func() { said[i], errs[i] = s.askSibling(ctx, id, &conns[i]) })
	}
	wg.Wait()
	s.siblings.close() // what is left are no members any more
	s.siblings.conns = map[godwit.NodeID]*upstream{}
	var lead time.Time
	for i, id := range nodes {
		if conns[i] != nil {
			s.siblings.conns[id] = conns[i]
		}
		if said[i].Role == RoleLeader && said[i].ReleasedAt.After(lead) {
			lead = said[i].ReleasedAt
		}
	}
	found := make([]console.Replica, len(nodes))
	for i, id := range nodes {
		found[i] = consoleReplica(id, &said[i], lead, errs[i])
	}
	return found
}

// consoleReplica is what the console shows of a node that has said this, or has not answered.
func consoleReplica(id godwit.NodeID, said *Status, lead time.Time, err error) console.Replica {
	if err != nil {
		return console.Replica{Node: uint32(id), Silent: err.Error()}
	}
	r := console.Replica{
		Node: uint32(id), Role: string(said.Role), Epoch: said.Epoch, Watermark: said.ReleasedAt, Streams: said.Streams, PendingBytes: said.LogPendingBytes,
		LogBytes: said.LogBytes, MemoryUsed: said.MemoryBytes, Records: said.Records, Clients: said.Clients,
	}
	if !lead.IsZero() {
		r.LagMillis = said.LagMillis(lead)
	}
	return r
}

// askSibling asks another node over a connection, which is made if there is none, and kept if it is of use.
func (s *Server) askSibling(ctx context.Context, id godwit.NodeID, conn **upstream) (said Status, err error) {
	defer func() {
		if err != nil && *conn != nil {
			_ = (*conn).Close()
			*conn = nil
		}
	}()
	if *conn == nil {
		addr, err := s.nodeAddr(ctx, id)
		if err != nil {
			return said, errors.New("where its clients connect is not known")
		}
		if *conn, err = s.dial(ctx, addr); err != nil {
			return said, err
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = (*conn).SetDeadline(deadline)
	}
	to := *conn
	defer context.AfterFunc(ctx, func() { _ = to.SetDeadline(time.Unix(1, 0)) })()
	if _, err := (*conn).Write(resp.AppendCommand(nil, []byte("GODWIT"), []byte("STATUS"))); err != nil {
		return said, err
	}
	v, err := resp.ReadReply((*conn).in, resp.ReplyLimits{})
	if err != nil {
		return said, err
	}
	if v.IsError() {
		return said, fmt.Errorf("it says: %s", v.Bytes)
	}
	return said, json.Unmarshal(v.Bytes, &said)
}

// close ends the connections, of which nobody makes use.
func (b *siblings) close() {
	for _, conn := range b.conns {
		_ = conn.Close()
	}
}
