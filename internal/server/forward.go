package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// DefaultLeaderWait is the default of Options.LeaderWait: more than a failover takes, and less than what clients
	// commonly wait for an answer.
	DefaultLeaderWait = 2 * time.Second
	// leaderPause is how long a node waits before it asks again who leads.
	leaderPause = 5 * time.Millisecond
	// upstreamTimeout is how long the leader may take to accept a connection.
	upstreamTimeout = time.Second
)

// errUncertain says that a unit was sent to the leader, its replies did not come, and nobody could be asked what has
// become of it.
var errUncertain = fmt.Errorf("%w: the leader was lost before it answered, and no other has come", godwit.ErrOutcomeUnknown)

// upstream is a connection of a client's connection to the server of the node that leads. Somebody reads it all
// the time, so that its end is noticed before something is sent in vain.
type upstream struct {
	net.Conn
	in      *bufio.Reader
	addr    string
	id      int64 // of the connection over there
	replies chan resp.Value
	tracks  *conn         // for which it tracks, nil if it does not
	done    chan struct{} // closed when no more replies come
	large   bool          // because one is beyond unitReplyLimits; good when done is closed
}

func (u *upstream) read() {
	defer close(u.done)
	for {
		v, err := resp.ReadReply(u.in, unitReplyLimits)
		if err != nil {
			_, u.large = errors.AsType[resp.ProtocolError](err)
			_ = u.Close()
			if u.tracks != nil {
				u.tracks.lostSight()
			}
			return
		}
		if v.Kind == resp.KindPush && u.tracks != nil {
			u.tracks.relay(v)
			continue
		}
		u.replies <- v // there is room for all that were asked for
	}
}

// reply returns the next reply; ok is false if none comes.
func (u *upstream) reply() (v resp.Value, ok bool) {
	select {
	case v = <-u.replies:
		return v, true
	case <-u.done:
	}
	select { // what came before the end
	case v = <-u.replies:
		return v, true
	default:
		return v, false
	}
}

// ended tells whether the connection has ended.
func (u *upstream) ended() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// forward has the node that leads carry out a unit, and leaves the replies in c.out, or, for unitWatch,
// in the watches. It waits while none is known that leads.
//
// A unit is sent again, to whoever leads then, if nothing of it has happened, if it changes nothing, or if
// the leader remembers what it has carried out. So a failover is a pause, and each unit happens once. With errUncertain it
// may have happened; with another error nothing has.
func (c *conn) forward(u *unit) error {
	c.turn.pass()
	if u.request.Client == 0 && u.remembered() {
		u.request = c.requests.next(c.server)
	}
	if u.trouble.IsZero() {
		u.trouble = time.Now()
	}
	for {
		again, err := c.send(u)
		if !again {
			return err
		}
		if l := c.server.lead.Load(); l != nil && l.here {
			return errHere
		}
		if c.server.hope.Load().Err() != nil || time.Since(u.trouble) >= c.server.opts.LeaderWait || c.server.pause(c.ctx, leaderPause) != nil {
			return u.unanswered()
		}
	}
}

// somewhere carries out a unit where a node leads: elsewhere, or here if it turns out to be this one.
func (c *conn) somewhere(u *unit, here func() error) error {
	for {
		err := c.forward(u)
		if !errors.Is(err, errHere) {
			return err
		}
		c.asked = u.request
		err = here()
		c.asked = godwit.Request{}
		if !c.elsewhere(err) {
			return err
		}
		if time.Since(u.trouble) >= c.server.opts.LeaderWait {
			return u.unanswered()
		}
	}
}

// errHere says that this node leads itself.
var errHere = errors.New("this node leads")

