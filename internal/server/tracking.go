package server

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// trackedKeysDefault is the default of tracking-table-max-keys.
	trackedKeysDefault = 1_000_000
	// trackedReadersMax bounds the readers of all tracked keys together.
	trackedReadersMax = 16 << 20
	// trackingPrefixesMax bounds the prefixes of a client.
	trackingPrefixesMax = 1 << 10
	// invalidateChannel is where clients of RESP2 listen for others' invalidations.
	invalidateChannel = "__redis__:invalidate"
)

// tracking knows which keys clients of this node have read and may have in caches of their own, and tells them when
// one has changed (CLIENT TRACKING).
//
// A key is noted before it is read. Who changes it looks here when the change is released, which is after any
// read that has not seen it. So no client is left with a value that has changed. While a connection reads, what it is to hear waits
// until the reply is on its way (tracker.reading): it must not cache what it has been told of already.
//
// The node that leads sees the changes. One that follows has the leader track what it forwards (GODWIT TRACK), and
// relays what it is told; when it loses sight of the leader, and when the lead changes, clients hear that all they have is stale.
type tracking struct {
	// on is how many clients track. It is written under mu, and read by all who change something.
	on atomic.Int64
	// keysMax is tracking-table-max-keys; 0: as many as there are.
	keysMax atomic.Int64

	mu       sync.Mutex
	clients  map[int64]*conn
	readers  map[string]map[int64]struct{} // of a key, since it has changed last; some may be gone
	items    int                           // of all of readers
	prefixes map[string]map[int64]struct{} // and who hears of all changes below one
}

// trackingMode is what a client has asked for.
type trackingMode struct {
	on, broadcast, optIn, optOut, noLoop bool
	redirect                             int64 // the connection that is told instead; 0: this one
	prefixes                             []string
}

// tracker is a connection's part of it.
type tracker struct {
	// trackingMode is written by the connection's goroutine, with the lock of tracking; others need that to read it.
	trackingMode
	// caching is what CLIENT CACHING has said of the next command. It belongs to the connection's goroutine.
	caching bool
	// broken says that the connection that is to be told is gone.
	broken atomic.Bool

	// noted says that reads were noted since haveRead. It belongs to the connection's goroutine.
	noted    bool
	reading  bool // what is to be told waits in deferred. These two are guarded by the lock.
	deferred [][]byte
}

func (t *tracking) init() {
	t.clients, t.readers, t.prefixes = map[int64]*conn{}, map[string]map[int64]struct{}{}, map[string]map[int64]struct{}{}
	t.keysMax.Store(trackedKeysDefault)
}

// tracks tells whether the next command is one whose reads are tracked.
func (t *tracker) tracks() bool {
	switch {
	case !t.on || t.broadcast:
		return false
	case t.optIn:
		return t.caching
	case t.optOut:
		return !t.caching
	}
	return true
}

// next forgets what CLIENT CACHING has said of one command, or of a transaction, when that has come.
func (t *tracker) next(c *conn, cmd *command.Command) {
	if t.caching && !c.multi.on && cmd != nil && !strings.HasPrefix(cmd.Name, "client|") {
		t.caching = false
	}
}

// setTracking changes what a connection tracks.
func (c *conn) setTracking(mode trackingMode) {
	t := &c.server.tracking
	c.hangUp() // the leader tracks for the connection as it was
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range c.tracker.prefixes {
		if delete(t.prefixes[p], c.id); len(t.prefixes[p]) == 0 {
			delete(t.prefixes, p)
		}
	}
	c.tracker.trackingMode, c.tracker.caching = mode, false
	c.tracker.broken.Store(false)
	if !mode.on {
		delete(t.clients, c.id)
		if len(t.clients) == 0 {
			t.forgetKeys()
		}
	} else {
		t.clients[c.id] = c
	}
	t.on.Store(int64(len(t.clients)))
	for _, p := range mode.prefixes {
		if t.prefixes[p] == nil {
			t.prefixes[p] = map[int64]struct{}{}
		}
		t.prefixes[p][c.id] = struct{}{}
	}
}

// forgetKeys forgets who has read what. The lock is held.
func (t *tracking) forgetKeys() {
	clear(t.readers)
	t.items = 0
}

// noteReads notes that the connection is about to read keys.
func (c *conn) noteReads(keys [][]byte) {
	c.tracker.noted = true
	t := &c.server.tracking
	t.mu.Lock()
	defer t.mu.Unlock()
	c.tracker.reading = true
	for _, key := range keys {
		ids := t.readers[string(key)]
		if ids == nil {
			ids = map[int64]struct{}{}
			t.readers[string(key)] = ids
		}
		if _, known := ids[c.id]; !known {
			ids[c.id] = struct{}{}
			t.items++
		}
	}
	t.shrink()
}

// readsAhead has what the client is to hear wait for the replies to a unit, if those are tracked.
func (c *conn) readsAhead(u *unit) {
	if slices.ContainsFunc(u.calls, func(call command.Call) bool { return call.Tracked }) {
		c.noteReads(nil)
	}
}

// setKeysMax says how many keys may be tracked.
func (t *tracking) setKeysMax(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keysMax.Store(n)
	t.shrink()
}

// shrink forgets keys that are too many, and tells their readers as if they had changed. The lock is held.
func (t *tracking) shrink() {
	most := int(t.keysMax.Load())
	for key := range t.readers {
		if (most == 0 || len(t.readers) <= most) && t.items <= trackedReadersMax {
			return
		}
		t.invalidateKey(key, 0)
	}
}

