package server

import (
	"container/list"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// waiters knows which connections wait for which keys, in the order in which they came.
//
// A transaction that makes a key ready serves who waits for it before it ends (handOff), so that what it has put
// there goes to the first of them and nobody else. It claims a waiter meanwhile, and lets go of it if it is run again or
// fails. Only a waiter that looks by itself cannot be claimed: one that has just come and looks again for
// what it may have missed. Nobody behind it is served before it; it is told when the transaction has executed,
// looks once more, and passes on what it does not take.
type waiters struct {
	registered atomic.Int64 // in any state
	parked     atomic.Int64 // those that have looked at least once since they came

	mu     sync.Mutex
	queues map[waitKey][]*waitQueue
}

type waitKey struct {
	db  int
	key string
}

// waitQueue are those who wait for the same key with commands of a group, whose values have one type: what the
// first cannot take, nobody behind it can.
type waitQueue struct {
	key   waitKey
	group string
	list  list.List // of *waiter
}

// waitState says who cares for a waiter.
type waitState uint8

const (
	looking  waitState = iota // its connection runs the call
	waiting                   // nobody: it can be claimed
	claimed                   // a transaction that serves it
	waitOver                  // it has its reply
)

// waiter is a connection that waits.
type waiter struct {
	call    *command.Call
	session *command.Session
	asked   godwit.Request // what the call is remembered as; its Client is 0 for nothing
	came    time.Time      // when its request was read
	wake    chan struct{}  // has something when its connection is to look at the state
	out     resp.Writer    // its reply; of whom the state says

	// Under the lock of waiters.
	places  []place
	state   waitState
	parked  bool
	told    [][]byte        // keys that may have something for it
	pending *godwit.Pending // what its reply rests on
	ended   ending
}

// place is where a waiter stands.
type place struct {
	queue *waitQueue
	at    *list.Element
}

// ending says why a waiter is not to wait any longer.
type ending uint8

const (
	endsNot       ending = iota
	endsElsewhere        // another node leads
	endsTimeout          // its time is over, or CLIENT UNBLOCK says so
	endsError            // CLIENT UNBLOCK ... ERROR
	endsGone             // its client has gone
)

func (w *waiters) init() { w.queues = map[waitKey][]*waitQueue{} }

// add puts a waiter that looks behind the others that came before it and wait for the same keys. It may be late: what it
// has looked at first took its time, and others were served meanwhile.
func (w *waiters) add(c *conn, call *command.Call) *waiter {
	one := &waiter{call: call, session: &c.session, asked: c.asked, came: c.began, wake: make(chan struct{}, 1)}
	if one.came.IsZero() { // it has waited for something else since
		one.came = time.Now()
	}
	one.out.Proto = c.session.Proto
	w.mu.Lock()
	defer w.mu.Unlock()
	w.registered.Add(1)
	seen := make(map[string]struct{}, len(call.Wait.Keys))
	for _, name := range call.Wait.Keys {
		key := waitKey{c.session.DB, string(name)}
		if _, ok := seen[key.key]; ok {
			continue
		}
		seen[key.key] = struct{}{}
		q := w.queue(key, call.Group)
		one.places = append(one.places, place{q, q.insert(one)})
	}
	return one
}

// insert puts a waiter behind those that came before it.
func (q *waitQueue) insert(one *waiter) *list.Element {
	before := q.list.Back()
	for before != nil && before.Value.(*waiter).came.After(one.came) { //nolint:forcetypeassert // nothing else is in it
		before = before.Prev()
	}
	if before == nil {
		return q.list.PushFront(one)
	}
	return q.list.InsertAfter(one, before)
}

// queue returns the queue of a key for a group of commands.
func (w *waiters) queue(key waitKey, group string) *waitQueue {
	for _, q := range w.queues[key] {
		if q.group == group {
			return q
		}
	}
	q := &waitQueue{key: key, group: group}
	w.queues[key] = append(w.queues[key], q)
	return q
}

// leave takes a waiter away. What it was told of may still be there, and if it has looked it may have left something:
// those behind it are to look.
func (w *waiters) leave(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.registered.Add(-1)
	if one.parked {
		w.parked.Add(-1)
	}
	w.dequeue(one)
}

func (w *waiters) dequeue(one *waiter) {
	looked := one.state == looking
	one.state = waitOver
	for _, p := range one.places {
		q := p.queue
		q.list.Remove(p.at)
		if q.list.Len() == 0 {
			w.drop(q)
		} else if name := []byte(q.key.key); looked || slices.ContainsFunc(one.told, func(t []byte) bool { return string(t) == q.key.key }) {
			q.first().tell(name)
		}
	}
	one.places = nil
}

func (w *waiters) drop(q *waitQueue) {
	left := slices.DeleteFunc(w.queues[q.key], func(other *waitQueue) bool { return other == q })
	if len(left) == 0 {
		delete(w.queues, q.key)
	} else {
		w.queues[q.key] = left
	}
}

func (q *waitQueue) first() *waiter {
	if e := q.list.Front(); e != nil {
		return e.Value.(*waiter) //nolint:forcetypeassert // nothing else is in it
	}
	return nil
}

// tell says that a key may have something for a waiter.
func (w *waiter) tell(key []byte) {
	if !slices.ContainsFunc(w.told, func(t []byte) bool { return string(t) == string(key) }) {
		w.told = append(w.told, key)
	}
	if w.state == waiting {
		w.state = looking
		w.notify()
	}
}

// notify makes the connection of a waiter look at its state.
func (w *waiter) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// concerned returns the queues of the keys that a change makes ready.
func (w *waiters) concerned(change keyspace.Change) []*waitQueue {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queuesOf(change)
}

func (w *waiters) queuesOf(change keyspace.Change) (queues []*waitQueue) {
	switch {
	case !change.Ready:
	case change.All:
		for key, some := range w.queues {
			if key.db == change.DB {
				queues = append(queues, some...)
			}
		}
	default:
		queues = append(queues, w.queues[waitKey{change.DB, string(change.Key)}]...)
	}
	return queues
}

// claim returns the first of a queue that waits, for a transaction to serve it. It is nil if there is none, or if
// one before it looks by itself.
func (w *waiters) claim(q *waitQueue) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := q.list.Front(); e != nil; e = e.Next() {
		switch one := e.Value.(*waiter); { //nolint:forcetypeassert // nothing else is in it
		case one.state == looking:
			return nil
		case one.state == waiting && one.ended == endsNot:
			one.state = claimed
			return one
		}
	}
	return nil
}