// send sends a unit once. If again, it can be sent again.
func (c *conn) send(u *unit) (again bool, err error) {
	up, err := c.connect(c.ctx)
	if err != nil {
		return true, err
	}
	if u.mayWait() {
		c.away.Store(up)
		defer c.away.Store(nil)
		defer c.net.watch(c.close)()
	} else {
		defer c.net.watchLong(c.close)()
	}
	stop := context.AfterFunc(c.ctx, func() { _ = up.Close() })
	defer stop()
	c.readsAhead(u)
	if _, err := up.Write(u.message()); err != nil {
		c.hangUp() // a part of a request is none
		return true, err
	}
	sent := time.Now()
	defer func() { u.trouble = u.trouble.Add(time.Since(sent)) }() // it has been in good hands
	mark := c.out.Len()
	var refused, uncertain, apart int
	for i := range u.replies() {
		v, ok := up.reply()
		if !ok {
			c.hangUp()
			c.out.Truncate(mark)
			if up.large {
				return false, errRepliesTooLarge
			}
			return u.again()
		}
		if v.IsError() {
			switch code, _, _ := strings.Cut(string(v.Bytes), " "); code {
			case notLeader:
				refused++
			case notTogether:
				apart++
			case uncertainCode:
				if string(v.Bytes) != string(errRepliesLost) {
					uncertain++
				}
			}
		}
		if u.kind == unitWatch && !v.IsError() {
			if len(v.Elems) != len(u.watches) {
				c.hangUp()
				return false, command.Error("ERR the leader answered something else")
			}
			for i, e := range v.Elems {
				u.watches[i].version = uint64(e.Int) //nolint:gosec // as it was sent
			}
			continue
		}
		c.received(u, i, &v)
		v.AppendTo(&c.out)
	}
	if v, ok := up.reply(); !ok || v.Kind != resp.KindArray || len(v.Elems) != 2 {
		c.hangUp()
	} else {
		c.session.DB = int(v.Elems[0].Int)
		at, _ := strconv.ParseUint(string(v.Elems[1].Bytes), 10, 64)
		c.last = max(c.last, godwit.Timestamp(at))
	}
	switch u.replies() {
	case apart:
		c.out.Truncate(mark)
		return false, errTogether
	case refused:
		c.hangUp()
		c.out.Truncate(mark)
		return true, nil
	case refused + uncertain:
		c.hangUp()
		c.out.Truncate(mark)
		return u.again()
	}
	if refused > 0 {
		c.hangUp()
	}
	if c.server.monitors.some.Load() {
		for i := range u.calls {
			c.see(u.calls[i].Command, u.calls[i].Args, time.Now(), u.session.DB, c.profile.addr)
		}
	}
	return false, nil
}

// received makes the reply to PUBLISH how many clients of this node get the message, as it is where the client's node leads.
func (c *conn) received(u *unit, i int, v *resp.Value) {
	switch u.kind {
	case unitCalls:
		c.receivedBy(&u.calls[i], v)
	case unitMulti:
		for at := range v.Elems {
			c.receivedBy(&u.calls[at], &v.Elems[at])
		}
	}
}

func (c *conn) receivedBy(call *command.Call, v *resp.Value) {
	if v.Kind == resp.KindInt && (call.Name == "publish" || call.Name == "spublish") {
		v.Int = int64(c.server.hub.receivers(call.Args[1], call.Name == "spublish"))
	}
}

// hangUp ends the connection to the leader.
func (c *conn) hangUp() {
	if up := c.up.Swap(nil); up != nil {
		_ = up.Close()
	}
}

// connect returns a connection to the node that leads.
func (c *conn) connect(ctx context.Context) (*upstream, error) {
	l := c.server.lead.Load()
	if up := c.up.Load(); up != nil && !up.ended() && l != nil && (l.addr == "" || l.addr == up.addr) {
		return up, nil
	}
	c.hangUp()
	if l == nil || l.addr == "" || l.here {
		return nil, godwit.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	up, err := c.server.dial(ctx, l.addr)
	if err == nil && c.tracker.on {
		err = up.track(ctx, c)
	}
	if err == nil {
		c.up.Store(up)
		c.server.wg.Go(up.read)
	}
	return up, err
}

// track has the leader track for a connection. The upstream is closed if it does not.
func (u *upstream) track(ctx context.Context, c *conn) error {
	args := [][]byte{[]byte("GODWIT"), []byte("TRACK")}
	if c.tracker.noLoop {
		args = append(args, []byte("NOLOOP"))
	}
	_, err := u.order(ctx, args...)
	if err != nil {
		_ = u.Close()
	}
	u.tracks = c
	return err
}

// dial connects to another node's server.
func (s *Server) dial(ctx context.Context, addr string) (*upstream, error) {
	nc, err := s.dialNode(ctx, addr)
	if err != nil {
		return nil, err
	}
	up := &upstream{Conn: nc, in: bufio.NewReader(nc), addr: addr, replies: make(chan resp.Value, batchMax+1), done: make(chan struct{})}
	v, err := up.order(ctx, []byte("GODWIT"), []byte("PEER"), []byte(s.opts.Secret))
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	up.id = v.Int
	return up, nil
}

// order sends a request and returns the reply. Nobody else reads yet.
func (u *upstream) order(ctx context.Context, args ...[]byte) (resp.Value, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = u.SetDeadline(deadline)
		defer func() { _ = u.SetDeadline(time.Time{}) }()
	}
	if _, err := u.Write(resp.AppendCommand(nil, args...)); err != nil {
		return resp.Value{}, err
	}
	v, err := resp.ReadReply(u.in, resp.ReplyLimits{})
	if err == nil && v.IsError() {
		err = fmt.Errorf("the node at %s says: %s", u.addr, v.Bytes)
	}
	return v, err
}

// pause waits.
func (s *Server) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
