package server

import (
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/metric"
)

const (
	// counterShards is how many sets of counters there are, so that connections seldom meet at one.
	counterShards = 16
	// sampleEvery: of so many batches of a connection it is noted how long it took to execute one, and one of its keys.
	sampleEvery = 16
	// shortestBound and bounds are what Latency.Buckets tells: the first is 1 µs, or so, each of the others twice as long.
	shortestBound, bounds = 1024 * time.Nanosecond, 25
)

// counters count what a server does.
type counters struct {
	shards    [counterShards]counterShard
	names     []string      // of the commands, by ID
	forwarded atomic.Uint64 // commands that another node was asked for
	refused   atomic.Uint64 // connections that were too many

	executedIn, releasedIn metric.Histogram // from when a request had been read; executedIn is of a sample
	hot                    metric.HotKeys
}

// counterShard is added to by some connections and read by anybody.
type counterShard struct {
	_        [64]byte // it shares no cache line
	commands []atomic.Uint64
	// toRelease counts replies that were to be released, released those that were, lost those of which nobody hears.
	toRelease, released, lost atomic.Uint64
	nanos                     atomic.Uint64
}

func (c *counters) init(table *command.Table) {
	all := table.All()
	c.names = make([]string, len(all))
	for _, cmd := range all {
		c.names[cmd.ID] = cmd.Name
	}
	for i := range c.shards {
		c.shards[i].commands = make([]atomic.Uint64, len(all))
	}
}

func (c *counters) of(id int64) *counterShard { return &c.shards[uint64(id)%counterShards] } //nolint:gosec // it is positive

// executed counts calls that have executed here.
func (c *counters) executed(id int64, calls []command.Call) {
	shard := c.of(id)
	for i := range calls {
		shard.commands[calls[i].ID].Add(1)
	}
}

// toRelease counts replies that go out when they are released.
func (c *counters) toRelease(id int64, replies int) {
	c.of(id).toRelease.Add(uint64(replies)) //nolint:gosec // it is a count
}

// lost counts replies that will not be released as far as their client knows.
func (c *counters) lost(id int64, replies int) {
	c.of(id).lost.Add(uint64(replies)) //nolint:gosec // it is a count
}

// sample notes how long calls took to execute, and which key one of them is about, of a few batches.
func (c *conn) sample(calls []command.Call) {
	if c.batches%sampleEvery != 0 || len(calls) == 0 {
		return
	}
	counters := &c.server.counters
	if !c.began.IsZero() {
		counters.executedIn.Record(c.id, time.Since(c.began), uint64(len(calls)))
	}
	call := &calls[c.batches/sampleEvery%uint64(len(calls))]
	if keys, err := call.Command.Of(call.Args); err == nil && len(keys) > 0 {
		counters.hot.Record(c.session.DB, keys[0], sampleEvery*len(calls))
	}
}

// released counts replies that were released, and how long that took since their requests had been read; began is zero
// if that says nothing.
func (c *counters) released(id int64, replies int, began time.Time) {
	shard, n := c.of(id), uint64(replies) //nolint:gosec // it is a count
	shard.released.Add(n)
	if began.IsZero() {
		return
	}
	took := max(time.Since(began), 0)
	c.releasedIn.Record(id, took, n)
	shard.nanos.Add(uint64(took) * n)
}

func (c *counters) sumReleased() (n uint64) {
	for i := range c.shards {
		n += c.shards[i].released.Load()
	}
	return n
}

// replies returns how many replies were to be released, how many were, and how many will be.
func (c *counters) replies() (toRelease, released, inFlight uint64) {
	var lost uint64
	for i := range c.shards { // before the others are read: what ends has begun
		released += c.shards[i].released.Load()
		lost += c.shards[i].lost.Load()
	}
	for i := range c.shards {
		toRelease += c.shards[i].toRelease.Load()
	}
	return toRelease, released, toRelease - released - lost
}

// Latency is how long replies took, from when their requests had been read to their release.
type Latency struct {
	Count   uint64
	Seconds float64            // of all together
	Buckets map[float64]uint64 // how many took at most so many seconds
}

// Counters are what a server has done since it was made.
type Counters struct {
	Commands    map[string]uint64 // that were executed here, by name
	Released    uint64            // of these, and whose replies were released
	Latency     Latency           // of these
	Forwarded   uint64            // commands that another node was asked for
	Connections uint64            // that were accepted
	Refused     uint64            // that were too many
}

// Counters returns what the server has done.
func (s *Server) Counters() Counters {
	c := Counters{
		Released: s.counters.sumReleased(),
		Commands: map[string]uint64{}, Forwarded: s.counters.forwarded.Load(), Refused: s.counters.refused.Load(),
		Connections: uint64(s.lastID.Load()), //nolint:gosec // it is a count
		Latency:     Latency{Buckets: map[float64]uint64{}},
	}
	for i := range s.counters.shards {
		shard := &s.counters.shards[i]
		for at := range shard.commands {
			if n := shard.commands[at].Load(); n > 0 {
				c.Commands[s.counters.names[at]] += n
			}
		}
		c.Latency.Seconds += time.Duration(shard.nanos.Load()).Seconds() //nolint:gosec // below 292 years
	}
	latency := s.counters.releasedIn.Counts()
	c.Latency.Count = latency.Total()
	for i := range bounds {
		bound := shortestBound << i
		c.Latency.Buckets[bound.Seconds()] = latency.Below(bound)
	}
	return c
}
