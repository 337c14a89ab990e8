package raft

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// What a stage does to messages. A message is a request with its answer; it is
// met where the request arrives.

// rule says what becomes of messages.
type rule struct {
	from, to quorum.NodeID
	kind     string // "" for all kinds
	what     fate
}

type fate string

const (
	lost     fate = "lose"
	noAnswer fate = "lose-answers"
	hold     fate = "hold"
)

// heldMessage is a request that has not arrived yet.
type heldMessage struct {
	from, to quorum.NodeID
	gate     *quorum.Value[struct{}]
}

func (s *stage) fate(from, to quorum.NodeID, kind string) fate {
	for _, r := range slices.Backward(s.rules) {
		if r.from == from && r.to == to && (r.kind == "" || r.kind == kind) {
			return r.what
		}
	}
	return ""
}

// intercept puts the stage between an actor and its requests.
func intercept(a *actor, e *quorum.Endpoint) {
	n, m := a.node, &a.node.methods
	meet(a, e, m.vote, n.handleVote)
	meet(a, e, m.append, n.handleAppend)
	meet(a, e, m.snapshot, n.handleSnapshot)
	meet(a, e, m.timeout, n.handleTimeout)
}

func meet[Req, Resp any](a *actor, e *quorum.Endpoint, m quorum.Method[Req, Resp], serve func(context.Context, quorum.NodeID, *Req) (*Resp, error)) {
	m.Handle(e, func(ctx context.Context, from quorum.NodeID, req *Req) (*Resp, error) {
		s := a.s
		kind, text := describe(req)
		show := func(format string, args ...any) {
			if s.shown[kind] {
				s.printf("n%d > n%d %s: %s", from, a.id, text, fmt.Sprintf(format, args...))
			}
		}
		// never is the answer to who does not get one.
		never := func() (*Resp, error) { return nil, quorum.Sleep(ctx, 24*time.Hour) }
		what := s.fate(from, a.id, kind)
		if what == lost {
			show("lost")
			return never()
		}
		if what == hold {
			show("held up")
			gate := quorum.NewValue[struct{}](ctx, "gate")
			s.held = append(s.held, heldMessage{from, a.id, gate})
			if _, err := gate.Wait(ctx); err != nil {
				return nil, err
			}
		}
		resp, err := serve(ctx, from, req)
		if what == noAnswer || s.fate(a.id, from, "") == lost {
			show("%v, which is lost", answer(resp, err))
			return never()
		}
		show("%v", answer(resp, err))
		return resp, err
	})
}

// describe says what a request is and says.
func describe(req any) (kind, text string) {
	switch m := req.(type) {
	case *voteReq:
		kind = "vote"
		name := "vote"
		if m.pre {
			name = "pre-vote"
		} else if m.transfer {
			name = "vote by transfer"
		}
		return kind, fmt.Sprintf("%s for term %d, last %d/%d", name, m.term, m.last, m.lastTerm)
	case *appendReq:
		text = fmt.Sprintf("append of term %d behind %d/%d", m.term, m.prev, m.prevTerm)
		for i := range m.entries {
			text += fmt.Sprintf(" %v", entryText(m.prev+1+uint64(i), &m.entries[i]))
		}
		return "append", text + fmt.Sprintf(", commit %d", m.commit)
	case *snapshotReq:
		return "snapshot", fmt.Sprintf("snapshot of term %d at %d/%d, voters %v", m.term, m.index, m.snapshot.term, m.voters)
	case *timeoutReq:
		return "transfer", fmt.Sprintf("your turn after term %d", m.term)
	}
	panic("a message of no kind")
}

func answer(resp any, err error) string {
	if err != nil {
		return err.Error()
	}
	switch m := resp.(type) {
	case *voteResp:
		if m.granted {
			return "yes"
		}
		return fmt.Sprintf("no, term %d", m.term)
	case *appendResp:
		if m.ok {
			return fmt.Sprintf("yes, next %d", m.next)
		}
		return fmt.Sprintf("no, term %d, next %d", m.term, m.next)
	}
	panic("an answer of no kind")
}

// entryText is an entry as index/term and what is in it.
func entryText(index uint64, e *Entry) string {
	text := string(e.Data)
	switch e.Kind {
	case KindNoop:
		text = "-"
	case KindConfig:
		var c config
		if err := quorum.Decode(e.Data, &c); err != nil {
			panic(err)
		}
		text = fmt.Sprint("voters", c.voters)
	}
	return fmt.Sprintf("%d/%d:%s", index, e.Term, text)
}
