package model

import (
	"fmt"
	"math"
)

// Mistake is a rule that is broken on purpose. "" is none.
type Mistake string

// The mistakes.
const (
	VoteTwice             Mistake = "a voter votes twice in an epoch"
	SmallQuorum           Mistake = "fewer than a quorum elect a leader"
	AcceptOldEpoch        Mistake = "entries of an old epoch are accepted"
	OwnTail               Mistake = "a new leader keeps its own logs"
	LongestTail           Mistake = "a new leader takes the longest logs"
	NoBarriers            Mistake = "a new leader appends no barriers"
	ReleaseBeforeBarriers Mistake = "a leader releases before its barriers are durable"
	OneAck                Mistake = "one acknowledgement makes an entry durable"
	HighestClosed         Mistake = "the watermark is the highest of the streams"
	HighestFinal          Mistake = "a final watermark is the highest of the streams"
	KeptAboveFinal        Mistake = "what is above a final watermark stays"
	// OldEpochsCount does no harm: the barriers and the watermark are entries of the
	// leader's epoch, and what is before a durable one of these is durable.
	OldEpochsCount Mistake = "an entry of an old epoch is durable by its copies"
)

// broken is why a state is wrong.
type broken struct{ why string }

func (b *broken) Error() string { return b.why }

// rules are the rules of the group, with a mistake or without.
type rules struct{ mistake Mistake }

// elect makes a replica a candidate in the next epoch.
func (m rules) elect(s *state, i int) {
	r := &s.replicas[i]
	r.follow(r.epoch + 1)
	r.role = candidate
	r.votes[i] = true
	r.best = r.logs
}

// grant lets a replica vote for a candidate of a later epoch.
func (m rules) grant(s *state, voter, i int) bool {
	v, r := &s.replicas[voter], &s.replicas[i]
	again := m.mistake == VoteTwice && v.epoch == r.epoch && v.role == follower
	if r.role != candidate || r.votes[voter] || v.epoch >= r.epoch && !again {
		return false
	}
	v.follow(r.epoch)
	r.votes[voter] = true
	for c := range r.best {
		if m.better(&v.logs[c], &r.best[c]) {
			r.best[c] = v.logs[c]
		}
	}
	return true
}

// better tells whether a new leader takes log a rather than b.
func (m rules) better(a, b *log) bool {
	switch {
	case m.mistake == OwnTail:
		return false
	case m.mistake == LongestTail || a.last() == b.last():
		return a.n > b.n
	}
	return a.last() > b.last()
}

// lead makes a candidate the leader if it has the votes.
func (m rules) lead(s *state, i int) bool {
	r := &s.replicas[i]
	votes, needed := 0, quorum
	for _, v := range r.votes {
		if v {
			votes++
		}
	}
	if m.mistake == SmallQuorum {
		needed--
	}
	if r.role != candidate || votes < needed {
		return false
	}
	r.role, r.logs, r.best = leader, r.best, logs{}
	r.votes = [replicas]bool{}
	if m.mistake != NoBarriers {
		for c := range r.logs {
			r.logs[c].add(entry{epoch: r.epoch, kind: barrier})
		}
	}
	m.appended(s, i)
	return true
}

// appended says that a leader's logs have grown.
func (m rules) appended(s *state, i int) {
	r := &s.replicas[i]
	for c := range r.logs {
		r.match[c][i] = r.logs[c].n
	}
	s.sent[r.epoch] = r.logs
}

// deliver makes the first n entries arrive that the leader of an epoch has sent in a
// stream.
func (m rules) deliver(s *state, epoch, stream, n, to int) bool {
	r := &s.replicas[to]
	late := int(r.epoch) > epoch
	if late && m.mistake != AcceptOldEpoch || int(r.epoch) == epoch && r.role == leader {
		return false
	}
	if int(r.epoch) < epoch {
		r.follow(uint8(epoch))
	}
	l := &r.logs[stream]
	for k := range n {
		e := s.sent[epoch][stream].entries[k]
		if k < int(l.n) {
			if l.entries[k] == e {
				continue
			}
			l.cut(uint8(k))
		}
		l.add(e)
	}
	for i := range s.replicas {
		if p := &s.replicas[i]; p.role == leader && int(p.epoch) == epoch {
			p.match[stream][to] = max(p.match[stream][to], uint8(n))
		}
	}
	return true
}

