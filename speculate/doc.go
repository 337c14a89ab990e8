// Package speculate is for programs that run ahead of something that is not
// certain yet: they go on as if it were, remember what rests on it, let nothing out
// before it is certain, and put things back if it fails.
//
//	disk := new(speculate.Course)             // what is on the disk, by position in the log
//	at := appendToLog(record)                 // not there yet
//	balances[account] = balance               // go on as if it were
//	err := disk.Undo(at, func() { balances[account] = old })
//	...
//	disk.Advance(synced)                      // a sync came back: all up to here is there
//	...
//	if err := disk.Wait(ctx, at); err == nil {
//		reply(balance)                    // only now does anybody hear of it
//	}
//
// # Courses
//
// A Course is one sequence of events that are uncertain at first and become certain in
// order: the writes to a disk, what shard 3 executes in its seventh epoch, the steps
// of an order that a customer has to confirm. Each event has a Point, and the course a
// frontier: all up to it is certain.
//
//	Advance(to)  all up to a point is certain
//	End(final)   all up to a point is certain, and all above is gone for good: doomed
//	Fail(err)    nobody who waits will learn any more how it went
//
// What is certain or doomed once stays so. State says which, at the cost of an atomic
// load.
//
// # The gate
//
// Wait holds back whoever has something to show until all that it rests on is
// certain; Notify does the same for those who cannot block. Everything that leaves
// the program should pass here, also what was only read: then nobody outside ever sees
// what may yet be undone (Invariants I2 and I3). ErrDoomed comes at once, and after
// what was doomed is undone, so whoever hears it may try again.
//
// # Undo
//
// Undo registers how to put something back. As the frontier passes, what is registered
// is dropped; when the course ends, what is above the final point runs, newest first,
// before End returns (Invariant I9). A Course does not know the state that is put
// back: whoever calls End holds what protects it, if others work on it.
//
// # Many courses
//
// What rests on several courses has a dependency Set: for each of them, by a key of
// the program, the largest point. Sets are sparse and inherited: who uses what is
// uncertain merges its set into the own one. A Vector knows the courses by their keys
// and does for sets what a Course does for points: State, Wait, Notify, Undo. Something
// is certain if all in its set is, and doomed if one thing is; since the set was
// inherited, no graph of who depends on whom is needed, and what has several parts
// (each with the same set) is kept or lost as a whole (Invariant I8). Prune drops from
// a set what is certain, so that things long settled carry nothing.
//
// # Bounds
//
// A Course keeps one word for each of those who wait, who are bounded by the
// program's own calls, and at most UndosMax undos, above which Undo fails with
// ErrFull: wait for the frontier, then go on. A Vector keeps each course that it was
// asked for until Forget. A Set has at most one entry for each course; sets are meant to
// be small, since they are searched from end to end.
//
// # Concurrency
//
// A Course and a Vector may be used by any number of goroutines, a Set by one at a
// time. Functions that are given to Notify and Undo run in the goroutine that
// brings the news; they must not block, and must not move the course that calls them.
// They may do anything else, also with this course, but wait for it. There is no
// goroutine, clock or randomness in here, so code that is simulated can use it with
// Notify.
package speculate
