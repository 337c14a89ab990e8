package bench

import "context"

// Kind is the type of a transaction within a workload, an index into
// Workload.Kinds.
type Kind int

// Workload is what a run executes: it sets up, makes the transactions, and
// checks what they left behind.
type Workload interface {
	// Name names the workload in reports.
	Name() string
	// Params are the settings that a reader needs to repeat the run.
	Params() map[string]any
	// Kinds names the types of transactions.
	Kinds() []string
	// Load creates the tables and fills them, with the given number of sessions
	// at once, and returns when all of it is released.
	Load(ctx context.Context, e Engine, sessions int) error
	// Open finds the tables that an earlier Load made, for a Check without a run.
	Open(e Engine) error
	// NewWorker returns the maker of one session's transactions. Worker is in
	// 0..workers-1. The workload remembers it and counts its work in Check.
	NewWorker(s Session, worker, workers int, seed uint64) (Worker, error)
	// Check verifies the whole database. It runs when no worker does, and
	// returns an error that says what is wrong and where.
	Check(ctx context.Context, e Engine, sessions int) error
}

// Worker makes transactions of a workload, one after the other, on one session.
type Worker interface {
	// Run draws the parameters of the next transaction and executes it. The
	// error is nil, ErrRollback, or an error that ends the run.
	Run() (Kind, Timestamp, error)
}
