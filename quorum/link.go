package quorum

import (
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// linkState is where a link to a peer stands.
type linkState uint8

const (
	linkDown       linkState = iota
	linkConnecting           // dialled
	linkUp
	linkResting // dialling failed: not before the pause is over
)

// link is one side of one connection at a time, with its outbox. A link that was
// dialled carries requests and gets replies; it dials again when there is
// something to send. One that was accepted gets requests and carries replies;
// it ends with its connection.
//
// The outbox holds frames that wait to be written or are being written. Its
// bound is on those and, for a link that was dialled, on the calls that wait for
// a reply too: a peer that has stopped never costs more.
type link struct {
	e        *Endpoint
	peer     NodeID
	accepted bool
	stands   bool // it is counted among those with the peer
	state    linkState
	conn     env.Conn

	outbox   []outgoing
	writing  [][]byte // what the connection has now
	free     [][]byte // buffers for reuse
	bytes    int      // in outbox and writing
	inbox    []byte   // the beginning of a frame that has not all arrived
	calls    map[uint64]*call
	handlers int // of requests that came in here, running
	flushing bool
	rest     timer
	pause    time.Duration
}

// outgoing is a frame in an outbox.
type outgoing struct {
	frame []byte
	call  *call // of a request
}

// buffer returns an empty buffer.
func (l *link) buffer() []byte {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b[:0]
	}
	return nil
}

// inboxBytesMax is the largest empty inbox that is kept.
const inboxBytesMax = 64 << 10

// bufferBytesMax is the largest buffer that is kept for reuse, freeMax how many.
const (
	bufferBytesMax = 4 << 10
	freeMax        = 64
)

func (l *link) release(b []byte) {
	l.bytes -= len(b)
	if cap(b) <= bufferBytesMax && len(l.free) < freeMax {
		l.free = append(l.free, b)
	}
}

// messages counts what the bound is on.
func (l *link) messages() int {
	return max(len(l.outbox)+len(l.writing), len(l.calls))
}

// send puts a frame into the outbox, or refuses it.
func (l *link) send(frame []byte, c *call) error {
	o := &l.e.options
	if l.messages() >= o.OutboxMessagesMax || l.bytes+len(frame) > o.OutboxBytesMax || l.e.rt.Rare("quorum: outbox full") {
		l.e.stats.OutboxFull++
		return ErrOverloaded
	}
	if l.state == linkResting {
		return ErrUnreachable
	}
	l.bytes += len(frame)
	l.e.stats.OutboxBytesPeak = max(l.e.stats.OutboxBytesPeak, l.bytes)
	l.outbox = append(l.outbox, outgoing{frame, c})
	if l.state == linkDown {
		l.state = linkConnecting
		l.conn = l.e.network.Dial(l.peer, l)
	}
	l.flushLater()
	return nil
}

// flushLater makes the outbox be written at the end of the round: all that the
// tasks of a round have to say goes out in one piece.
func (l *link) flushLater() {
	if !l.flushing {
		l.flushing = true
		l.e.rt.flushes = append(l.e.rt.flushes, l)
	}
}

func (l *link) flush() {
	l.flushing = false
	if l.state != linkUp || len(l.writing) > 0 || len(l.outbox) == 0 {
		return
	}
	if l.e.rt.Rare("quorum: connection breaks") {
		l.drop(ErrConnClosed)
		return
	}
	now := len(l.outbox)
	if l.e.rt.Rare("quorum: one frame at a time") {
		now = 1
	}
	for i := range now {
		o := &l.outbox[i]
		if o.call != nil && o.call.over {
			l.release(o.frame) // nobody waits for it any more
			continue
		}
		if o.call != nil {
			o.call.sent = true
		}
		l.writing = append(l.writing, o.frame)
	}
	rest := copy(l.outbox, l.outbox[now:])
	clear(l.outbox[rest:])
	l.outbox = l.outbox[:rest]
	if len(l.writing) > 0 {
		l.conn.Write(l.writing)
	} else if rest > 0 {
		l.flushLater()
	}
}

