package quorum

import "time"

// Kind says what is waited for.
type Kind uint8

// The kinds of events.
const (
	KindValue  Kind = iota + 1 // something that another task of the node does
	KindTime                   // a time
	KindTask                   // the end of a task
	KindReply                  // one node's reply
	KindQuorum                 // the replies of k of n nodes
	KindDisk                   // a write of the own disk
	KindJob                    // another job
	KindLock                   // a lock
	KindQueue                  // an item in, or room in, a queue
	KindGroup                  // k of n events
)

func (k Kind) String() string {
	names := [...]string{"none", "value", "time", "task", "reply", "quorum", "disk", "job", "lock", "queue", "group"}
	if int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// WaitInfo describes one wait.
type WaitInfo struct {
	At      time.Duration // when it began, by Runtime.Elapsed
	Node    NodeID        // where
	Task    string        // who, by name
	TaskID  uint64        // who, of those with the same name
	Kind    Kind
	What    string   // what the event was named
	K, N    int      // it takes K of N
	Peer    NodeID   // KindReply: whose
	Peers   []NodeID // KindQuorum: whose, if they are known
	Max     int      // KindQueue: its bound, 0 for none
	Bounded bool     // a timeout or a deadline ends the wait
	Locks   int      // locks that the task holds
	Parts   []WaitInfo
}

// Tracer is shown every wait of a Runtime.
type Tracer interface {
	// Wait is called when a task begins to wait. The WaitInfo is good until it
	// returns.
	Wait(w *WaitInfo)
	// Woken is called when that task goes on.
	Woken(taskID uint64, at time.Duration)
}

// Trace shows every wait from now on to a Tracer; nil ends it.
func (r *Runtime) Trace(t Tracer) { r.tracer = t }

func (r *Runtime) traceBegin(t *Task, s *scope, e Event, limit time.Duration) {
	w := &r.info
	peers := w.Peers[:0]
	*w = WaitInfo{At: r.now, Node: r.id, Task: t.name, TaskID: t.id, Bounded: limit >= 0 || s.bounded, Locks: t.locks, Peers: peers}
	e.describe(w)
	r.tracer.Wait(w)
}

func (r *Runtime) traceEnd(t *Task) { r.tracer.Woken(t.id, r.now) }

// traceUnbounded shows that something goes into a queue without a bound, whether
// or not anybody ever has to wait for it.
func (r *Runtime) traceUnbounded(e Event) {
	w := &r.info
	*w = WaitInfo{At: r.now, Node: r.id, Bounded: true, Peers: w.Peers[:0]}
	if t := r.current; t != nil {
		w.Task, w.TaskID, w.Locks = t.name, t.id, t.locks
	}
	e.describe(w)
	r.tracer.Wait(w)
	r.tracer.Woken(w.TaskID, r.now)
}

// traceImmediate shows a wait that was over at once: that it was is luck.
func (r *Runtime) traceImmediate(t *Task, s *scope, e Event, limit time.Duration) {
	r.traceBegin(t, s, e, limit)
	r.traceEnd(t)
}
