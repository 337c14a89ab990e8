package procedure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

var (
	// ErrOutcomeUnknown: the transaction may have been carried out, or may yet be. Look at
	// the data to find out.
	ErrOutcomeUnknown = errors.New("procedure: the outcome is unknown")
	// ErrOneAtATime: the session has a request that is not answered. Nothing was done; use
	// a session for each.
	ErrOneAtATime = errors.New("procedure: a session has one request at a time")
)

// RejectedError is an error of the procedure, or that there is no such one. Nothing was
// done, and the same call would fail again unless the data change.
type RejectedError struct {
	Procedure string
	Reason    string
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("procedure: %s: %s", e.Procedure, e.Reason)
}

// ClientOptions are a Client's. Zero stands for a default where there is one.
type ClientOptions struct {
	Replicas []quorum.NodeID
	// ListenFor is how long the client waits at a replica for the news that it leads
	// before it asks again: one that has lost its memory of it, or the question, is asked
	// again so late. Default: 1 s.
	ListenFor time.Duration
	// PauseMin and PauseMax bound the pauses before a request is sent to the same leader
	// again, which double. Defaults: 1 ms, 100 ms.
	PauseMin, PauseMax time.Duration
}

// Client calls procedures on the replicas of a shard. Its methods are for tasks of its
// Runtime.
type Client struct {
	endpoint *quorum.Endpoint
	options  ClientOptions
	leader   quorum.NodeID     // of epoch elected, the highest that was heard of
	elected  *quorum.Watermark // 0 before any
}

// NewClient returns a client, which looks for the leader as long as the Runtime runs.
func NewClient(ctx context.Context, e *quorum.Endpoint, o ClientOptions) *Client {
	o.ListenFor = cmp.Or(o.ListenFor, time.Second)
	o.PauseMin = cmp.Or(o.PauseMin, time.Millisecond)
	o.PauseMax = cmp.Or(o.PauseMax, 100*time.Millisecond)
	c := &Client{endpoint: e, options: o, elected: quorum.NewWatermark(ctx, "procedure elected", 0)}
	for _, id := range o.Replicas {
		quorum.RuntimeOf(ctx).Go("procedure listen", func(ctx context.Context) error { return c.listen(ctx, id) })
	}
	return c
}

// listen waits again and again for a replica to lead in an epoch that is news.
func (c *Client) listen(ctx context.Context, id quorum.NodeID) error {
	for {
		long, cancel := quorum.WithTimeout(ctx, c.options.ListenFor)
		leads, err := leadMethod().Call(long, c.endpoint, id, &epochMsg{c.epoch()})
		cancel()
		if err == nil && leads.epoch > c.epoch() {
			c.leader = id
			c.elected.Advance(uint64(leads.epoch))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) { // it is unreachable, or starting
			if err := quorum.Sleep(ctx, c.options.PauseMin); err != nil {
				return err
			}
		}
	}
}

func (c *Client) epoch() wal.Epoch { return wal.Epoch(c.elected.Value()) }

// Leader returns the newest leader that the client has heard of, and its epoch; 0 before
// any.
func (c *Client) Leader() (quorum.NodeID, wal.Epoch) { return c.leader, c.epoch() }

// Answer is what a procedure has returned, released.
type Answer struct {
	Bytes []byte
	// At is the timestamp at which it has returned that. A snapshot that is at least as
	// fresh shows what the transaction has written.
	At hlc.Timestamp
	// Epoch is that of the leader that has executed it, 0 for a snapshot.
	Epoch wal.Epoch
}

// Session names its requests, so that each is carried out once. It has one at a time.
type Session struct {
	client  *Client
	last    shard.Request
	waiting bool
}

// NewSession returns a session of a client. Its name is one that nobody else has, by chance.
func (c *Client) NewSession(ctx context.Context) *Session {
	return &Session{client: c, last: shard.Request{Client: quorum.RuntimeOf(ctx).Host().Uint64()}}
}

// Update runs a procedure as a transaction, once, and returns its answer when that is
// released. It tries until ctx ends. The error is a RejectedError or matches
// ErrOutcomeUnknown or ctx's error; in the last case nothing was done, and the error also
// says why it was not answered, if that is known. dberr.ErrSuperseded says that somebody
// else has a session of that name.
func (s *Session) Update(ctx context.Context, name string, argument []byte) (Answer, error) {
	if s.waiting {
		return Answer{}, ErrOneAtATime
	}
	s.waiting = true
	defer func() { s.waiting = false }()
	s.last.Number++
	return s.client.ask(ctx, &request{manner: update, once: s.last, name: name, argument: argument})
}

