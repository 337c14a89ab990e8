package model

import "unsafe"

// Size is how much may happen in the groups that are looked at.
type Size struct {
	Epochs int // elections; at most epochsMax
	Txns   int // transactions executed; at most txnsMax
	Beats  int // entries that only close a timestamp
}

const (
	replicas = 3
	quorum   = 2
	streams  = 2

	epochsMax = 3
	txnsMax   = 3
	logMax    = 7
)

// kind is what an entry of a log is.
type kind uint8

const (
	barrier kind = iota
	beat
	txn
)

// entry of a stream's log. closed is the timestamp that it closes, a transaction's own.
type entry struct {
	epoch  uint8
	kind   kind
	closed uint8
	txn    uint8 // number of the transaction, from 0
}

// log of one stream. Entries from n on are zero.
type log struct {
	n       uint8
	entries [logMax]entry
}

func (l *log) all() []entry { return l.entries[:l.n] }

func (l *log) add(e entry) {
	l.entries[l.n] = e
	l.n++
}

func (l *log) cut(n uint8) {
	clear(l.entries[n:])
	l.n = n
}

// common returns how many entries two logs have in common.
func (l *log) common(o *log) int {
	n := 0
	for n < int(min(l.n, o.n)) && l.entries[n] == o.entries[n] {
		n++
	}
	return n
}

// last returns the epoch of the last entry, 0 if there is none.
func (l *log) last() uint8 {
	if l.n == 0 {
		return 0
	}
	return l.entries[l.n-1].epoch
}

// logs are one for each stream.
type logs [streams]log

// role is what a replica does in its epoch.
type role uint8

const (
	follower role = iota
	candidate
	leader
)

// replica is one member. After a crash it has its epoch and its logs.
type replica struct {
	epoch uint8
	logs  logs

	role   role
	votes  [replicas]bool // of a candidate
	best   logs           // of a candidate: of those who voted for it
	active bool           // of a leader: its barriers are durable
	match  [streams][replicas]uint8
}

// follow makes r a follower in an epoch.
func (r *replica) follow(epoch uint8) { *r = replica{epoch: epoch, logs: r.logs} }

// transaction is what the model knows of one: it has read what the one before it in the
// leader's data has written.
type transaction struct {
	epoch, ts uint8
	read      uint8 // number of that transaction + 1, 0 for none
	released  bool
}

// state of the group and of what is known about its past. It has no pointers and no
// gaps, so that equal states have equal bytes.
type state struct {
	replicas [replicas]replica
	// sent is what the leader of each epoch has had in its log.
	sent [epochsMax + 2]logs
	// finals are the final watermarks that were computed, plus one; 0 is none.
	finals [epochsMax + 2]uint8
	txns   [txnsMax]transaction
	count  uint8 // of txns
	beats  uint8
}

// forget clears what cannot matter any more: what was sent in epochs that every
// replica has left.
func (s *state) forget() {
	for e := range s.sent {
		over := true
		for i := range s.replicas {
			over = over && int(s.replicas[i].epoch) > e
		}
		if over {
			s.sent[e] = logs{}
		}
	}
}

// renamed returns the state with the names of replicas and streams exchanged.
func (s *state) renamed(rs [replicas]int, ss [streams]int) state {
	t := *s
	exchange := func(l *logs) logs {
		var m logs
		for i, j := range ss {
			m[i] = l[j]
		}
		return m
	}
	for i, j := range rs {
		from, to := &s.replicas[j], &t.replicas[i]
		*to = *from
		to.logs, to.best = exchange(&from.logs), exchange(&from.best)
		for a, b := range rs {
			to.votes[a] = from.votes[b]
			for c, d := range ss {
				to.match[c][a] = from.match[d][b]
			}
		}
	}
	for e := range s.sent {
		t.sent[e] = exchange(&s.sent[e])
	}
	return t
}

// bytes returns what tells states apart.
func (s *state) bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s)) }
