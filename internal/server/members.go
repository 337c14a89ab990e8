package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

const membersUsage = "ERR usage: GODWIT MEMBERS ADD node host:port | REMOVE node | TRANSFER node"

// members answers GODWIT MEMBERS, which changes the shard. The node that leads does it; the others ask that one. While
// none leads it waits.
func (c *conn) members(args [][]byte) error {
	change, err := parseChange(args)
	if err != nil {
		return err
	}
	if _, err := c.server.db.Status(c.ctx); err != nil {
		return command.Error("ERR this database is alone: it has no members")
	}
	defer c.net.watch(c.close)() // it may take long
	if c.peer.Load() {
		return c.changed(c.server.change(c.ctx, change))
	}
	waiting, cancel := context.WithTimeout(c.ctx, c.server.opts.LeaderWait)
	defer cancel()
	for {
		again, err := c.changeOnce(change, args)
		if !again {
			return err
		}
		if c.server.pause(waiting, leaderPause) != nil {
			return c.changed(fmt.Errorf("%w: no node leads", godwit.ErrUnavailable))
		}
	}
}

// changeOnce has the node that leads make a change, and replies. If again, none has led.
func (c *conn) changeOnce(change change, args [][]byte) (again bool, err error) {
	switch l := c.server.lead.Load(); {
	case l != nil && l.here:
		err := c.server.change(c.ctx, change)
		if errors.Is(err, godwit.ErrNotLeader) {
			return true, nil
		}
		return false, c.changed(err)
	case l == nil || l.addr == "":
		return true, nil
	default:
		v, err := c.server.relay(c.ctx, l.addr, append([][]byte{[]byte("GODWIT"), []byte("MEMBERS")}, args...))
		if err == nil && strings.HasPrefix(string(v.Bytes), notLeader) {
			return true, nil
		}
		if err == nil {
			v.AppendTo(&c.out)
		}
		return err != nil, nil
	}
}

// changed replies to a change.
func (c *conn) changed(err error) error {
	if err != nil {
		return changeError(err)
	}
	c.out.OK()
	return nil
}

// changeError is the reply to a change that was not made. They are asked for by people, who read why.
func changeError(err error) error {
	code := "ERR"
	switch {
	case errors.Is(err, godwit.ErrNotLeader):
		code = notLeader
	case errors.Is(err, godwit.ErrUnavailable):
		code = "CLUSTERDOWN"
	}
	return command.Errorf("%s %v", code, err)
}

// relay has another node carry out a command.
func (s *Server) relay(ctx context.Context, addr string, args [][]byte) (v resp.Value, err error) {
	dialing, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	up, err := s.dial(dialing, addr)
	if err != nil {
		return v, err
	}
	defer context.AfterFunc(ctx, func() { _ = up.Close() })()
	defer func() { _ = up.Close() }()
	if _, err := up.Write(resp.AppendCommand(nil, args...)); err != nil {
		return v, err
	}
	return resp.ReadReply(up.in, resp.ReplyLimits{})
}

// change is a change of a shard's members.
type change struct {
	what string // add, remove or transfer
	node godwit.NodeID
	addr string // of a node that is added
}

func parseChange(args [][]byte) (ch change, err error) {
	if len(args) < 2 {
		return ch, command.Error(membersUsage)
	}
	ch.what = strings.ToLower(string(args[0]))
	n, ok := resp.ParseInt(args[1])
	if !ok || n < 1 || n > 1<<32-1 {
		return ch, command.Errorf("ERR '%.32s' is no number of a node, which is from 1", args[1])
	}
	ch.node = godwit.NodeID(n)
	want := 2
	switch ch.what {
	case "add":
		want = 3
	case "remove", "transfer":
	default:
		return ch, command.Error(membersUsage)
	}
	if len(args) != want {
		return ch, command.Error(membersUsage)
	}
	if want == 3 {
		if ch.addr = string(args[2]); len(ch.addr) > addrBytesMax || !strings.Contains(ch.addr, ":") {
			return ch, command.Errorf("ERR '%.64s' is no HOST:PORT", args[2])
		}
	}
	return ch, nil
}

// change carries out a change on the node that leads.
func (s *Server) change(ctx context.Context, ch change) error {
	switch ch.what {
	case "add":
		if err := s.note(ctx, peerKey(ch.node), ch.addr); err != nil {
			return err
		}
		if err := s.db.SetPeer(ctx, ch.node, ch.addr); err != nil {
			return err
		}
		return s.db.AddMember(ctx, ch.node)
	case "remove":
		status, err := s.db.Status(ctx)
		if err == nil && status.Leading && !slices.Contains(append(status.Members, status.Learners...), ch.node) {
			return fmt.Errorf("node %d is no member", ch.node)
		}
		return s.db.RemoveMember(ctx, ch.node)
	default:
		if status, err := s.db.Status(ctx); err == nil && status.Leading && status.Node == ch.node {
			return nil // it has the lead
		}
		return s.db.Transfer(ctx, ch.node)
	}
}
