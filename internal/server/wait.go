package server

import (
	"context"
	"strconv"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// WAIT counts the other nodes that are known to have everything that was executed on a connection. The node that leads asks those
// that follow over their feeds ("have", timestamp), and each says GODWIT HAVE timestamp when it has everything up to it. A
// node without a feed does not count.

// ask asks all feeds to say when they have everything up to a timestamp.
func (f *feeds) ask(at godwit.Timestamp) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at <= f.asked {
		return
	}
	f.asked = at
	for c := range f.feeds {
		askHave(c, at)
	}
}

func askHave(c *conn, at godwit.Timestamp) {
	c.outbox.publish(resp.AppendCommand(nil, []byte("have"), strconv.AppendUint(nil, uint64(at), 10)))
}

// has notes that a node has everything up to a timestamp.
func (f *feeds) has(c *conn, at godwit.Timestamp) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.feeds[c]
	if one == nil || at <= one.has {
		return
	}
	one.has = at
	close(f.changed)
	f.changed = make(chan struct{})
}

// having counts the nodes that have everything up to a timestamp.
func (f *feeds) having(at godwit.Timestamp) (n int64, changed <-chan struct{}) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, one := range f.feeds {
		if one.has >= at {
			n++
		}
	}
	return n, f.changed
}

// have tells the node that leads, for each timestamp that it asks for, when this one has everything up to it.
func (s *Server) have(ctx context.Context, up *upstream, asked <-chan godwit.Timestamp) {
	for at := range asked {
		snapshot, err := s.db.SnapshotAtLeast(ctx, at)
		if err != nil {
			continue
		}
		snapshot.Close()
		_, _ = up.Write(resp.AppendCommand(nil, []byte("GODWIT"), []byte("HAVE"), strconv.AppendUint(nil, uint64(at), 10)))
	}
}

// replace puts what is asked for into a channel with room for one. What is there and less is not needed any more.
func replace(asked chan godwit.Timestamp, at godwit.Timestamp) {
	select {
	case <-asked:
	default:
	}
	asked <- at
}

// wait answers WAIT.
func (c *conn) wait(_ *command.Command, args [][]byte) error {
	want, ok := resp.ParseInt(args[1])
	if !ok {
		return command.ErrNotInt
	}
	timeout, err := milliseconds(args[2])
	if err != nil {
		return err
	}
	if l := c.server.lead.Load(); l != nil && !l.here && !c.inTx {
		return c.waitElsewhere(args)
	}
	c.await(c.last, want, timeout)
	return nil
}

// acksWait ends a WAIT as if its time were over; true: with an error. It has room for one.
type acksWait chan bool

func (w *acksWait) end(withError bool) bool {
	if w == nil {
		return false
	}
	select {
	case *w <- withError:
		return true
	default:
		return false
	}
}

// await replies with how many other nodes have everything up to a timestamp, when they are as many as wanted or the time is
// over, 0 for never. Between MULTI and EXEC nobody waits.
func (c *conn) await(at godwit.Timestamp, want int64, timeout time.Duration) {
	feeds := &c.server.feeds
	n, _ := feeds.having(at)
	if n >= want || c.inTx {
		c.out.Int(n)
		return
	}
	c.turn.pass()
	c.flush()
	c.held.Store(true)
	defer c.held.Store(false)
	defer c.net.watch(c.close)()
	ends := make(acksWait, 1)
	c.acks.Store(&ends)
	defer c.acks.Store(nil)
	var over <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}
	feeds.ask(at)
	for {
		var changed <-chan struct{}
		if n, changed = feeds.having(at); n >= want {
			break
		}
		select {
		case <-changed:
			continue
		case withError := <-ends:
			if withError {
				c.out.Error(unblocked)
				return
			}
		case <-over:
		case <-c.ctx.Done():
		}
		break
	}
	c.out.Int(n)
}

// waitElsewhere has the node that leads answer WAIT.
func (c *conn) waitElsewhere(args [][]byte) error {
	c.flush()
	up, err := c.connect(c.ctx)
	if err != nil {
		return err
	}
	c.held.Store(true)
	defer c.held.Store(false)
	c.away.Store(up)
	defer c.away.Store(nil)
	defer c.net.watch(c.close)()
	request := resp.AppendCommand(nil, []byte("GODWIT"), []byte("WAIT"), strconv.AppendUint(nil, uint64(c.last), 10), args[1], args[2])
	if _, err := up.Write(request); err == nil {
		if v, ok := up.reply(); ok {
			v.AppendTo(&c.out)
			return nil
		}
	}
	c.hangUp()
	return godwit.ErrUnavailable
}
