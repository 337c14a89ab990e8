package env

// SyncerFS is an FS that has Syncers.
type SyncerFS interface {
	// NewSyncer makes a Syncer for one goroutine, which Close ends. wake is called by any
	// goroutine when what was started is done, or for no reason; it must not block.
	// The error says that the system has none.
	NewSyncer(wake func()) (Syncer, error)
}

// Syncer writes and syncs, one write at a time, without keeping a goroutine waiting in the
// system. One that waits there keeps its processor from others until the runtime takes it
// away, which takes about as long as a sync: if all processors have work, so much is lost.
// And the thread that takes it away looks every 20 µs or so whether it has to, for some
// milliseconds after each time it had, on a processor that a worker is running on.
type Syncer interface {
	// Start begins a WriteAt of a file of the FS, and a Sync if the write is to be durable. p must
	// not change, and the file not be used, until Done says so. It returns false, and does
	// nothing, if that cannot be done but by waiting.
	Start(f File, p []byte, offset int64, durable bool) bool
	// Done tells whether what was started is done. Its error is one of WriteAt, or of Sync: then
	// nothing is known about anything that was written since the last one that succeeded.
	Done() (bool, error)
	// Poll tells whether something is done, once. Any goroutine may call it: while all
	// processors are at work nobody looks at the system's news, and wake comes late.
	Poll() bool
	// Close waits for what was started.
	Close() error
}

// DurableWriter is a File that can write and sync in one.
type DurableWriter interface {
	// WriteDurablyAt is WriteAt and Sync, with one wait for the disk where the system can do so.
	WriteDurablyAt(p []byte, offset int64) error
}
