package server

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// The node that leads executes what is published and what events tell of, and clients of all nodes listen. So each
// of the others keeps a connection to the leader, its feed:
//
//	GODWIT FEED flags
//
// asks it for all messages that clients publish, and for the events that the flags name as notify-keyspace-events does.
// They come as arrays ("message" or "smessage", channel, payload) when they are released, in the order in which the
// leader's own clients get them. The same request changes the flags later.
//
// A message goes once to each feed that there is when it is released. What is released while a node has no feed, as
// around a failover, its clients miss. One that does not read is closed when pushBytesMax bytes wait.

// feedPause is how long a node waits after its feed has ended before it asks for another.
const feedPause = 50 * time.Millisecond

// feeds are the connections of other nodes that want what is published here.
type feeds struct {
	// wanted are the flags of all of them together. Written under mu.
	wanted atomic.Pointer[notifyFlags]

	mu      sync.RWMutex
	feeds   map[*conn]*oneFeed
	asked   godwit.Timestamp // the last that they were asked for (WAIT)
	changed chan struct{}    // closed when there are others, or one has more
}

// oneFeed is what a node wants, and has.
type oneFeed struct {
	flags notifyFlags
	has   godwit.Timestamp // everything that is released up to it, and maybe more
}

func (f *feeds) init() {
	f.feeds, f.changed = map[*conn]*oneFeed{}, make(chan struct{})
	f.wanted.Store(new(notifyFlags))
}

// set makes a connection a feed, with these flags from now on.
func (f *feeds) set(c *conn, flags notifyFlags) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.feeds[c] == nil {
		f.feeds[c] = new(oneFeed)
		if f.asked > 0 {
			askHave(c, f.asked)
		}
	}
	f.feeds[c].flags = flags
	f.update()
}

func (f *feeds) remove(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.feeds[c] != nil {
		delete(f.feeds, c)
		f.update()
	}
}

// update makes the rest fit the feeds that there are. The lock is held.
func (f *feeds) update() {
	var flags []notifyFlags
	for _, one := range f.feeds {
		flags = append(flags, one.flags)
	}
	f.wanted.Store(unite(flags))
	close(f.changed)
	f.changed = make(chan struct{})
}

// count returns how many feeds there are.
func (f *feeds) count() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.feeds)
}

// send sends a message to the feeds that want it.
func (f *feeds) send(m *command.Message) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var encoded []byte
	for c, one := range f.feeds {
		if !one.flags.wants(m) {
			continue
		}
		if encoded == nil {
			kind := "message"
			if m.Shard {
				kind = "smessage"
			}
			encoded = resp.AppendCommand(nil, []byte(kind), m.Channel, m.Payload)
		}
		c.outbox.publish(encoded)
	}
}

// feed is the connection over which this node hears what the one that leads publishes.
type feed struct {
	mu      sync.Mutex
	running bool            // somebody cares for it
	up      *upstream       // nil while there is none
	asked   []chan struct{} // requests, each closed when it is answered or cannot be any more
}

// follow makes the feed one from an address, and ends it with "".
func (s *Server) follow(addr string) {
	f := &s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.up != nil && f.up.addr != addr {
		_ = f.up.Close()
	}
	if addr == "" || f.running {
		return
	}
	f.running = true
	s.wg.Go(func() {
		if err := s.hear(addr); err != nil && s.ctx.Err() == nil {
			s.log.Debug("the feed from the node that leads has ended", "address", addr, "error", err)
		}
		_ = s.pause(s.ctx, feedPause)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running = false
	})
}

// hear passes on what a node publishes until the connection to it ends.
func (s *Server) hear(addr string) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	dialing, stop := context.WithTimeout(ctx, upstreamTimeout)
	defer stop()
	up, err := s.dial(dialing, addr)
	if err != nil {
		return err
	}
	defer up.Close()
	defer context.AfterFunc(ctx, func() { _ = up.Close() })()
	asked := make(chan godwit.Timestamp, 1)
	defer close(asked)
	s.wg.Go(func() { s.have(ctx, up, asked) })
	f := &s.feed
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.up = nil
		for _, done := range f.asked {
			close(done)
		}
		f.asked = nil
	}()
	f.mu.Lock()
	f.up = up
	_, err = s.askFeed()
	f.mu.Unlock()
	for err == nil {
		var v resp.Value
		if v, err = resp.ReadReply(up.in, resp.ReplyLimits{}); err == nil {
			err = s.heard(&v, asked)
		}
	}
	return err
}

// askFeed asks the feed for what this node's flags say, and returns what is closed when it does. The lock of the feed is held.
func (s *Server) askFeed() (done <-chan struct{}, err error) {
	f := &s.feed
	answered := make(chan struct{})
	f.asked = append(f.asked, answered)
	_, err = f.up.Write(resp.AppendCommand(nil, []byte("GODWIT"), []byte("FEED"), []byte(s.config.notify.Load().String())))
	return answered, err
}

// heard takes what has come over the feed.
func (s *Server) heard(v *resp.Value, asked chan godwit.Timestamp) error {
	switch {
	case v.IsError():
		return fmt.Errorf("the node that leads says: %s", v.Bytes)
	case v.Kind == resp.KindArray && len(v.Elems) == 3:
		s.hub.publish(command.Message{Channel: v.Elems[1].Bytes, Payload: v.Elems[2].Bytes, Shard: string(v.Elems[0].Bytes) == "smessage"})
		return nil
	case v.Kind == resp.KindArray && len(v.Elems) == 2:
		at, err := strconv.ParseUint(string(v.Elems[1].Bytes), 10, 64)
		if err != nil {
			return err
		}
		replace(asked, godwit.Timestamp(at))
		return nil
	}
	f := &s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		return fmt.Errorf("the node that leads answers what it was not asked: %s", v.Bytes)
	}
	close(f.asked[0])
	f.asked = f.asked[1:]
	return nil
}

// setNotifyFlags changes which events this node's clients hear of. It returns when that holds, if this node has a feed.
func (s *Server) setNotifyFlags(flags *notifyFlags) {
	f := &s.feed
	f.mu.Lock()
	s.config.notify.Store(flags)
	if f.up == nil {
		f.mu.Unlock()
		return // the next one begins with them
	}
	done, err := s.askFeed()
	if err != nil {
		_ = f.up.Close()
	}
	f.mu.Unlock()
	select {
	case <-done:
	case <-time.After(upstreamTimeout):
	case <-s.ctx.Done():
	}
}
