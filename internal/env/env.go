package env

import (
	"io"
	"time"
)

// FS is a file system. Names are paths of the operating system, as
// filepath.Join makes them. A missing file or folder is reported by an error
// that matches fs.ErrNotExist. All methods may be called concurrently.
type FS interface {
	// Create opens a file for reading and writing that is empty: it is made, or
	// truncated if it exists.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// OpenRead opens an existing file for reading.
	OpenRead(name string) (File, error)
	// Rename gives a file another name in place of a file that had it.
	// No handle of either file may be open: Windows refuses that.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// List returns the names in a folder, without its path, in order.
	List(dir string) ([]string, error)
	// MkdirAll makes a folder and those above it that are missing.
	MkdirAll(dir string) error
	// Stat describes a file or folder.
	Stat(name string) (Info, error)
	// FreeBytes returns how much space a folder's disk has left for this program.
	FreeBytes(dir string) (int64, error)
	// SyncDir makes durable which names the folder holds. It does nothing where
	// the operating system knows no such thing (Windows).
	SyncDir(dir string) error
	// Lock makes a file of that name and takes it for this caller alone, against
	// other processes and against other callers in this one. Closing the result
	// or the end of the process gives it back. It returns dberr.ErrLocked if it
	// is taken.
	Lock(name string) (io.Closer, error)
	// LockShared takes a file that Lock has made together with all others who call
	// it, against callers of Lock. It needs no permission to write and changes
	// nothing.
	LockShared(name string) (io.Closer, error)
}

// Info describes a file or folder.
type Info struct {
	SizeBytes int64
	IsDir     bool
}

// File is an open file. Reads and writes may run concurrently, Close may not run
// beside anything.
type File interface {
	// ReadAt and WriteAt are those of io.ReaderAt and io.WriterAt.
	io.ReaderAt
	io.WriterAt
	// Sync makes durable what was written and what is needed to read it back
	// (the size), not other attributes. After an error nothing is known about
	// anything that was written since the last Sync that succeeded.
	Sync() error
	// Preallocate makes the file at least sizeBytes long. What it adds is zeros
	// that are really written, and durable when it returns, so that writing and
	// syncing there later changes no metadata: on the disks that we measured a
	// sync costs a third of one in a growing file. After an error the file is as
	// long as it was, if truncating it worked.
	Preallocate(sizeBytes int64) error
	// Reserve is Preallocate without writing what it adds, where the system can do so: it
	// costs next to nothing, and the first sync of what is written there costs more.
	Reserve(sizeBytes int64) error
	// Direct has writes go past the system's memory from now on, where the system can do
	// so: for much that is not read soon it is less than half of the work. It takes writes
	// at multiples of 4 KiB, of so many bytes, from memory that begins at one; the
	// first one that is not so, and a read, end it.
	Direct()
	// Truncate cuts or extends the file (with zeros) to sizeBytes.
	Truncate(sizeBytes int64) error
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// Evict makes the operating system forget, as far as it can and will, what
	// it keeps of the file in memory, so that reads show what the disk holds.
	// What was not synced may stay. It is for data that a failed Sync may have
	// left in memory alone.
	Evict() error
	io.Closer
}

// Clock tells and waits for the time.
type Clock interface {
	// Now returns the wall-clock time; differences between two results are
	// those of a monotonic clock.
	Now() time.Time
	// NewTimer returns a timer that fires once, after d.
	NewTimer(d time.Duration) Timer
}

// Timer fires at a time: a value arrives on C. It is used by one goroutine.
type Timer interface {
	C() <-chan time.Time
	// Reset sets the timer to fire after d. A value of an earlier setting that
	// was not received is gone.
	Reset(d time.Duration)
	// Stop keeps the timer from firing. After it returns no value is received.
	Stop()
}
