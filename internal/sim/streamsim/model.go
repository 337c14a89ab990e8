package streamsim

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// txn is a transaction: it has read a key, and written it.
type txn struct {
	id, key uint64
	ts      hlc.Timestamp
	read    uint64 // the transaction whose write it has read, 0 for none
}

// The record of a transaction is one write to its key, of its name and of what it has
// read.
const wordBytes = 8

// encode appends the record of a transaction.
func (t *txn) encode(b []byte) []byte {
	size := wal.TxHeaderBytes + wal.WriteBytes(wordBytes, 2*wordBytes)
	at := len(b)
	b = append(b, make([]byte, size)...)
	var key, value []byte
	key = binary.BigEndian.AppendUint64(key, t.key)
	value = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(value, t.id), t.read)
	n := wal.PutTxHeader(b[at:], t.ts, 1, size)
	wal.PutWrite(b[at+n:], 1, wal.KindPut, key, value)
	return b
}

// decode returns the transactions in the payload of a round.
func decode(payload []byte) (txns []txn, err error) {
	batches, err := wal.SplitPayload(payload)
	if err != nil {
		return nil, err
	}
	for i := range batches {
		r := batches[i].Read()
		for r.Next() {
			var w wal.Write
			if !r.NextWrite(&w) || len(w.Key) != wordBytes || len(w.Value) != 2*wordBytes {
				return nil, errors.New("a record of something else")
			}
			txns = append(txns, txn{id: binary.BigEndian.Uint64(w.Value), key: binary.BigEndian.Uint64(w.Key), ts: r.Timestamp(), read: binary.BigEndian.Uint64(w.Value[wordBytes:])})
		}
	}
	return txns, nil
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
	txns, err := decode(r.Payload)
	if err != nil {
		return err.Error()
	}
	for _, t := range txns {
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
	var batches []wal.Batch
	closed, taken := make([]hlc.Timestamp, len(e.streams)), make([]int, len(e.streams))
	r.Kind, r.Watermark = wal.RoundData, hlc.Max
	for i := range e.streams {
		s := &e.streams[i]
		taken[i], closed[i] = min(most(), len(s.txns)), s.closed
		n := taken[i]
		if n > 0 {
			closed[i] = s.txns[n-1].ts
		}
		if n == len(s.txns) && most() > 0 {
			closed[i] = e.clock
		}
		if n > 0 {
			batches = append(batches, batch(wal.StreamID(i), closed[i], s.txns[:n]))
		}
		r.Watermark = min(r.Watermark, closed[i])
		r.Last = max(r.Last, closed[i])
	}
	r.Payload = wal.JoinPayload(batches)
	return r, func() {
		for i := range e.streams {
			e.streams[i].txns, e.streams[i].closed = e.streams[i].txns[taken[i]:], closed[i]
		}
	}
}

// batch is what a stream has of a round.
func batch(id wal.StreamID, closed hlc.Timestamp, txns []txn) wal.Batch {
	var data []byte
	for i := range txns {
		data = txns[i].encode(data)
	}
	b, err := wal.NewBatch(id, closed, data)
	if err != nil {
		panic(err)
	}
	return b
}
