package quorum

// Outcome is what has become of an event.
type Outcome uint8

// An event is pending until it is decided, once.
const (
	Pending Outcome = iota
	Won             // it has happened
	Lost            // it cannot happen any more
)

func (o Outcome) String() string { return [...]string{"pending", "won", "lost"}[o] }

// Event is something that tasks wait for. Any number of tasks, and of events
// made of events, may wait for the same one. It is implemented by the types of
// this package only.
type Event interface {
	// Err returns why the event is lost, and nil if it is not.
	Err() error
	outcome() Outcome
	attach(*listener)
	detach(*listener)
	// describe says what it is for a trace.
	describe(*WaitInfo)
}

// listener is one who waits for an event. It is embedded in the one who does,
// so that waiting allocates nothing.
type listener struct {
	on         *base // whose list it is in, if any
	prev, next *listener
	target     notified
}

// notified is told that an event has been decided.
type notified interface{ notify() }

// callback is a function that wants to be told.
type callback func()

func (f callback) notify() { f() }

// base is what events have in common: a decision and those who wait for it.
type base struct {
	rt         *Runtime
	first, end *listener
	err        error
	state      Outcome
}

func (b *base) outcome() Outcome { return b.state }

// Err returns why the event is lost, and nil if it is not.
func (b *base) Err() error { return b.err }

// Decided tells whether the event is won or lost.
func (b *base) Decided() bool { return b.state != Pending }

func (b *base) attach(l *listener) {
	l.on, l.prev, l.next = b, b.end, nil
	if b.end != nil {
		b.end.next = l
	} else {
		b.first = l
	}
	b.end = l
}

func (b *base) detach(l *listener) {
	if l.on != b {
		return
	}
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		b.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		b.end = l.prev
	}
	l.on, l.prev, l.next = nil, nil, nil
}

// win decides the event unless it is decided.
func (b *base) win() bool { return b.decide(Won, nil) }

// lose decides the event unless it is decided.
func (b *base) lose(err error) bool { return b.decide(Lost, err) }

func (b *base) decide(o Outcome, err error) bool {
	if b.state != Pending {
		return false
	}
	b.state, b.err = o, err
	b.tell()
	return true
}

// tell notifies all who wait, in the order in which they came.
func (b *base) tell() {
	for b.first != nil {
		l := b.first
		b.detach(l)
		l.target.notify()
	}
}
