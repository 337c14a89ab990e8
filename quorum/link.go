package quorum

import (
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// linkState is where a link to a peer stands.
type linkState uint8

const (
	linkDown       linkState = iota
	linkConnecting           // dialled
	linkGreeting             // the handshake is under way
	linkUp
	linkRefusing // accepted; a refusal is being written, and then it ends
	linkResting  // dialling failed, or was refused: not before the pause is over
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
	peer     NodeID // of an accepted link 0 until it is welcome
	accepted bool
	stands   bool // it is counted among those with the peer
	state    linkState
	conn     env.Conn

	// What the handshake found out.
	claimed  NodeID // who the other side says it is
	instance uint64 // which of all processes with that name
	version  uint64
	nonce    uint64
	in, out  uint32 // seeds of frames

	outbox   []outgoing
	writing  []outgoing // what the connection has now
	pieces   [][]byte   // what that is made of
	free     [][]byte   // buffers for reuse
	bytes    int        // in outbox and writing
	inbox    inbox
	calls    map[uint64]*call
	handlers int // of requests that came in here, running
	flushing bool
	rest     timer // of the handshake or the pause
	pause    time.Duration
	why      error // there is a pause
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

// bufferBytesMax is the largest buffer that is kept for reuse, freeMax how many.
const (
	bufferBytesMax = 4 << 10
	freeMax        = 64
)

// release gives back a frame that is not needed any more.
func (l *link) release(o *outgoing) {
	l.bytes -= o.bytes
	if b := o.frame; cap(b) <= bufferBytesMax && len(l.free) < freeMax {
		l.free = append(l.free, b)
	}
	*o = outgoing{}
}

// messages counts what the bound is on.
func (l *link) messages() int {
	return max(len(l.outbox)+len(l.writing), len(l.calls))
}

// send puts a frame into the outbox, or refuses it.
func (l *link) send(out outgoing) error {
	o := &l.e.options
	if l.messages() >= o.OutboxMessagesMax || l.bytes+out.bytes > o.OutboxBytesMax || l.e.rt.Rare("quorum: outbox full") {
		l.e.stats.OutboxFull++
		return ErrOverloaded
	}
	if l.state == linkResting {
		return fmt.Errorf("%w: node %d: %w", ErrUnreachable, l.peer, l.why)
	}
	l.bytes += out.bytes
	l.e.stats.OutboxBytesPeak = max(l.e.stats.OutboxBytesPeak, l.bytes)
	l.outbox = append(l.outbox, out)
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
	l.pieces = l.pieces[:0]
	if l.e.rt.Rare("quorum: one frame at a time") {
		now = 1
	}
	for i := range now {
		o := &l.outbox[i]
		if o.call != nil && o.call.over {
			l.release(o) // nobody waits for it any more
			continue
		}
		if o.call != nil {
			o.call.sent = true
		}
		l.writing = append(l.writing, *o)
		l.pieces = append(append(l.pieces, sealFrame(o.frame, l.out)), o.more...)
	}
	rest := copy(l.outbox, l.outbox[now:])
	clear(l.outbox[rest:])
	l.outbox = l.outbox[:rest]
	if len(l.writing) > 0 {
		l.conn.Write(l.pieces)
	} else if rest > 0 {
		l.flushLater()
	}
}

// Connected implements env.Receiver.
func (l *link) Connected() {
	l.state = linkGreeting
	l.e.rt.timers.set(&l.rest, l, l.e.rt.now+l.e.options.HandshakeTimeout)
	l.greet()
}

// Written implements env.Receiver.
func (l *link) Written() {
	for i := range l.writing {
		l.release(&l.writing[i])
	}
	l.writing = l.writing[:0]
	clear(l.pieces)
	if l.state == linkRefusing {
		l.drop(ErrRefused)
		return
	}
	if len(l.outbox) > 0 {
		l.flushLater()
	}
}

// Closed implements env.Receiver.
func (l *link) Closed(err error) {
	if l.inbox.bytes() > 0 {
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
	failed := l.state == linkConnecting || l.state == linkGreeting
	l.e.rt.timers.cancel(&l.rest)
	l.state, l.conn, l.inbox, l.claimed = linkDown, nil, inbox{}, 0
	l.outbox, l.writing, l.pieces, l.bytes = nil, nil, nil, 0
	if l.accepted {
		l.e.forget(l)
	} else {
		if failed && !l.e.closed {
			l.restFor(err)
		}
		l.e.failCalls(l, err)
	}
	if l.stands {
		l.stands = false
		l.e.fell(l.peer)
	}
	l.e.left(l)
}

// restFor begins the pause after a connection that did not come about.
func (l *link) restFor(why error) {
	l.state, l.why = linkResting, why
	o := &l.e.options
	l.pause = min(max(2*l.pause, o.RedialMin), o.RedialMax)
	// Jitter, so that nodes that lost each other together do not meet again
	// and again.
	d := l.pause/2 + time.Duration(l.e.rt.host.Uint64()%uint64(l.pause))/2
	l.e.rt.timers.set(&l.rest, l, l.e.rt.now+d)
}

// expire is the end of a pause, or of the time for a handshake.
func (l *link) expire() {
	switch l.state {
	case linkResting:
		l.state = linkDown
	case linkGreeting, linkRefusing:
		l.drop(errNoHandshake)
	}
}

// errNoHandshake is the end of somebody who does not say who he is.
var errNoHandshake = errors.New("quorum: no handshake in time")