// execute runs a transaction on a leader.
func (m rules) execute(s *state, i, stream int) {
	r := &s.replicas[i]
	newest, _, clock := m.data(s, r)
	t := &s.txns[s.count]
	*t = transaction{epoch: r.epoch, ts: clock + 1, read: newest}
	r.logs[stream].add(entry{epoch: r.epoch, kind: txn, closed: t.ts, txn: s.count})
	s.count++
	m.appended(s, i)
}

// beat closes the leader's timestamp on a stream.
func (m rules) beat(s *state, i, stream int) {
	r := &s.replicas[i]
	_, _, clock := m.data(s, r)
	r.logs[stream].add(entry{epoch: r.epoch, kind: beat, closed: clock})
	s.beats++
	m.appended(s, i)
}

// final returns the final watermark of an epoch as a replica's logs tell it.
func (m rules) final(ls *logs, epoch uint8) uint8 {
	final := uint8(math.MaxUint8)
	if m.mistake == HighestFinal {
		final = 0
	}
	for c := range ls {
		closed := uint8(0)
		for _, e := range ls[c].all() {
			if e.epoch == epoch {
				closed = e.closed
			}
		}
		if m.mistake == HighestFinal {
			final = max(final, closed)
		} else {
			final = min(final, closed)
		}
	}
	return final
}

// survives tells whether an entry of a replica's logs is a transaction that is not dropped.
func (m rules) survives(s *state, r *replica, e entry) bool {
	return e.kind == txn && (e.epoch == r.epoch || s.txns[e.txn].ts <= m.final(&r.logs, e.epoch))
}

// kept tells whether an entry of a replica's logs is part of its data.
func (m rules) kept(s *state, r *replica, e entry) bool {
	return m.survives(s, r, e) || e.kind == txn && m.mistake == KeptAboveFinal
}

// data returns which transactions are part of a replica's data, by number + 1; the number
// + 1 of the newest of them; and the largest timestamp in its logs.
func (m rules) data(s *state, r *replica) (newest uint8, held [txnsMax + 1]bool, clock uint8) {
	held[0] = true // nothing
	var at [2]uint8
	for c := range r.logs {
		for _, e := range r.logs[c].all() {
			if e.kind != txn {
				continue
			}
			ts := s.txns[e.txn].ts
			clock = max(clock, ts)
			if m.kept(s, r, e) {
				held[e.txn+1] = true
				if e.epoch > at[0] || e.epoch == at[0] && ts > at[1] {
					newest, at = e.txn+1, [2]uint8{e.epoch, ts}
				}
			}
		}
	}
	return newest, held, clock
}

// durable returns how many entries of a stream a leader knows to be on a quorum.
func (m rules) durable(r *replica, stream int) uint8 {
	// The second highest of three.
	a, b, c := r.match[stream][0], r.match[stream][1], r.match[stream][2]
	n := max(min(a, b), min(b, c), min(a, c))
	switch {
	case m.mistake == OneAck:
		return max(a, b, c)
	case n == 0 || m.mistake == OldEpochsCount:
		return n
	case r.logs[stream].entries[n-1].epoch != r.epoch:
		return 0
	}
	return n
}

