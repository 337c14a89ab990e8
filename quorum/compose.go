package quorum

import (
	"context"
	"errors"
)

// Group is an event made of events: won when k of them are, lost when k of them
// cannot be any more. It listens to them only while somebody listens to it, so
// one that is forgotten leaves nothing behind in events that live on.
type Group struct {
	base
	members   []member
	need      int
	listening int  // listeners of the group itself
	first     bool // Select: decided by the first decision, whatever it is
}

type member struct {
	event    Event
	listener listener
}

// And is won when all events are, and lost as soon as one is.
func And(events ...Event) *Group { return newGroup(len(events), events) }

// Or is won as soon as one event is, and lost when all are.
func Or(events ...Event) *Group { return newGroup(1, events) }

// KofN is won when k of the events are, and lost when that cannot be any more.
func KofN(k int, events ...Event) *Group { return newGroup(k, events) }

func newGroup(need int, events []Event) *Group {
	g := &Group{need: need, members: make([]member, len(events))}
	for i, e := range events {
		g.members[i].event = e
		g.members[i].listener.target = g
	}
	return g
}

// Select waits until one of the events is decided and returns the index of the
// first that is. Its error is that of waiting; that the event is lost is not
// one.
func Select(ctx context.Context, events ...Event) (int, error) {
	for i, e := range events {
		if e.outcome() != Pending && scopeOf(ctx).err == nil {
			return i, nil
		}
	}
	g := newGroup(1, events)
	g.first = true
	if err := Wait(ctx, g); err != nil {
		return -1, err
	}
	for i, e := range events {
		if e.outcome() != Pending {
			return i, nil
		}
	}
	panic("quorum: Select woke up for nothing")
}

// count returns how many members are won and lost.
func (g *Group) count() (won, lost int) {
	for i := range g.members {
		switch g.members[i].event.outcome() {
		case Won:
			won++
		case Lost:
			lost++
		}
	}
	return won, lost
}

func (g *Group) outcome() Outcome {
	if g.state == Pending {
		won, lost := g.count()
		switch {
		case g.first && won+lost > 0, won >= g.need:
			g.state = Won
		case lost > len(g.members)-g.need:
			g.state, g.err = Lost, g.why()
		}
	}
	return g.state
}

// why joins the errors of the members that are lost.
func (g *Group) why() error {
	var errs []error
	for i := range g.members {
		if e := g.members[i].event; e.outcome() == Lost {
			errs = append(errs, e.Err())
		}
	}
	return errors.Join(append([]error{ErrLost}, errs...)...)
}

// Decided tells whether the group is won or lost.
func (g *Group) Decided() bool { return g.outcome() != Pending }

// Err returns why the group is lost: ErrLost and the errors of its members.
func (g *Group) Err() error {
	g.outcome()
	return g.err
}

// notify is a member's call.
func (g *Group) notify() {
	if g.outcome() != Pending {
		g.release()
		g.listening = 0
		g.tell()
	}
}

func (g *Group) attach(l *listener) {
	g.base.attach(l)
	if g.listening++; g.listening == 1 {
		for i := range g.members {
			if m := &g.members[i]; m.event.outcome() == Pending {
				m.event.attach(&m.listener)
			}
		}
	}
}

func (g *Group) detach(l *listener) {
	if l.on != &g.base {
		return
	}
	g.base.detach(l)
	if g.listening--; g.listening == 0 {
		g.release()
	}
}

// release stops listening to the members.
func (g *Group) release() {
	for i := range g.members {
		m := &g.members[i]
		if m.listener.on != nil {
			m.event.detach(&m.listener)
		}
	}
}

func (g *Group) describe(w *WaitInfo) {
	w.Kind, w.K, w.N = KindGroup, g.need, len(g.members)
	for i := range g.members {
		var part WaitInfo
		g.members[i].event.describe(&part)
		w.Parts = append(w.Parts, part)
	}
}
