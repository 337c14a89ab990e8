// Package history records what the clients of a database saw, and checks whether
// a strictly serializable database can have answered so. It knows nothing of the
// database and imports nothing of it: stress tests, crash tests and the
// simulation all use it as the judge.
//
//	Recorder -> History -> Check...   -> Result
//	               |  ^    CheckLinearizable
//	               v  |
//	            JSON lines (Encode, Decode), to keep a history that failed
//
// The checks follow the idea of Elle (Kingsbury and Alvaro, "Elle: Inferring
// Isolation Anomalies from Experimental Observations", VLDB 2020), with the
// anomalies of Adya ("Weak Consistency", 1999): choose the workload so that reads
// tell whose write they saw, infer from that the order of each key's versions,
// from both the dependencies between transactions, and look for cycles of these.
// A cycle cannot be explained by any order of the transactions. That takes time
// about linear in the history, where trying orders takes exponential time.
//
// # Recording
//
// A Client is a logical process with one transaction at a time; whoever keeps
// several in flight uses a client for each. The rules:
//
//   - Each value is written to a key once in a history, in all attempts of a
//     transaction (Client.Unique gives such values).
//   - Begin comes before the transaction is sent; OK, Fail or Unknown after its
//     outcome is known. With a database that releases results later than it
//     executes them, that is after the release.
//   - Fail only if it can have had no effect and never will have. A lost
//     connection, a crash and a failed log are Unknown.
//   - A write is recorded before its outcome can be known, so that it is in the
//     history as possible if the process that records is stopped.
//   - A function that the database runs again calls Restart first. An attempt
//     that a client repeats on its own is a transaction of its own.
//   - What a database holds when the history begins is written by a first
//     transaction: lists start out empty, registers without a value.
//   - The reads of one snapshot are one transaction, which begins before the
//     snapshot is opened and ends after the last of them: then they may be as
//     old as the snapshot, and no older.
//
// The memory of a history is that of the lists that its reads return: let tests
// go on to new keys after some hundred appends to one.
//
// # What is inferred
//
// Committed are transactions with outcome OK, and those of unknown outcome whose
// writes a committed one read. Reads of all others count for nothing: nobody
// promises a consistent view to a transaction that fails. Failed and unknown
// writes do count: reading a failed one is G1a.
//
// Lists (CheckListAppend): the longest list that was read is the order of the
// appends in it; every other read has to be how it began. Committed appends that
// no read shows come after it, in an unknown order. So all ww, wr and rw
// dependencies between committed transactions are known, but the order among
// unseen appends, of which each has the same transactions before it. When
// outcomes are known nothing is missed: a history passes if and only if it is
// strictly serializable.
//
// Registers (CheckRegisters): wr is always known. The order of versions is known
// in part: nothing is before the start; a version comes before what a
// transaction writes that read it; and for StrictSerializable, or with
// LinearizableKeys, if a transaction that had one version (read it or left it)
// was over before one began that had another, the one version is before the
// other. If versions come before themselves so, what readers of stale versions
// seem to say is dropped first, and CyclicVersions is reported where no cycle of
// transactions says it better. What is not inferred: an order of blind writes at
// the same time from cycles that the other order would make. Of small random bad
// histories one in a hundred passes for that, of sets one in twenty;
// CheckLinearizable finds those of a single key. Prefer Lists where you can.
//
// Sets (CheckSets): registers with deletions and range reads. A range read reads
// every key of the range that anyone in the history writes or deletes, present
// or not, so a phantom is an anti-dependency like any other: write skew through
// phantoms is a cycle of them, named G2. A key that was found absent shows either
// its start or a deletion; where times do not leave one, the read is not used,
// and Result.Unresolved counts it. To leave few, do not delete and insert the
// same keys again and again.
//
// Order: each client's transactions in their order (not for Serializable), and
// for StrictSerializable real time: completed before invoked. Equal times count
// as concurrent, so a coarse clock finds less; wrap it in Increasing.
//
// # What is reported
//
// Each anomaly is named by the worst that can be said of it, and explained: what
// the transactions did and why each must come before the next. Cycles are
// searched for from the worst kind (G0) to the mildest (G2-realtime), and a
// transaction of a reported cycle is left out of later searches, so that a
// mistake is not reported again as the longer cycles through it. So a mild
// anomaly may hide behind a worse one that shares a transaction with it, and the
// number of anomalies is a lower bound.
// A history without cycles is never accused, one with a cycle never passes; but
// in a large tangle of cycles the name may be that of a milder one, as the work
// of the search is bounded (searchEdgesMax).
//
// At the levels of ww, wr and rw alone the names say which level of isolation
// was broken: G0, G1: read uncommitted or less; GSingle, LostUpdate: not
// snapshot isolation; WriteSkew, G2Item, G2: not serializable. The suffix
// -process and -realtime: serializable, but not in the order that clients, or all,
// could observe. With registers and sets, a version order that is only known from
// time makes a name end in -realtime, though the cause may be write skew of
// blind writes.
//
// LostWrite (lists): an acknowledged append is missing from the read that began
// last, and whoever had seen it was over by then. It is not reported where stale
// reads are allowed.
//
// Results depend on the history alone: the same one gives the same report, byte
// by byte.
//
// # Linearizability
//
// CheckLinearizable splits a history of registers or sets by key and gives each
// to porcupine, which tries orders. It is exact for one key and blind for what
// goes wrong between keys, the other way round from the above; and it is
// exponential in the number of concurrent operations, so it has a timeout.
//
// # Cost
//
// 100,000 transactions of three operations take about a second and 100 to 400 MB
// of allocations; virtual nodes keep the edges of real time, and of versions with
// many readers and many successors, linear in number. Recording a transaction
// takes about a microsecond, and does not allocate but for the chunks it fills.
package history
