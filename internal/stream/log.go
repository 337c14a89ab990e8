package stream

import (
	"slices"
	"sort"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// roundOverheadBytes is what a round is counted for beside its payload.
const roundOverheadBytes = 64

func sizeOf(r *wal.Round) uint64 { return roundOverheadBytes + uint64(len(r.Payload)) }

// span is the part of a log that has one epoch: it begins with a barrier and ends
// where the next one begins.
type span struct {
	first     wal.RoundNumber
	epoch     wal.Epoch
	watermark hlc.Timestamp // of its last round
}

// head is what is kept of a round that may still be dropped.
type head struct {
	watermark hlc.Timestamp
	end       uint64 // size of all rounds up to this one, from some beginning
}

// log is what a member knows of its log without looking at the disk: the newest rounds,
// what may still change, and which epochs lie where.
type log struct {
	base    wal.Base
	spans   []span
	headsAt wal.RoundNumber // of heads[0]
	heads   []head
	tail    []wal.Round // the newest ones, up to the last
	tailLen uint64      // their size
	members []placed    // of the rounds of kind RoundMembers
}

// placed is the membership from a round on.
type placed struct {
	number wal.RoundNumber
	Members
}

// newLog returns a log that goes on behind base.
func newLog(base wal.Base, m Members) *log {
	return &log{base: base, headsAt: base.Number, heads: []head{{watermark: base.Watermark}}, members: []placed{{base.Number, m}}}
}

func (l *log) last() wal.RoundNumber { return l.headsAt + wal.RoundNumber(len(l.heads)) - 1 }

// tailAt returns the number of the first round in memory.
func (l *log) tailAt() wal.RoundNumber { return l.last() + 1 - wal.RoundNumber(len(l.tail)) }

func (l *log) lastEpoch() wal.Epoch {
	if n := len(l.spans); n > 0 {
		return l.spans[n-1].epoch
	}
	return l.base.Epoch
}

// lastWatermark returns the watermark of the last round.
func (l *log) lastWatermark() hlc.Timestamp { return l.heads[len(l.heads)-1].watermark }

// position is the end of a log; logs are compared by it.
func (l *log) position() position { return position{l.lastEpoch(), l.last()} }

// epoch returns the epoch of a round; ok is false if it is not known.
func (l *log) epoch(n wal.RoundNumber) (e wal.Epoch, ok bool) {
	switch {
	case n == l.base.Number:
		return l.base.Epoch, true
	case n < l.base.Number || n > l.last():
		return 0, false
	}
	return l.spans[l.spanOf(n)].epoch, true
}

// spanOf returns the index of the span that a round is in.
func (l *log) spanOf(n wal.RoundNumber) int {
	return sort.Search(len(l.spans), func(i int) bool { return l.spans[i].first > n }) - 1
}

// note appends a round that is not kept in memory.
func (l *log) note(r *wal.Round, payloadBytes uint64) {
	if n := len(l.spans); n == 0 || l.spans[n-1].epoch != r.Epoch {
		if r.Epoch < l.lastEpoch() {
			panic("stream: a round of an earlier epoch behind one of a later")
		}
		l.spans = append(l.spans, span{first: r.Number, epoch: r.Epoch})
	}
	l.spans[len(l.spans)-1].watermark = r.Watermark
	l.heads = append(l.heads, head{r.Watermark, l.heads[len(l.heads)-1].end + roundOverheadBytes + payloadBytes})
	if m := (Members{}); r.Kind == wal.RoundMembers && quorum.Decode(r.Payload, &m) == nil {
		l.members = append(l.members, placed{r.Number, m})
	}
}

// append puts a round behind the others.
func (l *log) append(r wal.Round) {
	l.note(&r, uint64(len(r.Payload)))
	l.tail = append(l.tail, r)
	l.tailLen += sizeOf(&r)
}

// truncate drops the rounds from n on. They are not durable, so their heads are there.
func (l *log) truncate(n wal.RoundNumber) {
	for len(l.tail) > 0 && l.last() >= n {
		end := len(l.tail) - 1
		l.tailLen -= sizeOf(&l.tail[end])
		l.tail = l.tail[:end]
		l.heads = l.heads[:len(l.heads)-1]
	}
	l.tail = slices.Clip(l.tail) // who holds some of the others keeps them as they are
	l.heads = l.heads[:n-l.headsAt]
	for len(l.spans) > 0 && l.spans[len(l.spans)-1].first >= n {
		l.spans = l.spans[:len(l.spans)-1]
	}
	if i := len(l.spans) - 1; i >= 0 {
		l.spans[i].watermark = l.heads[len(l.heads)-1].watermark
	}
	for l.members[len(l.members)-1].number >= n {
		l.members = l.members[:len(l.members)-1]
	}
}

// settle forgets what is needed only to drop rounds behind commit.
func (l *log) settle(commit wal.RoundNumber) {
	if n := int(commit - l.headsAt); n > len(l.heads)/2 {
		l.headsAt += wal.RoundNumber(n)
		l.heads = slices.Clone(l.heads[n:])
	}
}

// backlog returns the size of the rounds behind a number that has a head.
func (l *log) backlog(n wal.RoundNumber) uint64 {
	return l.heads[len(l.heads)-1].end - l.heads[n-l.headsAt].end
}

// evict forgets the oldest rounds, as far as they are on the disk, when all have more
// bytes than that: a quarter of them at once, so that it is not done for each.
func (l *log) evict(bytesMax uint64, written wal.RoundNumber) {
	if l.tailLen <= bytesMax {
		return
	}
	n := 0
	for l.tailLen > bytesMax-bytesMax/4 && n < len(l.tail) && l.tail[n].Number <= written {
		l.tailLen -= sizeOf(&l.tail[n])
		n++
	}
	l.tail = slices.Clone(l.tail[n:]) // some have got a part of it, which stays as it is
}

// from returns rounds from n on, as many as fit and at least one if there is one; ok is
// false if they are not in memory.
func (l *log) from(n wal.RoundNumber, bytesMax int) (rounds []wal.Round, ok bool) {
	if n > l.last() {
		return nil, true
	}
	if n < l.tailAt() {
		return nil, false
	}
	rest := l.tail[n-l.tailAt():]
	return rest[:fit(rest, bytesMax):fit(rest, bytesMax)], true
}

// fit returns how many of the rounds have so many bytes: at least one.
func fit(rounds []wal.Round, bytesMax int) int {
	bytes := uint64(0)
	for i := range rounds {
		if bytes += sizeOf(&rounds[i]); i > 0 && bytes > uint64(bytesMax) {
			return i
		}
	}
	return len(rounds)
}

// sound returns those of the rounds, read from the disk, that are the log's.
func (l *log) sound(from wal.RoundNumber, rounds []wal.Round) []wal.Round {
	for i := range rounds {
		n := from + wal.RoundNumber(i)
		if e, ok := l.epoch(n); !ok || n == l.base.Number || rounds[i].Number != n || rounds[i].Epoch != e {
			return rounds[:i]
		}
	}
	return rounds
}

// final returns the final watermarks that are fixed when all up to commit is durable.
func (l *log) finals(commit wal.RoundNumber) []Final {
	var f []Final
	before := span{epoch: l.base.Epoch, watermark: l.base.Watermark}
	for _, s := range l.spans {
		if s.first > commit {
			break
		}
		if s.epoch != before.epoch && before.epoch > 0 {
			f = append(f, Final{before.epoch, s.first - 1, before.watermark})
		}
		before = s
	}
	return f
}

// membershipAt returns who the members are according to the log up to a round, and
// where that is said.
func (l *log) membershipAt(n wal.RoundNumber) placed {
	for _, p := range slices.Backward(l.members) {
		if p.number <= n {
			return p
		}
	}
	return l.members[0]
}

// discard forgets the rounds before n, which are durable.
func (l *log) discard(n wal.RoundNumber) {
	if n <= l.base.Number+1 {
		return
	}
	at := l.spanOf(n - 1)
	base := wal.Base{Number: n - 1, Epoch: l.spans[at].epoch, Watermark: l.spans[at].watermark}
	if n > l.headsAt {
		base.Watermark = l.heads[n-1-l.headsAt].watermark
	}
	if at+1 < len(l.spans) && l.spans[at+1].first == n || n > l.last() {
		at++
	}
	m := l.membershipAt(n - 1).Members
	l.base, l.spans = base, slices.Clone(l.spans[at:])
	if len(l.spans) > 0 {
		l.spans[0].first = max(l.spans[0].first, n)
	}
	l.members = append([]placed{{n - 1, m}}, slices.DeleteFunc(l.members, func(p placed) bool { return p.number < n })...)
}
