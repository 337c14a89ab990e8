package stream

import "time"

const (
	// A window begins with the windowFirst-th part of what it can be, and is never less
	// than the windowLeast-th: where a disk syncs slowly, smaller requests are not answered
	// any earlier.
	windowFirst = 16
	windowLeast = 32
	// tripsPerTimeout: an answer should not take longer than this part of ElectionTimeout.
	// After half of that the request counts as lost, and after all of it so does the
	// follower.
	tripsPerTimeout = 4
	// nearDivisor: when answers take more than half of the trip time, a window grows so
	// many times more slowly.
	nearDivisor = 8
)

// window bounds the bytes that are on their way to one member: to about what is answered in
// the trip time, so that a long link is filled, and a narrow one does not get a queue in
// which everything, the next sign of the leader too, is late. Like TCP's, it grows while
// it is full and answers come in time, to twice as much in a trip, and shrinks at once.
type window struct {
	bytes, most uint64
	trip        time.Duration // how long an answer should take
	shrunk      time.Duration // when it last did: what was sent before says nothing new
}

func newWindow(o *Options) window {
	return window{bytes: o.WindowBytesMax / windowFirst, most: o.WindowBytesMax, trip: o.ElectionTimeout / tripsPerTimeout, shrunk: -1}
}

// sent is a request on its way.
type sent struct {
	at       time.Duration
	bytes    uint64
	underWay uint64 // with those that were sent before
}

// answered takes note of an answer.
func (w *window) answered(now time.Duration, s sent) {
	switch took := now - s.at; {
	case took > w.trip:
		w.shrink(now, s, max(0.5, float64(w.trip)/float64(took)))
	case s.underWay <= w.bytes/2:
		// It is not the window that bounds.
	case took > w.trip/2:
		w.set(w.bytes + s.bytes/nearDivisor)
	default:
		w.set(w.bytes + s.bytes)
	}
}

// lost takes note of a request that was not answered in time.
func (w *window) lost(now time.Duration, s sent) { w.shrink(now, s, 0.5) }

func (w *window) shrink(now time.Duration, s sent, to float64) {
	if s.at > w.shrunk {
		w.set(uint64(float64(w.bytes) * to))
		w.shrunk = now
	}
}

func (w *window) set(bytes uint64) { w.bytes = min(max(bytes, w.most/windowLeast, 1), w.most) }
