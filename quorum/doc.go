// Package quorum lets replication protocols be written as what they are: tell
// everybody, wait for enough of them, go on.
//
//	votes := prepare.Broadcast(ctx, endpoint, members, func(to quorum.NodeID) *Prepare {
//		if to == self {
//			return nil // its vote is that of its own disk
//		}
//		return &Prepare{Ballot: b}
//	})
//	votes.AddEvent(self, &Promise{}, quorum.Disk(ctx, "promise", save))
//	fast := votes.Need(3*len(members)/4+1, agrees)
//	slow := votes.Majority(agrees)
//	if _, err := quorum.Select(ctx, fast, slow); err != nil {
//		return err
//	}
//
// # Tasks
//
// A Runtime runs the tasks of one node: coroutines, one at a time, each until it
// waits. Between two waits nothing else of the node runs, so tasks need no locks
// for what they share. Go starts a task as a child of another; it ends with its
// parent. Runtime.Go starts one that ends with the Runtime.
//
// A task's context is a context.Context whose deadlines are in the time of its
// Runtime. WithTimeout and WithCancel derive more of them. A wait under a context
// that has ended fails at once with the context's error; a task that does not
// care and goes on waiting is unwound after a few of those: its deferred
// functions run, and nothing that it does can prevent its end.
//
// A task must not block: on a disk, a channel, a lock of package sync. Blocking
// and Disk run a function beside the loop and give the event of its end.
//
// # Events
//
// An Event is pending until it is won or lost, once. Any number of tasks may
// Wait for it, or WaitFor it with a limit, and wait again. These are events:
//
//	Value[T]      somebody's result: won by Set, lost by Fail
//	Timeout       a time has come
//	Task          a task has ended
//	Rule[T]       enough nodes have voted the right way, or cannot any more
//	Reached       a Watermark, which only grows, has got somewhere
//	Group         And, Or, KofN of other events, nested at will
//
// Votes[T] are one reply of each of some nodes, by the node, so that nobody votes
// twice; several rules may judge the same votes, each decided as early as it is
// certain. A vote that comes late is kept and shown to OnLate, or given up with
// Drop. Queue and Lock are for tasks among themselves.
//
// # Calls
//
// An Endpoint connects a node with the others. A Method is a remote procedure on
// Messages; Handle serves it with a task for each request, under the caller's
// deadline; Call waits for the reply, Start gives its event, Broadcast gives
// votes. Everything that can go wrong is an error of the call, and says whether
// the request may have been carried out (ErrConnClosed, a deadline) or not
// (ErrUnreachable, ErrOverloaded).
//
// Each peer has an outbox with bounds in messages and bytes. When it is full,
// calls fail at once with ErrOverloaded: a peer that is slow or has stopped never
// makes a caller wait and never costs more than its bound.
//
// Connections begin with a handshake. A node of another Options.Cluster or with other
// Options.Settings, one that nobody knows, a second process with a name that is taken, or one
// with another version is refused: OnRefused tells, and calls fail with a RefusedError. Who may
// connect is nobody's proof until TCP.UseTLS demands certificates.
//
// Lost is the event that the last connection with a node has ended, and OnPeer tells
// of connections as they come and go. A process that dies is lost at once; a node
// that loses power or its network is only silent. So a follower waits for either of
// two things, its leader's loss and its silence, and then asks for a pre-vote:
//
//	err := quorum.WaitFor(ctx, quorum.Or(endpoint.Lost(leader), heard), electionTimeout)
//
// # Slowness
//
// The point of waiting for quorums is that one slow node does not slow the
// others down. Runtime.Trace shows every wait to a Tracer. Recorder is one, and
// FailSlow finds in what it recorded the waits by which slowness spreads.
//
// # The world outside
//
// The clock, randomness, disk and network come from a Host, a Network and a file
// system. In the real world, Start makes a Runtime, ListenTCP the Network of its
// Endpoint, and OS is the file system; close the Endpoint before the Runtime is
// stopped. The example of Method has all of it.
//
// Under the simulator of this module (internal/sim, which other modules cannot import
// yet) the same code runs on virtual time, in an order and with faults that a seed
// decides. NewRuntime takes any Host and NewEndpoint any Network, for those who bring
// their own. Code that wants to be simulated takes time from Runtime.Elapsed or
// Host().Now, chance from Host().Uint64, and does not let the order of a map's
// iteration matter.
//
// Packages raft and copilot, below this one, are Raft and Copilot in this style.
package quorum
