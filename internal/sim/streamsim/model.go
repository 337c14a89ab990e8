package streamsim

import (
	"cmp"
	"maps"
	"slices"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// txn is a transaction: it has read a key, and written it.
type txn struct {
	id, key uint64
	ts      hlc.Timestamp
	read    uint64 // the transaction whose write it has read, 0 for none
}

// payload is what is in a round of data.
type payload struct{ txns []txn }

func (m *payload) Fields(c *quorum.Coder) {
	quorum.Slice(c, &m.txns, func(t *txn) {
		c.Uint(&t.id)
		c.Uint(&t.key)
		c.Uint((*uint64)(&t.ts))
		c.Uint(&t.read)
	})
}

// state is what comes of a log's rounds.
type state struct {
	number    wal.RoundNumber // of the last of them
	epoch     wal.Epoch
	watermark hlc.Timestamp
	last      hlc.Timestamp     // the largest timestamp in them
	held      map[uint64]txn    // those that are part of the data, by name
	newest    map[uint64]uint64 // who has written a key
	pending   []txn             // above the watermark
	finals    map[wal.Epoch]hlc.Timestamp
	hash      uint64 // of what has become part of the data, in its order
}

func newState() *state {
	return &state{held: map[uint64]txn{}, newest: map[uint64]uint64{}, finals: map[wal.Epoch]hlc.Timestamp{}}
}

func (s *state) clone() *state {
	c := *s
	c.held, c.newest, c.finals, c.pending = maps.Clone(s.held), maps.Clone(s.newest), maps.Clone(s.finals), slices.Clone(s.pending)
	return &c
}

// apply carries out a round: records at or below its watermark become part of the
// data, and a barrier drops those of the epoch before that have not. It returns why the
// round is wrong, or nothing.
func (s *state) apply(r *wal.Round) (why string) {
	if r.Epoch != s.epoch {
		s.finals[s.epoch] = s.watermark
		s.pending = nil
		s.epoch, s.watermark = r.Epoch, 0
	}
	s.number, s.last = r.Number, max(s.last, r.Last)
	if r.Kind != wal.RoundData {
		return ""
	}
	var p payload
	if quorum.Decode(r.Payload, &p) != nil {
		return "undecodable"
	}
	for _, t := range p.txns {
		if t.ts <= s.watermark {
			return "I5: a record at or below what was closed"
		}
		s.pending = append(s.pending, t)
	}
	if r.Watermark < s.watermark {
		return "I5: the watermark goes back"
	}
	s.watermark = r.Watermark
	slices.SortFunc(s.pending, func(a, b txn) int { return cmp.Compare(a.ts, b.ts) })
	n := 0
	for ; n < len(s.pending) && s.pending[n].ts <= s.watermark; n++ {
		s.install(s.pending[n])
	}
	s.pending = slices.Clone(s.pending[n:])
	return ""
}

// install makes a transaction part of the data.
func (s *state) install(t txn) {
	s.held[t.id] = t
	s.newest[t.key] = t.id
	s.hash = (s.hash ^ t.id) * 0x9e3779b97f4a7c15
	s.hash ^= s.hash >> 29
}

// queue is what a worker has executed and not handed over yet.
type queue struct {
	txns   []txn
	closed hlc.Timestamp
}

// engine executes on a leader, ahead of its log.
type engine struct {
	clock   hlc.Timestamp
	newest  map[uint64]uint64
	streams []queue
	own     []txn                             // executed, in their order, and not released
	rounds  map[wal.RoundNumber]hlc.Timestamp // watermarks of rounds that are not known to be durable
}

func newEngine(s *state, streams int) *engine {
	return &engine{clock: s.last, newest: maps.Clone(s.newest), streams: make([]queue, streams), rounds: map[wal.RoundNumber]hlc.Timestamp{}}
}

// execute runs a transaction on a stream.
func (e *engine) execute(id, key uint64, on int) txn {
	e.clock++
	t := txn{id: id, key: key, ts: e.clock, read: e.newest[key]}
	e.newest[key] = id
	e.streams[on].txns = append(e.streams[on].txns, t)
	e.own = append(e.own, t)
	return t
}

// gather takes so many transactions of each stream and returns what has to be done when
// they are in the log. A stream that has nothing more closes all that was executed.
func (e *engine) gather(most func() int) (r wal.Round, done func()) {
	var p payload
	closed, taken := make([]hlc.Timestamp, len(e.streams)), make([]int, len(e.streams))
	r.Watermark = hlc.Max
	for i := range e.streams {
		s := &e.streams[i]
		taken[i], closed[i] = min(most(), len(s.txns)), s.closed
		if n := taken[i]; n > 0 {
			p.txns = append(p.txns, s.txns[:n]...)
			closed[i] = s.txns[n-1].ts
		}
		if taken[i] == len(s.txns) && most() > 0 {
			closed[i] = e.clock
		}
		r.Watermark = min(r.Watermark, closed[i])
		r.Last = max(r.Last, closed[i])
	}
	r.Payload = quorum.Encode(nil, &p)
	return r, func() {
		for i := range e.streams {
			e.streams[i].txns, e.streams[i].closed = e.streams[i].txns[taken[i]:], closed[i]
		}
	}
}