// advance draws a leader's conclusions from what is durable. The error is broken.
func (m rules) advance(s *state, i int) error {
	r := &s.replicas[i]
	if r.role != leader {
		return nil
	}
	opened := m.mistake != NoBarriers
	watermark := uint8(math.MaxUint8)
	if m.mistake == HighestClosed {
		watermark = 0
	}
	for c := range r.logs {
		open, closed := false, uint8(0)
		for _, e := range r.logs[c].entries[:m.durable(r, c)] {
			if e.epoch == r.epoch {
				open, closed = open || e.kind == barrier, e.closed
			}
		}
		opened = opened && open
		if m.mistake == HighestClosed {
			watermark = max(watermark, closed)
		} else {
			watermark = min(watermark, closed)
		}
	}
	if m.mistake == NoBarriers || m.mistake == ReleaseBeforeBarriers {
		opened = true
	}
	if opened && !r.active {
		r.active = true
		if err := m.open(s, r); err != nil {
			return err
		}
	}
	if !r.active {
		return nil
	}
	for c := range r.logs {
		for _, e := range r.logs[c].all() {
			if e.kind != txn || s.txns[e.txn].released {
				continue
			}
			t := &s.txns[e.txn]
			if e.epoch == r.epoch && t.ts <= watermark || e.epoch < r.epoch && t.ts+1 <= s.finals[e.epoch] {
				t.released = true
				if f := s.finals[e.epoch]; f > 0 && t.ts+1 > f {
					return &broken{fmt.Sprintf("I6: transaction %d of epoch %d is released at %d, above the final watermark %d", e.txn, e.epoch, t.ts, f-1)}
				}
			}
		}
	}
	return nil
}

// open fixes the final watermarks of the epochs before a leader's.
func (m rules) open(s *state, r *replica) error {
	for epoch := uint8(1); epoch < r.epoch; epoch++ {
		seen := false
		for c := range r.logs {
			for _, e := range r.logs[c].all() {
				seen = seen || e.epoch == epoch
			}
		}
		if !seen {
			continue
		}
		f := m.final(&r.logs, epoch) + 1
		if s.finals[epoch] == 0 {
			s.finals[epoch] = f
		}
		if s.finals[epoch] != f {
			return &broken{fmt.Sprintf("I6: the final watermark of epoch %d is %d and %d", epoch, s.finals[epoch]-1, f-1)}
		}
	}
	return m.complete(s, r)
}

// complete checks that a leader has what was released, and what that has read.
func (m rules) complete(s *state, r *replica) error {
	var held [txnsMax + 1]bool
	held[0] = true // nothing
	for c := range r.logs {
		for _, e := range r.logs[c].all() {
			held[e.txn+1] = held[e.txn+1] || m.survives(s, r, e)
		}
	}
	for n := range s.count {
		t := &s.txns[n]
		if t.released && !held[n+1] {
			return &broken{fmt.Sprintf("I1: transaction %d was released, and the leader of epoch %d does not have it", n, r.epoch)}
		}
		if held[n+1] && !held[t.read] {
			return &broken{fmt.Sprintf("I2: transaction %d is there, and transaction %d, which it has read, is not", n, t.read-1)}
		}
	}
	return nil
}

// settles checks what becomes of the group when faults end: one replica is elected and
// everything reaches all.
func (m rules) settles(s state) error {
	last := 0
	for i := range s.replicas {
		if s.replicas[i].epoch > s.replicas[last].epoch {
			last = i
		}
	}
	m.elect(&s, last)
	for i := range s.replicas {
		m.grant(&s, i, last)
	}
	if !m.lead(&s, last) {
		return &broken{"progress: nobody is elected when faults end"}
	}
	epoch := int(s.replicas[last].epoch)
	for c := range streams {
		for i := range s.replicas {
			m.deliver(&s, epoch, c, int(s.sent[epoch][c].n), i)
		}
	}
	if err := m.advance(&s, last); err != nil {
		return err
	}
	r := &s.replicas[last]
	if !r.active {
		return &broken{"progress: the barriers do not get durable when faults end"}
	}
	if err := m.complete(&s, r); err != nil {
		return err
	}
	_, want, _ := m.data(&s, r)
	for i := range s.replicas {
		if _, got, _ := m.data(&s, &s.replicas[i]); got != want {
			return &broken{fmt.Sprintf("I7: replica %d has %v, the leader %v", i, got, want)}
		}
	}
	return nil
}