// Connected implements env.Receiver.
func (l *link) Connected() {
	l.state = linkUp
	l.pause = 0
	l.stands = true
	l.e.stands(l.peer)
	hello := endFrame(beginFrame(nil, &frame{kind: frameHello, number: uint64(l.e.rt.id), method: l.e.options.Cluster}))
	l.bytes += len(hello)
	l.outbox = append([]outgoing{{frame: hello}}, l.outbox...)
	l.flushLater()
}

// Written implements env.Receiver.
func (l *link) Written() {
	for i, b := range l.writing {
		l.release(b)
		l.writing[i] = nil
	}
	l.writing = l.writing[:0]
	if len(l.outbox) > 0 {
		l.flushLater()
	}
}

// Received implements env.Receiver.
func (l *link) Received(data []byte) {
	if len(l.inbox) > 0 {
		l.inbox = append(l.inbox, data...)
		data = l.inbox
	}
	for l.state == linkUp {
		bytesMax := l.e.options.FrameBytesMax
		if l.accepted && l.peer == 0 {
			bytesMax = min(bytesMax, helloBytesMax)
		}
		f, n, err := readFrame(data, bytesMax)
		if err == nil && n == 0 {
			break
		}
		if err == nil {
			err = l.take(&f)
		}
		if err != nil {
			l.e.stats.BadFrames++
			l.drop(err)
			return
		}
		data = data[n:]
	}
	if l.state != linkUp {
		return // what was received closed it
	}
	if cap(l.inbox) > inboxBytesMax && len(data) == 0 {
		l.inbox = nil
	}
	l.inbox = append(l.inbox[:0], data...)
}

// take handles one frame.
func (l *link) take(f *frame) error {
	switch {
	case !l.accepted:
		if f.kind != frameReply && f.kind != frameFailure {
			return errUnexpected
		}
		l.e.reply(l, f)
	case l.peer == 0:
		if f.kind != frameHello {
			return errUnexpected
		}
		if f.method != l.e.options.Cluster || f.number == 0 || f.number > 1<<32-1 || !l.e.known(NodeID(f.number)) {
			l.e.stats.UnknownNodes++
			return ErrUnknownNode
		}
		l.e.welcome(l, NodeID(f.number))
	default:
		if f.kind != frameRequest {
			return errUnexpected
		}
		l.e.serve(l, f)
	}
	return nil
}

// errUnexpected is a good frame at the wrong place.
var errUnexpected = errors.New("quorum: unexpected frame")

// Closed implements env.Receiver.
func (l *link) Closed(err error) {
	if len(l.inbox) > 0 {
		l.e.stats.CutFrames++
	}
	l.end(err)
}

// drop closes the connection from this side.
func (l *link) drop(err error) {
	l.conn.Close()
	l.end(err)
}

// end is the end of a connection: calls fail, those that were sent with an
// error that says so.
func (l *link) end(err error) {
	failed := l.state == linkConnecting
	l.state, l.conn, l.inbox = linkDown, nil, nil
	l.outbox, l.writing, l.bytes = nil, nil, 0
	if l.stands {
		l.stands = false
		defer l.e.fell(l.peer) // what is told of it finds the link as it is then
	}
	if l.accepted {
		l.e.forget(l)
		return
	}
	if failed && !l.e.closed {
		l.state = linkResting
		o := &l.e.options
		l.pause = min(max(2*l.pause, o.RedialMin), o.RedialMax)
		// Jitter, so that nodes that lost each other together do not meet again
		// and again.
		d := l.pause/2 + time.Duration(l.e.rt.host.Uint64()%uint64(l.pause))/2
		l.e.rt.timers.set(&l.rest, l, l.e.rt.now+d)
	}
	l.e.failCalls(l, err)
}

// expire is the end of a pause after a failed dial.
func (l *link) expire() {
	if l.state == linkResting {
		l.state = linkDown
	}
}
