package quorum

import "errors"

// inbox is the beginning of a frame that has not all arrived. A large one has a
// buffer of its own from when its head is there: the rest is received into that, and
// who handles the frame keeps it, so that the bytes are not copied again.
type inbox struct {
	part  []byte // of a small frame
	large []byte // as long as the frame
	have  int    // of large
}

const (
	// inboxBytesMax is the largest empty inbox that is kept.
	inboxBytesMax = 64 << 10
	// largeBytesMin is the smallest frame that gets a buffer of its own. A peer can
	// make us allocate one of FrameBytesMax by a head; a stranger cannot.
	largeBytesMin = 16 << 10
)

// bytes returns how many bytes of a frame have arrived.
func (i *inbox) bytes() int { return len(i.part) + i.have }

// take puts together what has arrived before and data. It returns nothing while a
// large frame is not complete, and then that frame alone, with what follows it.
func (i *inbox) take(data []byte) (ready, rest []byte, owned bool) {
	if i.large != nil {
		room := i.large[i.have:]
		n := min(len(room), len(data))
		if &room[0] != &data[0] { // else it was received there
			copy(room, data[:n])
		}
		if i.have += n; i.have < len(i.large) {
			return nil, nil, false
		}
		ready = i.large
		i.large, i.have = nil, 0
		return ready, data[n:], true
	}
	if len(i.part) > 0 {
		i.part = append(i.part, data...)
		data = i.part
	}
	return data, nil, false
}

// keep stores the beginning of a frame of n bytes; 0 if that is not known yet.
func (i *inbox) keep(data []byte, n int) {
	if n >= largeBytesMin {
		i.large, i.have = make([]byte, n), len(data)
		copy(i.large, data)
		i.part = i.part[:0]
		return
	}
	if cap(i.part) > inboxBytesMax && len(data) == 0 {
		i.part = nil
	}
	i.part = append(i.part[:0], data...)
}

// Buffer implements env.Filler.
func (l *link) Buffer() []byte {
	if l.inbox.large == nil {
		return nil
	}
	return l.inbox.large[l.inbox.have:]
}

// Received implements env.Receiver.
func (l *link) Received(data []byte) {
	for len(data) > 0 && (l.state == linkUp || l.state == linkGreeting) {
		ready, rest, owned := l.inbox.take(data)
		if ready == nil {
			return
		}
		// A frame alone in its buffer has nothing behind it to be kept.
		if ready, data = l.frames(ready, owned), rest; owned {
			continue
		}
		if l.state == linkUp || l.state == linkGreeting {
			l.inbox.keep(ready, l.expected(ready))
		}
	}
}

// frames takes all frames at the beginning of data and returns the rest, which is the
// beginning of one more, unless the link has ended.
func (l *link) frames(data []byte, owned bool) []byte {
	for l.state == linkUp || l.state == linkGreeting {
		seed, bytesMax := l.reading()
		f, n, err := readFrame(data, seed, bytesMax)
		if err == nil && (n == 0 || n > len(data)) {
			break
		}
		if err == nil {
			f.owned = owned
			err = l.take(&f)
		}
		if err != nil {
			l.e.stats.BadFrames++
			l.drop(err)
			return nil
		}
		data = data[n:]
	}
	return data
}

// reading returns the seed of the frames that come, and how long they may be.
func (l *link) reading() (seed uint32, bytesMax int) {
	if l.claimed == 0 { // nobody has said anything yet
		return 0, handshakeBytesMax
	}
	return l.in, l.e.options.FrameBytesMax
}

// expected returns how long the frame is that begins like this, 0 if that is not
// known yet.
func (l *link) expected(data []byte) int {
	seed, bytesMax := l.reading()
	n, err := readHead(data, seed, bytesMax)
	if err != nil {
		return 0 // frames has looked at it: it is good
	}
	return n
}

// take handles one frame.
func (l *link) take(f *frame) error {
	switch {
	case l.state == linkGreeting:
		return l.shake(f)
	case f.kind == frameProbe:
		// One that does not fit into the outbox is as good as lost.
		_ = l.send(bareFrame(frameAlive, f.number))
	case f.kind == frameAlive:
		l.e.alive(l, f.number)
	case l.accepted && f.kind == frameRequest:
		l.e.serve(l, f)
	case !l.accepted && (f.kind == frameReply || f.kind == frameFailure):
		l.e.reply(l, f)
	default:
		return errUnexpected
	}
	return nil
}

// errUnexpected is a good frame at the wrong place.
var errUnexpected = errors.New("quorum: unexpected frame")
