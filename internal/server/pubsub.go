package server

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// topicKind is what a subscription is to.
type topicKind int

const (
	channelTopic topicKind = iota
	patternTopic
	shardTopic
	topicKinds
)

// subscriptionsMax bounds the subscriptions of a connection of each kind, subscribedBytesMax the names of all.
const (
	subscriptionsMax   = 1 << 20
	subscribedBytesMax = 64 << 20
)

// topic is what somebody can subscribe to.
type topic struct {
	kind topicKind
	name string
}

// hub knows which connections of this node listen to what.
type hub struct {
	mu        sync.RWMutex
	listeners [topicKinds]map[string]map[*conn]struct{}
}

// subscriptions are those of a connection; its goroutine has them.
type subscriptions struct {
	topics [topicKinds]map[string]struct{}
	bytes  int // of their names
	// changed are topics that the hub has to hear of, together with the replies that say so: no message comes before
	// the reply to SUBSCRIBE or after that to UNSUBSCRIBE.
	changed []topic
}

// count returns how many channels and patterns there are.
func (s *subscriptions) count() int { return len(s.topics[channelTopic]) + len(s.topics[patternTopic]) }

func (s *subscriptions) sizes() (channels, patterns, shards int) {
	return len(s.topics[channelTopic]), len(s.topics[patternTopic]), len(s.topics[shardTopic])
}

// only tells whether the connection can be used for nothing else: RESP2 has no way to tell a message from a reply.
func (s *subscriptions) only(c *conn) bool {
	return c.session.Proto == 2 && s.count()+len(s.topics[shardTopic]) > 0
}

func inSubscription(cmd *command.Command) bool {
	switch cmd.Name {
	case "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "ping", "quit", "reset":
		return true
	}
	return false
}

func (h *hub) init() {
	for kind := range h.listeners {
		h.listeners[kind] = map[string]map[*conn]struct{}{}
	}
}

func (h *hub) sizes() (channels, patterns, shards int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.listeners[channelTopic]), len(h.listeners[patternTopic]), len(h.listeners[shardTopic])
}

// receivers returns how many times a message of a channel would be received.
func (h *hub) receivers(channel []byte, shard bool) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if shard {
		return len(h.listeners[shardTopic][string(channel)])
	}
	n := len(h.listeners[channelTopic][string(channel)])
	for pattern, conns := range h.listeners[patternTopic] {
		if command.Match([]byte(pattern), channel) {
			n += len(conns)
		}
	}
	return n
}

// publish sends a message to all who listen.
func (h *hub) publish(m command.Message) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if m.Shard {
		deliver(h.listeners[shardTopic][string(m.Channel)], []byte("smessage"), m.Channel, m.Payload)
		return
	}
	deliver(h.listeners[channelTopic][string(m.Channel)], []byte("message"), m.Channel, m.Payload)
	for pattern, conns := range h.listeners[patternTopic] {
		if command.Match([]byte(pattern), m.Channel) {
			deliver(conns, []byte("pmessage"), []byte(pattern), m.Channel, m.Payload)
		}
	}
}

// visit calls visit with all who listen to something.
func (h *hub) visit(visit func(c *conn, t topic)) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for kind, listeners := range h.listeners {
		for name, conns := range listeners {
			for c := range conns {
				visit(c, topic{topicKind(kind), name})
			}
		}
	}
}

// deliver pushes a message to connections.
func deliver(conns map[*conn]struct{}, parts ...[]byte) {
	var encoded [4][]byte // by the version of the protocol
	for c := range conns {
		proto := c.proto.Load()
		if encoded[proto] == nil {
			w := resp.Writer{Proto: int(proto)}
			w.Push(len(parts))
			for _, p := range parts {
				w.Bulk(p)
			}
			encoded[proto] = w.Bytes()
		}
		c.outbox.publish(encoded[proto])
	}
}

// pong replies to PING as if it were a message: there is nothing else that a client in RESP2 with subscriptions expects.
func (c *conn) pong(cmd *command.Command, args [][]byte) {
	if len(args) > 2 {
		c.fail(command.Errorf("ERR wrong number of arguments for '%s' command", cmd.Name))
		return
	}
	c.out.Array(2)
	c.out.BulkString("pong")
	if len(args) > 1 {
		c.out.Bulk(args[1])
	} else {
		c.out.BulkString("")
	}
	c.lap, c.lapDB, c.lapSeen = time.Since(c.server.started), c.session.DB, false
	c.note(cmd, args, "")
	c.count()
}

// set makes a connection one that listens to a topic, or not. The lock is held.
func (h *hub) set(c *conn, t topic, on bool) {
	listeners := h.listeners[t.kind]
	if !on {
		delete(listeners[t.name], c)
		if len(listeners[t.name]) == 0 {
			delete(listeners, t.name)
		}
		return
	}
	if listeners[t.name] == nil {
		listeners[t.name] = map[*conn]struct{}{}
	}
	listeners[t.name][c] = struct{}{}
}

// update makes the hub hear of changed subscriptions. The lock is held.
func (h *hub) update(c *conn) {
	for _, t := range c.subs.changed {
		_, on := c.subs.topics[t.kind][t.name]
		h.set(c, t, on)
	}
	c.subs.changed = nil
}

// leave ends all subscriptions of a connection.
func (h *hub) leave(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.update(c)
	for kind, names := range c.subs.topics {
		for name := range names {
			h.set(c, topic{topicKind(kind), name}, false)
		}
	}
	c.subs = subscriptions{}
}

