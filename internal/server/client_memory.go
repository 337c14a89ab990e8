package server

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
)

const (
	// clientsMemoryMin is the least that Options.ClientsMemory is by default, clientsMemoryShare the part of the data's memory
	// that it is.
	clientsMemoryMin   = 1 << 30
	clientsMemoryShare = 8
	// entryBytes is what a key that is watched, or a channel, takes beside its name, about.
	entryBytes = 128
)

// heapBase is what a server takes beside what is bounded by something else, at most.
const heapBase = 512 << 20

// HeapBytes returns how much memory of the Go heap, where the data is not, the server should get by with: what all clients may
// take, what a transaction and scripts may, and the rest. With it as the soft limit of the process (debug.SetMemoryLimit) garbage is collected before the
// heap has twice the size of what is in use.
func (s *Server) HeapBytes() int64 {
	clients := s.config.clientsMemory.Load()
	if clients == 0 {
		return math.MaxInt64
	}
	return clients + int64(keyspace.HeldBytesMax(s.db)) + command.ScriptHeapBytes + heapBase
}

// memory returns how many bytes a connection's requests and replies take, about. Any goroutine may call it.
func (c *conn) memory() int64 {
	_, replies := c.outbox.size()
	return c.in.Memory() + int64(replies) + c.kept.Load()
}

// keep counts what the connection keeps between requests.
func (c *conn) keep() {
	channels, patterns, shards := c.subs.sizes()
	c.kept.Store(int64(c.multi.bytes + c.multi.names + c.subs.bytes + entryBytes*(len(c.multi.watches)+channels+patterns+shards)))
}

// watchMemory bounds the memory of clients until the server ends.
func (s *Server) watchMemory() {
	tick := time.NewTimer(maintainEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			s.boundClients()
			tick.Reset(untilNext(maintainEvery))
		}
	}
}

// boundClients closes the connections that take the most memory while all together, but for those that are spared, take
// more than they may.
func (s *Server) boundClients() {
	limit := s.config.clientsMemory.Load()
	if limit == 0 {
		return
	}
	type taking struct {
		*conn
		bytes int64
	}
	var all []taking
	total := int64(0)
	for _, c := range s.connections() {
		if c.ctx.Err() != nil || c.shown().noEvict {
			continue // it ends, or is spared
		}
		t := taking{c, c.memory()}
		total += t.bytes
		all = append(all, t)
	}
	if total <= limit {
		return
	}
	slices.SortFunc(all, func(a, b taking) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, t := range all {
		if total <= limit {
			return
		}
		s.log.Warn("clients take more memory than they may: the connection of the one that takes most is closed",
			"client", t.id, "addr", t.profile.addr, "user", t.shown().user, "bytes", t.bytes, "all", total, "limit", limit)
		s.stats.evicted.Add(1)
		t.close()
		total -= t.bytes
	}
}

// clientsMemory is the parameter maxmemory-clients: bytes, or a part of the data's memory in percent.
func clientsMemory() parameter {
	return parameter{
		get: func(s *Server) string { return strconv.FormatInt(s.config.clientsMemory.Load(), 10) },
		set: func(s *Server, value string) (func(), error) {
			unit := int64(1)
			text := strings.ToLower(value)
			for _, u := range []struct {
				suffix string
				bytes  int64
			}{{"%", s.db.Stats().MemoryLimitBytes / 100}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}} {
				if number, ok := strings.CutSuffix(text, u.suffix); ok {
					text, unit = number, u.bytes
					break
				}
			}
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 || n > math.MaxInt64/max(unit, 1) {
				return nil, command.Error("argument must be a memory or percent value")
			}
			return func() { s.config.clientsMemory.Store(n * unit) }, nil
		},
	}
}

const (
	// filesReserved is how many files the process opens for other things than clients: logs, checkpoints, other nodes.
	filesReserved = 256
	clientsMin    = 16
)

// filesForClients returns how many clients there can be with the files that the process may open. One whose requests are forwarded takes
// another connection.
func filesForClients(forwards bool) int {
	n := openFilesMax()
	if n = n - min(filesReserved, n/2); forwards {
		n /= 2
	}
	return max(n, clientsMin)
}
