package server

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// answerBytesMax bounds what is remembered of the replies to a unit. Of longer ones it is remembered that it was
// carried out: each connection that forwards has one answer in memory, on all nodes.
const answerBytesMax = 8 << 10

// errRepliesLost says that a unit was carried out, once, and its replies are lost.
const errRepliesLost command.Error = uncertainCode + " it was carried out, once, but the replies were too long to be remembered and are lost with the leader"

// requests are numbers for the units of a connection that change something: a leader remembers the last one, so that it is
// carried out once, however often it is sent.
type requests struct{ last godwit.Request }

// next returns the next number. Whoever forwards is a client of its own to the leader while it is connected.
func (r *requests) next(s *Server) godwit.Request {
	if r.last.Client == 0 {
		r.last = s.requester()
	}
	r.last.Number++
	return r.last
}

// giveBack lets another connection go on with the numbers, so that not more clients are remembered than there were at a
// time.
func (r *requests) giveBack(s *Server) {
	if r.last.Client == 0 {
		return
	}
	s.requesters.Lock()
	defer s.requesters.Unlock()
	s.requesters.idle = append(s.requesters.idle, r.last)
}

// requester returns the last request of a client of the leader that nobody is.
func (s *Server) requester() godwit.Request {
	s.requesters.Lock()
	defer s.requesters.Unlock()
	if n := len(s.requesters.idle); n > 0 {
		last := s.requesters.idle[n-1]
		s.requesters.idle = s.requesters.idle[:n-1]
		return last
	}
	for {
		if id := rand.Uint64(); id != 0 {
			return godwit.Request{Client: id}
		}
	}
}

// once runs fn, which gives so many replies, in the transaction at hand, which remembers them as the answer to a
// request; or if that was carried out before, gives the first replies. fn tells whether it has given all; else nothing is
// remembered.
func (c *conn) once(q godwit.Request, out *resp.Writer, session *command.Session, replies int, fn func() (bool, error)) (all bool, err error) {
	if q.Client == 0 {
		return fn()
	}
	tx := c.tx.In()
	answer, ok, err := c.server.db.Recall(tx, q)
	if err != nil {
		return false, err
	}
	if ok {
		return true, recite(answer, out, session, replies)
	}
	mark := out.Len()
	if all, err = fn(); err != nil || !all {
		return all, err
	}
	answer = binary.AppendUvarint(nil, uint64(session.DB)) //nolint:gosec // it is from 0 on
	if given := out.Bytes()[mark:]; len(given) <= answerBytesMax {
		answer = append(answer, given...)
	}
	return true, c.server.db.Remember(tx, q, answer)
}

// recite gives the replies that are remembered, each of which has at least a byte.
func recite(answer []byte, out *resp.Writer, session *command.Session, replies int) error {
	db, n := binary.Uvarint(answer)
	if n <= 0 {
		return errors.New("server: what is remembered of a request is malformed")
	}
	session.DB = int(db) //nolint:gosec // as it was remembered
	if n < len(answer) {
		out.Raw(answer[n:])
		return nil
	}
	for range replies {
		out.Error(string(errRepliesLost))
	}
	return nil
}