func pubsubCommands() []connectionCommand {
	const listen, ask = command.NoScript | command.PubSub, command.PubSub
	return []connectionCommand{
		entry("subscribe", "pubsub", -2, listen, subscribe(channelTopic)),
		entry("psubscribe", "pubsub", -2, listen, subscribe(patternTopic)),
		entry("ssubscribe", "pubsub", -2, listen, subscribe(shardTopic)),
		entry("unsubscribe", "pubsub", -1, listen, unsubscribe(channelTopic)),
		entry("punsubscribe", "pubsub", -1, listen, unsubscribe(patternTopic)),
		entry("sunsubscribe", "pubsub", -1, listen, unsubscribe(shardTopic)),
		entry("pubsub|help", "pubsub", 2, 0, help(
			"CHANNELS [<pattern>]", "    Returns the channels that somebody listens to.",
			"NUMPAT", "    Returns how many patterns somebody listens to.",
			"NUMSUB [<channel> ...]", "    Returns how many listen to each channel.",
			"SHARDCHANNELS [<pattern>]", "    Returns the shard channels that somebody listens to.",
			"SHARDNUMSUB [<channel> ...]", "    Returns how many listen to each shard channel.",
		)),
		entry("pubsub|channels", "pubsub", -2, ask, listTopics(channelTopic)),
		entry("pubsub|shardchannels", "pubsub", -2, ask, listTopics(shardTopic)),
		entry("pubsub|numsub", "pubsub", -2, ask, countListeners(channelTopic)),
		entry("pubsub|shardnumsub", "pubsub", -2, ask, countListeners(shardTopic)),
		entry("pubsub|numpat", "pubsub", 2, ask, (*conn).pubsubNumPat),
	}
}

// verb returns the word of replies about subscriptions of a kind.
func (k topicKind) verb(on bool) string {
	verb := "subscribe"
	if !on {
		verb = "unsubscribe"
	}
	return [...]string{"", "p", "s"}[k] + verb
}

func subscribe(kind topicKind) handler {
	return func(c *conn, _ *command.Command, args [][]byte) error {
		if c.subs.topics[kind] == nil {
			c.subs.topics[kind] = map[string]struct{}{}
		}
		if len(c.subs.topics[kind])+len(args) > subscriptionsMax {
			return command.Errorf("ERR a connection has at most %d subscriptions", subscriptionsMax)
		}
		bytes := c.subs.bytes
		for _, name := range args[1:] {
			bytes += len(name)
		}
		if bytes > subscribedBytesMax {
			return command.Errorf("ERR the names of a connection's subscriptions have at most %d bytes", subscribedBytesMax)
		}
		for _, name := range args[1:] {
			if _, ok := c.subs.topics[kind][string(name)]; !ok {
				c.subs.topics[kind][string(name)] = struct{}{}
				c.subs.bytes += len(name)
			}
			c.subscribed(kind, true, name)
		}
		return nil
	}
}

func unsubscribe(kind topicKind) handler {
	return func(c *conn, _ *command.Command, args [][]byte) error {
		names := args[1:]
		if len(names) == 0 {
			for _, name := range slices.Sorted(maps.Keys(c.subs.topics[kind])) {
				names = append(names, []byte(name))
			}
			if len(names) == 0 {
				c.subscribed(kind, false, nil)
			}
		}
		for _, name := range names {
			if _, ok := c.subs.topics[kind][string(name)]; ok {
				delete(c.subs.topics[kind], string(name))
				c.subs.bytes -= len(name)
			}
			c.subscribed(kind, false, name)
		}
		return nil
	}
}

// subscribed replies to a change of the subscriptions. The name is nil if nothing has changed.
func (c *conn) subscribed(kind topicKind, on bool, name []byte) {
	from := c.out.Len()
	defer func() { c.loud = append(c.loud, c.out.Bytes()[from:]...) }()
	c.out.Push(3)
	c.out.BulkString(kind.verb(on))
	if name == nil {
		c.out.Null()
	} else {
		c.out.Bulk(name)
		c.subs.changed = append(c.subs.changed, topic{kind, string(name)})
	}
	n := c.subs.count()
	if kind == shardTopic {
		n = len(c.subs.topics[shardTopic])
	}
	c.out.Int(int64(n))
}

func listTopics(kind topicKind) handler {
	return func(c *conn, cmd *command.Command, args [][]byte) error {
		if len(args) > 3 {
			return command.Errorf("ERR wrong number of arguments for '%s' command", cmd.Name)
		}
		c.server.hub.mu.RLock()
		names := slices.Sorted(maps.Keys(c.server.hub.listeners[kind]))
		c.server.hub.mu.RUnlock()
		if len(args) == 3 {
			names = slices.DeleteFunc(names, func(n string) bool { return !command.Match(args[2], []byte(n)) })
		}
		c.out.Array(len(names))
		for _, n := range names {
			c.out.BulkString(n)
		}
		return nil
	}
}

func countListeners(kind topicKind) handler {
	return func(c *conn, _ *command.Command, args [][]byte) error {
		h := &c.server.hub
		h.mu.RLock()
		defer h.mu.RUnlock()
		c.out.Array(2 * len(args[2:]))
		for _, name := range args[2:] {
			c.out.Bulk(name)
			c.out.Int(int64(len(h.listeners[kind][string(name)])))
		}
		return nil
	}
}

func (c *conn) pubsubNumPat(*command.Command, [][]byte) error {
	_, patterns, _ := c.server.hub.sizes()
	c.out.Int(int64(patterns))
	return nil
}