// invalidateKey tells the readers of a key, but for the connection that has changed it if it does not want to hear. The lock is held.
func (t *tracking) invalidateKey(key string, by int64) {
	ids := t.readers[key]
	delete(t.readers, key)
	t.items -= len(ids)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		c := t.clients[id]
		if c == nil || c.tracker.broadcast || c.tracker.noLoop && id == by {
			continue
		}
		c.tell([]string{key})
	}
}

// stale appends a message that invalidates what changes of a connection have made stale.
func (s *Server) stale(messages []command.Message, changes []keyspace.Change, by int64) []command.Message {
	if s.tracking.on.Load() == 0 {
		return messages
	}
	m := command.Message{Stale: &command.Stale{By: by}}
	seen := map[string]bool{}
	for _, ch := range changes {
		switch key := string(ch.Key); {
		case ch.All:
			m.Stale.All = true
		case ch.Event != "" && !seen[key]:
			seen[key] = true
			m.Stale.Keys = append(m.Stale.Keys, key)
		}
	}
	if len(m.Stale.Keys) == 0 && !m.Stale.All {
		return messages
	}
	return append(messages, m)
}

// publish sends a message that is released to all whom it is for, here and on other nodes.
func (s *Server) publish(m command.Message) {
	if m.Stale != nil {
		s.tracking.invalidate(m.Stale)
		return
	}
	if s.config.notify.Load().wants(&m) {
		s.hub.publish(m)
	}
	s.feeds.send(&m)
}

// invalidate tells clients what is stale.
func (t *tracking) invalidate(s *command.Stale) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.All {
		t.invalidateAll()
	}
	for _, key := range s.Keys {
		t.invalidateKey(key, s.By)
	}
	for _, prefix := range slices.Sorted(maps.Keys(t.prefixes)) {
		var keys []string
		for _, key := range s.Keys {
			if strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(t.prefixes[prefix])) {
			if c := t.clients[id]; len(keys) > 0 && !(c.tracker.noLoop && id == s.By) {
				c.tell(keys)
			}
		}
	}
}

// invalidateAll tells all clients that all they have is stale. The lock is held.
func (t *tracking) invalidateAll() {
	t.forgetKeys()
	for _, id := range slices.Sorted(maps.Keys(t.clients)) {
		t.clients[id].tell(nil)
	}
}

// leadChanged tells all clients that all they have is stale: what changed meanwhile was not seen here. Those
// that hear of prefixes have to come again if this node does not lead, for it sees no changes.
func (t *tracking) leadChanged(here bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.invalidateAll()
	for _, c := range t.clients {
		if c.tracker.broadcast && !here {
			c.close()
		}
	}
}

// tell tells a client that tracks, or the connection that is to hear for it, that keys are stale; nil: all. The lock is held.
func (c *conn) tell(keys []string) {
	to := c
	if id := c.tracker.redirect; id != 0 {
		if to = c.server.connection(id); to == nil || to.shown().closing {
			c.tracker.broken.Store(true)
			w := resp.Writer{Proto: 3}
			w.Push(2)
			w.BulkString("tracking-redir-broken")
			w.Int(id)
			if c.proto.Load() == 3 {
				c.push(w.Bytes())
			}
			return
		}
	}
	shown := to.shown()
	w := resp.Writer{Proto: int(to.proto.Load())}
	switch {
	case to.peer.Load() || w.Proto == 3:
		w.Proto = 3
		w.Push(2)
		w.BulkString("invalidate")
	case to != c && shown.kind() == "pubsub":
		w.Array(3)
		w.BulkString("message")
		w.BulkString(invalidateChannel)
	default:
		return // RESP2 has no way to say it
	}
	if keys == nil {
		w.Null()
	} else {
		w.Array(len(keys))
		for _, k := range keys {
			w.BulkString(k)
		}
	}
	to.push(w.Bytes())
}

// push sends a client something that is no reply, behind the replies to what it reads. The lock is held.
func (c *conn) push(data []byte) {
	if c.tracker.reading {
		c.tracker.deferred = append(c.tracker.deferred, data)
		return
	}
	c.outbox.publish(data)
}

// haveRead sends what has waited for the replies to reads, which are on their way.
func (c *conn) haveRead() {
	if !c.tracker.noted {
		return
	}
	c.tracker.noted = false
	t := &c.server.tracking
	t.mu.Lock()
	defer t.mu.Unlock()
	c.tracker.reading = false
	for _, data := range c.tracker.deferred {
		c.outbox.publish(data)
	}
	c.tracker.deferred = nil
}

// connection returns a connection by its number, nil if there is none.
func (s *Server) connection(id int64) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.conns[id]
}

// relay passes on what the leader says to a client for which it tracks.
func (c *conn) relay(v resp.Value) {
	t := &c.server.tracking
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(v.Elems) != 2 || !c.tracker.on {
		return
	}
	var keys []string
	for _, e := range v.Elems[1].Elems {
		keys = append(keys, string(e.Bytes))
	}
	c.tell(keys)
}

// lostSight tells a client that all it has is stale, since the leader tracks for it no more.
func (c *conn) lostSight() {
	t := &c.server.tracking
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.tracker.on {
		c.tell(nil)
	}
}

// sizes returns how many clients, keys, readers of keys, and prefixes there are.
func (t *tracking) sizes() (clients, keys, items, prefixes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.clients), len(t.readers), t.items, len(t.prefixes)
}