// release lets go of waiters that were claimed.
func (w *waiters) release(claims ...*waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range claims {
		one.state = waiting
		if len(one.told) > 0 {
			one.state = looking
		}
		if one.state == looking || one.ended != endsNot {
			one.notify()
		}
	}
}

// serve says that waiters that were claimed have their replies, when p is released. They go on when notify is called.
func (w *waiters) serve(claims []*waiter, p *godwit.Pending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range claims {
		one.pending = p
		w.dequeue(one)
	}
}

// ready says that the keys of a change may have something: the first who waits for each looks, but not if it is one of those
// who have looked already.
func (w *waiters) ready(change keyspace.Change, looked []*waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.queuesOf(change) {
		if first := q.first(); !slices.Contains(looked, first) {
			first.tell([]byte(q.key.key))
		}
	}
}

// rest makes a waiter that has looked wait, unless there is another key to look at, which it returns.
func (w *waiters) rest(one *waiter) (key []byte, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(one.told); n > 0 {
		key, one.told = one.told[0], one.told[1:]
		return key, true
	}
	one.state = waiting
	if !one.parked {
		one.parked = true
		w.parked.Add(1)
	}
	return nil, false
}

// end says that a waiter is not to wait any longer, and tells whether it waits.
func (w *waiters) end(one *waiter, why ending) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.state == waitOver {
		return false
	}
	one.ended = max(one.ended, why)
	one.notify()
	return true
}

// endAll says that nobody is to wait here any longer.
func (w *waiters) endAll(why ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, queues := range w.queues {
		for _, q := range queues {
			for e := q.list.Front(); e != nil; e = e.Next() {
				one := e.Value.(*waiter) //nolint:forcetypeassert // nothing else is in it
				one.ended = max(one.ended, why)
				one.notify()
			}
		}
	}
}

// look returns the state of a waiter. One that waits and is to end is over.
func (w *waiters) look(one *waiter) (waitState, ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.state == waiting && one.ended != endsNot {
		w.dequeue(one)
		return waitOver, one.ended
	}
	return one.state, one.ended
}