// View runs a procedure that reads, on the newest state: linearizable. The error is a
// RejectedError or ctx's.
func (c *Client) View(ctx context.Context, name string, argument []byte) (Answer, error) {
	return c.ask(ctx, &request{manner: view, name: name, argument: argument})
}

// ask asks whoever leads until there is an answer.
func (c *Client) ask(ctx context.Context, q *request) (Answer, error) {
	var maybe bool // the request may have been carried out
	var reason error
	for pause := c.options.PauseMin; ; {
		if err := c.elected.Wait(ctx, 1); err != nil {
			return Answer{}, undone(q, maybe, err, reason)
		}
		epoch := c.epoch()
		later := c.elected.Reached(uint64(epoch) + 1)
		reply := callMethod().Start(ctx, c.endpoint, c.leader, q)
		if _, err := quorum.Select(ctx, reply, later); err != nil {
			return Answer{}, undone(q, true, err, reason)
		}
		if !reply.Decided() {
			reply.Drop()
			maybe = true
			continue // with the new leader
		}
		if err := reply.Err(); err != nil {
			maybe = maybe || !unsent(err)
			reason = err
		} else {
			r := reply.Get()
			done, err := r.judge(q)
			switch {
			case err == nil && done:
				return Answer{Bytes: r.answer, At: r.at, Epoch: r.epoch}, nil
			case done:
				return Answer{}, undone(q, maybe, err, nil)
			}
			reason = err
		}
		err := quorum.WaitFor(ctx, later, pause)
		if err != nil && !errors.Is(err, quorum.ErrTimeout) {
			return Answer{}, undone(q, maybe, err, reason)
		}
		pause = min(2*pause, c.options.PauseMax)
	}
}

var (
	errNotLeader = errors.New("the replica does not lead any more")
	errBusy      = errors.New("the replica has too much to do, or its disk is full")
)

// judge tells whether a response is the last word, and what it says.
func (r *response) judge(q *request) (done bool, err error) {
	switch r.status {
	case answered:
		return true, nil
	case rejected:
		return true, &RejectedError{Procedure: q.name, Reason: r.reason}
	case again:
		return false, errNotLeader
	case busy:
		return false, errBusy
	case superseded:
		return true, dberr.ErrSuperseded
	}
	return false, fmt.Errorf("a response of status %d", r.status)
}

// unsent tells whether an error of a call says that the other side has not got it.
func unsent(err error) bool {
	return errors.Is(err, quorum.ErrUnreachable) || errors.Is(err, quorum.ErrOverloaded)
}

// undone is the error of a request without an answer. A rejection of one of two copies says
// nothing of the other, which may be under way.
func undone(q *request, maybe bool, err, reason error) error {
	if reason != nil {
		err = fmt.Errorf("%w: %w", err, reason)
	}
	if maybe && q.manner == update {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

// Snapshot runs a procedure that reads on a snapshot of one replica, which has everything
// at or below a timestamp: serializable, and as fresh as asked for. It tries until ctx
// ends.
func (c *Client) Snapshot(ctx context.Context, replica quorum.NodeID, atLeast hlc.Timestamp, name string, argument []byte) (Answer, error) {
	if !slices.Contains(c.options.Replicas, replica) {
		return Answer{}, fmt.Errorf("procedure: %d is none of the replicas %v", replica, c.options.Replicas)
	}
	q := &request{manner: snapshot, atLeast: atLeast, name: name, argument: argument}
	for pause := c.options.PauseMin; ; pause = min(2*pause, c.options.PauseMax) {
		r, err := callMethod().Call(ctx, c.endpoint, replica, q)
		if err == nil {
			var done bool
			if done, err = r.judge(q); done && err == nil {
				return Answer{Bytes: r.answer, At: r.at}, nil
			} else if done {
				return Answer{}, err
			}
		}
		if slept := quorum.Sleep(ctx, pause); slept != nil {
			return Answer{}, undone(q, false, slept, err)
		}
	}
}
