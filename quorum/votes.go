package quorum

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Votes collects one reply of each of some nodes. Rules say what is to be made
// of them: each Rule is an event, and all of them look at the same votes.
type Votes[T any] struct {
	rt    *Runtime
	name  string
	votes []vote[T]
	rules []*Rule[T]
	in    int // votes that are in
	late  func(from NodeID, reply T, err error)
	calls []*Value[T] // where votes come from, to be dropped

	// Room for the common case, so that a set of votes is one allocation.
	voteRoom [5]vote[T]
	ruleRoom [2]*Rule[T]
	rule     Rule[T]
}

type vote[T any] struct {
	from  NodeID
	in    bool
	err   error
	reply T
}

// NewVotes returns an empty set of votes of these nodes. name is for traces.
func NewVotes[T any](ctx context.Context, name string, voters []NodeID) *Votes[T] {
	v := &Votes[T]{rt: scopeOf(ctx).rt, name: name}
	v.votes = v.voteRoom[:0]
	v.rules = v.ruleRoom[:0]
	for _, n := range voters {
		v.votes = append(v.votes, vote[T]{from: n})
	}
	return v
}

// Rule is an event that is won when enough nodes have voted the right way, and
// lost when that cannot be any more.
type Rule[T any] struct {
	base
	votes   *Votes[T]
	need    int
	accept  func(from NodeID, reply T) bool
	yes, no int
}

// Need returns the rule that need nodes reply, and that accept takes their
// replies; nil takes any. A vote against is an error or a reply that is not
// accepted. accept is called once for each reply.
func (v *Votes[T]) Need(need int, accept func(from NodeID, reply T) bool) *Rule[T] {
	r := &v.rule
	if r.votes != nil {
		r = &Rule[T]{}
	}
	r.rt, r.votes, r.need, r.accept = v.rt, v, need, accept
	v.rules = append(v.rules, r)
	for i := range v.votes {
		if v.votes[i].in {
			r.count(&v.votes[i])
		}
	}
	r.judge()
	return r
}

// Majority is Need for more than half of the voters.
func (v *Votes[T]) Majority(accept func(from NodeID, reply T) bool) *Rule[T] {
	return v.Need(len(v.votes)/2+1, accept)
}

// Add counts a node's vote; an err counts against every rule. It returns false
// for a node that has voted already or that has no vote. It may come at any
// time: a vote that decides nothing any more is kept with the others and shown
// to OnLate.
func (v *Votes[T]) Add(from NodeID, reply T, err error) bool {
	i := slices.IndexFunc(v.votes, func(x vote[T]) bool { return x.from == from })
	if i < 0 || v.votes[i].in {
		return false
	}
	x := &v.votes[i]
	x.in, x.reply, x.err = true, reply, err
	v.in++
	late := len(v.rules) > 0 && v.decided()
	for _, r := range v.rules {
		r.count(x)
		r.judge()
	}
	if late && v.late != nil {
		v.late(from, reply, err)
	}
	return true
}

// AddEvent makes the outcome of an event a node's vote, whenever it is decided:
// the node's own disk is one voter among the others.
func (v *Votes[T]) AddEvent(from NodeID, reply T, e Event) {
	add := callback(func() { v.Add(from, reply, e.Err()) })
	if e.outcome() != Pending {
		add()
		return
	}
	e.attach(&listener{target: add})
}

// addValue makes the reply in a Value a node's vote.
func (v *Votes[T]) addValue(from NodeID, x *Value[T]) {
	if x.state != Pending {
		v.Add(from, x.v, x.err)
		return
	}
	v.calls = append(v.calls, x)
	x.attach(&listener{target: callback(func() { v.Add(from, x.v, x.err) })})
}

// OnLate makes f be called with each vote that comes when every rule is
// decided.
func (v *Votes[T]) OnLate(f func(from NodeID, reply T, err error)) { v.late = f }

// Drop gives up the votes that are not in: what they occupy in outboxes is given
// back, and they count as lost.
func (v *Votes[T]) Drop() {
	for _, c := range v.calls {
		c.Drop()
	}
	v.calls = nil
}

// In returns how many votes are in, errors included.
func (v *Votes[T]) In() int { return v.in }

// Replies goes through the votes that are in and are not errors, in the order
// of the voters.
func (v *Votes[T]) Replies() iter.Seq2[NodeID, T] {
	return func(yield func(NodeID, T) bool) {
		for i := range v.votes {
			if x := &v.votes[i]; x.in && x.err == nil && !yield(x.from, x.reply) {
				return
			}
		}
	}
}

// Errors joins the errors among the votes that are in.
func (v *Votes[T]) Errors() error {
	var errs []error
	for i := range v.votes {
		if x := &v.votes[i]; x.err != nil {
			errs = append(errs, fmt.Errorf("node %d: %w", x.from, x.err))
		}
	}
	return errors.Join(errs...)
}

func (v *Votes[T]) decided() bool {
	for _, r := range v.rules {
		if r.state == Pending {
			return false
		}
	}
	return true
}

func (r *Rule[T]) count(x *vote[T]) {
	if x.err == nil && (r.accept == nil || r.accept(x.from, x.reply)) {
		r.yes++
	} else {
		r.no++
	}
}

// judge decides the rule as early as it is certain.
func (r *Rule[T]) judge() {
	switch {
	case r.state != Pending:
	case r.yes >= r.need:
		r.win()
	case r.no > len(r.votes.votes)-r.need:
		r.lose(ErrLost)
	}
}

// Yes returns how many votes the rule has accepted.
func (r *Rule[T]) Yes() int { return r.yes }

// Wait waits until the rule is decided.
func (r *Rule[T]) Wait(ctx context.Context) error { return Wait(ctx, r) }

func (r *Rule[T]) describe(w *WaitInfo) {
	w.Kind, w.What, w.K, w.N = KindQuorum, r.votes.name, r.need, len(r.votes.votes)
	w.Peers = w.Peers[:0]
	for i := range r.votes.votes {
		w.Peers = append(w.Peers, r.votes.votes[i].from)
	}
}
