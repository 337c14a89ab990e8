// Package godwit is a strictly serializable, transactional key-value database
// that lives in memory and on disk: transactions execute at the speed of memory,
// become durable behind, and are released when nothing can undo them.
//
//	db, err := godwit.Open("data", nil)
//	if err != nil { ... }
//	defer db.Close()
//	accounts, err := db.CreateTable(ctx, "accounts", godwit.Ordered)
//
//	err = db.Update(ctx, func(tx *godwit.Tx) error {
//		balance, err := tx.Get(accounts, []byte("alice"))
//		if err != nil {
//			return err
//		}
//		return tx.Put(accounts, []byte("alice"), credit(balance, 100))
//	})
//
// # Transactions
//
// Update runs a function as one transaction. Transactions are optimistic:
// several run at once, each validates at its end that nothing it has read was
// changed meanwhile (keys that it found missing and ranges that it scanned
// included), and one that was overtaken is run again, after a short pause. So:
//
//   - The function may run several times. It should have no effect but through
//     its Tx.
//   - Until it commits, a run may see a state in which two keys do not fit
//     together, because another transaction changed the second in between. Such
//     a run never takes effect, and neither an error that it returns nor a panic
//     reaches the caller: it is run again.
//   - Conflicts never reach the caller either. A transaction that keeps losing
//     is run again until it succeeds or its context ends.
//
// Strict serializability: all transactions, readers too, appear to happen one
// after the other, and one that began after another had returned comes after it.
//
// # When a result is final
//
// A transaction is executed when others see it, and released when nothing can
// undo it any more. Update and View return at released. With DurabilityDisk, the
// default, that is after the log is synced to disk up to the transaction and
// everything it has read; many transactions share one sync. With
// DurabilityBackground it is at once, and a crash may take the transactions of
// the last Options.SyncInterval (plus the time of a sync, see DurabilityBackground), always from the end:
// what is there after the crash is a state that existed, with no gaps.
//
// UpdateAsync returns at executed, with a handle that tells when the
// transaction is released, so that one goroutine can keep many in flight.
//
// # Requests that may come twice
//
// Who does not hear the outcome of a transaction, because a connection, the process or the leader was
// lost, does not know whether to run it again. UpdateOnce does it once however often it is
// asked, and answers the same each time.
//
// # Reading
//
// View runs a function on the newest state. A Snapshot stays as it is for as
// long as it is open, blocks nobody, and is never in conflict.
//
// # Replicas
//
// With Options.Cluster the database is one of several replicas on different nodes, which
// elect one of them to lead. The leader executes, as fast as alone, and a transaction is
// released when a majority of the replicas has it: on disk, or with DurabilityMemory in memory.
// Everything above holds, and in addition:
//
//   - Update, View, CreateTable, DropTable and sessions work on the leader. On other nodes they fail with
//     ErrNotLeader, and the NotLeaderError says which node to ask. So they do when another leader
//     takes over before the transaction was released, and it is not in its log; nothing of it has
//     happened then, and it can be run again there.
//   - View is linearizable: it makes sure that this node still leads, and writes nothing for that.
//   - Snapshot works on every replica, at a timestamp that it tells. SnapshotAtLeast waits until
//     the replica has what the caller has written or seen elsewhere.
//   - When a majority is gone, nothing is released, and after an election timeout or two nobody
//     leads. Calls like Update and View wait until that is over, however long it takes, or their context
//     ends: ErrUnavailable then says that nothing has happened. What was executed before may be there
//     afterwards or not, and who does not wait for that is told ErrOutcomeUnknown. Snapshots can be
//     opened all the time, on any replica.
//   - A replica that was away for longer than the others keep the log fetches a checkpoint from
//     one of them. Snapshots and sessions that are open on it end with ErrClosed; tables are good.
//
// A replica repairs a damaged log from the others, and Status tells what they could not give yet. With a
// damaged checkpoint Open fails (ErrCorrupt); with Cluster.Refill it gets another's.
//
// Status tells who leads, Transfer hands the lead over for maintenance, as Close does, AddMember and RemoveMember
// change the group while it works.
//
// # Limits
//
// Keys are 0 to 4,096 bytes, values 0 to 64 MiB, any bytes. A transaction writes up to
// 1 GiB, counting 11 bytes for each write beside key and value, or fails with
// ErrTooLarge. If the disk has no room to log it, it fails with ErrDiskFull before
// anybody sees it. All data is in memory: Options.MemoryLimit bounds it, and a
// transaction that would go beyond fails with ErrMemoryFull and changes
// nothing; deleting still works then.
//
// # Space on disk
//
// The folder holds a checkpoint, which is about as large as the data, a second one
// while it is written, and the log since: up to Options.CheckpointBytes, and a few
// files of Options.LogSegmentBytes. As space gets scarce, checkpoints are made
// earlier, to make the log smaller.
//
// When there is no room for the log all the same, transactions that write are
// refused with ErrDiskFull before they execute, and reads go on. Space is made by removing
// other files from the disk or enlarging it, and by nothing in the folder itself; writes then
// go on within a second, without reopening. A transaction that takes most of a log
// file for itself (LogSegmentBytes) may execute first and then wait for room.
package godwit
