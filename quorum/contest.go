package quorum

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// contest is the question which of two processes a node is: one that has come while
// another with the same name is connected. Either that one is gone, with its power or
// behind a network that said nothing, or two processes were given one name. It is
// asked whether it is there: if it answers, the newcomer is refused.
type contest struct {
	e        *Endpoint
	newcomer *link
	rivals   []*link // the connections of the other process that still stand
	number   uint64  // of the probe
	timer    timer
}

// probeTimeout is how long a process may take to say that it is there. One that is
// stopped for longer gives its name to a newcomer, and is refused when it comes back.
const probeTimeout = 500 * time.Millisecond

var errSilent = errors.New("it does not answer, and another process has come with its name")

// admit welcomes a link, or begins the contest of it with those of another process of
// the same name.
func (e *Endpoint) admit(l *link) {
	rivals := e.rivals(l)
	if len(rivals) == 0 {
		if l.accepted {
			e.replace(l)
		}
		l.welcome()
		return
	}
	e.number++
	c := &contest{e: e, newcomer: l, rivals: rivals, number: e.number}
	e.contests = append(e.contests, c)
	e.rt.timers.set(&c.timer, c, e.rt.now+probeTimeout)
	for _, r := range rivals {
		// One whose outbox is full says nothing, and may be gone.
		_ = r.send(bareFrame(frameProbe, c.number))
	}
}

// rivals lists the connections with other processes of the same name.
func (e *Endpoint) rivals(l *link) []*link {
	var rivals []*link
	is := func(o *link) bool { return o != l && o.stands && o.peer == l.claimed && o.instance != l.instance }
	if o := e.links[l.claimed]; o != nil && is(o) {
		rivals = append(rivals, o)
	}
	for _, o := range e.accepted {
		if is(o) {
			rivals = append(rivals, o)
		}
	}
	return rivals
}

// replace ends the accepted connections with the same process: if it dials again, it
// knows of the other's end before we do.
func (e *Endpoint) replace(l *link) {
	for _, o := range slices.Clone(e.accepted) {
		if o.stands && o.peer == l.claimed {
			o.drop(ErrConnClosed)
		}
	}
}

// alive is the answer to a probe.
func (e *Endpoint) alive(l *link, number uint64) {
	i := slices.IndexFunc(e.contests, func(c *contest) bool { return c.number == number && slices.Contains(c.rivals, l) })
	if i < 0 {
		return
	}
	c := e.contests[i]
	e.dropContest(c)
	c.newcomer.refuse(&RefusedError{Node: l.peer, Here: true, Reason: RefusedDuplicate,
		Text: fmt.Sprintf("another process is connected to node %d as node %d", e.id, l.peer)})
}

// expire is the end of the time for an answer.
func (c *contest) expire() {
	for _, r := range slices.Clone(c.rivals) {
		r.drop(errSilent) // which ends the contest, through left
	}
}

// left takes a link that has ended out of all contests.
func (e *Endpoint) left(l *link) {
	for _, c := range slices.Clone(e.contests) {
		if c.newcomer == l {
			e.dropContest(c)
			continue
		}
		i := slices.Index(c.rivals, l)
		if i < 0 {
			continue
		}
		if c.rivals = slices.Delete(c.rivals, i, i+1); len(c.rivals) == 0 && slices.Contains(e.contests, c) {
			e.dropContest(c)
			e.admit(c.newcomer) // there may be a third one meanwhile
		}
	}
}

func (e *Endpoint) dropContest(c *contest) {
	e.rt.timers.cancel(&c.timer)
	e.contests = slices.DeleteFunc(e.contests, func(x *contest) bool { return x == c })
}
