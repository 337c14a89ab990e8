package benchchaos

import (
	"context"
	"os/exec"
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds.
const (
	Kill    Kind = "kill"    // SIGKILL, and a start with the files that are left
	Several Kind = "several" // two at once: killed, paused, cut off or full
	Pause   Kind = "pause"   // SIGSTOP, and SIGCONT
	Cut     Kind = "cut"     // the links with the other replicas
	Slow    Kind = "slow"    // its disk, or its links
	Full    Kind = "full"    // its disk
	Replace Kind = "replace" // killed, its folder deleted; removed, and added as a new one
)

// Kinds returns all of them.
func Kinds() []Kind { return []Kind{Kill, Several, Pause, Cut, Slow, Full, Replace} }

// Valid tells whether k is one of them.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Config is a run.
type Config struct {
	// Command starts a replica's process, which calls benchnode.Serve.
	Command func(ctx context.Context) *exec.Cmd
	Dir     string
	Kinds   []Kind
	// Cycles and Duration bound the run: it ends when either is reached; 0 is no bound.
	Cycles   int
	Duration time.Duration
	// ChapterCycles is how many cycles there are between two checks.
	ChapterCycles   int
	Clients         int
	Threads         int
	MemoryMiB       int64
	Memory          bool // durable is what a majority has received
	ElectionTimeout time.Duration
	// CheckpointBytes is how much log there is when a replica makes a checkpoint.
	CheckpointBytes int64
	Seed            uint64
	// Show, if set, is told lines of progress.
	Show func(format string, args ...any)
}
