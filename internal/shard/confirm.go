package shard

import (
	"context"
	"time"

	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/speculate"
)

// What a transaction has only read can be shown when a majority has said, after it was executed, that it follows this leader:
// such a majority has followed nobody else before, so that the transaction has seen all that had been released anywhere when
// it began. That takes no round in the log, and is asked for all at once who wait for it. Of a transaction that has written its
// release says as much.

// askPause is how long a question may be under way before another one is asked. Who wants one meanwhile shares the next.
const askPause = time.Millisecond

// Wait returns nil when the results of a transaction can be shown: what it has done and read is released, and if it has only
// read, nobody else led before. See Leadership.Wait for the errors; ErrNotLeader: of one that has only read, that is not known.
func (x *Executed) Wait(ctx context.Context) error {
	if x.lead == nil {
		return nil
	}
	if !x.Wrote {
		x.Hurry()
		if err := x.lead.answers.Wait(ctx, speculate.Point(x.question)); err != nil {
			return err
		}
	}
	return x.lead.Wait(ctx, x.TS)
}

// Notify calls tell, once, with what Wait would return. It must not block.
func (x *Executed) Notify(tell func(error)) {
	if x.Wrote {
		x.lead.Notify(x.TS, tell)
		return
	}
	lead, ts := x.lead, x.TS
	lead.want(x.question, false)
	lead.answers.Notify(speculate.Point(x.question), func(err error) {
		if err != nil {
			tell(err)
			return
		}
		lead.Notify(ts, tell)
	})
}

// Released tells whether Wait would return nil at once.
func (x *Executed) Released() bool {
	return x.TS <= x.lead.Released() && (x.Wrote || speculate.Point(x.question) <= x.lead.answers.Frontier())
}

// Asks tells whether all that Wait waits for is the members' answer.
func (x *Executed) Asks() bool { return !x.Wrote && x.TS <= x.lead.Released() && !x.Released() }

// Hurry has the members asked though somebody holds (Hold), if Wait waits for their answer.
func (x *Executed) Hurry() {
	if !x.Wrote {
		x.lead.want(x.question, true)
	}
}

// want has the members asked a question: at once, or without hurry, if somebody holds what he executes (Hold), at the end of that.
// Any goroutine may call it.
func (l *Leadership) want(question uint64, hurry bool) {
	r := l.replica
	for before := l.wanted.Load(); before < question; before = l.wanted.Load() {
		if l.wanted.CompareAndSwap(before, question) {
			r.unasked.Store(true)
			break
		}
	}
	if (hurry || !r.gatherer.Held()) && r.unasked.Load() && r.unasked.Swap(false) {
		r.rt.Post(r.ask)
	}
}

// ask has askWanted look. It is for tasks.
func (r *Replica) ask() { r.asking.Advance(r.asking.Value() + 1) }

// askWanted asks the questions that somebody wants answered.
func (r *Replica) askWanted(ctx context.Context, l *Leadership) error {
	for {
		seen := r.asking.Value()
		if l.wanted.Load() < l.group.Question() {
			if err := r.asking.Wait(ctx, seen+1); err != nil {
				return err
			}
			continue
		}
		question := r.group.Ask(l.group)
		if err := r.pause(ctx, l.group.Confirmed().Reached(question), askPause); err != nil {
			return err
		}
	}
}

// noteAnswers lets out what has only been read. What it has read of may be an earlier leader's, and is durable for certain when
// the leadership is opened.
func (r *Replica) noteAnswers(ctx context.Context, l *Leadership) error {
	if err := quorum.Wait(ctx, l.group.Opened); err != nil {
		return err
	}
	for confirmed := l.group.Confirmed(); ; {
		if err := confirmed.Wait(ctx, uint64(l.answers.Frontier())+1); err != nil {
			return err
		}
		if l.group.Ended.Decided() || r.leading.Load() != l {
			return nil
		}
		l.answers.Advance(speculate.Point(confirmed.Value()))
	}
}
