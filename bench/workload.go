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

// Remote is a Workload whose transactions can be drawn in one place and executed in
// another: a client draws a request with a Terminal and sends it to a server, which
// executes it with an Executor and sends the answer back.
type Remote interface {
	Workload
	// ReadOnly tells whether the transactions of a kind only read.
	ReadOnly(k Kind) bool
	// NewTerminal returns the client's side of one session, like NewWorker. It draws
	// what the session's worker would. The tables need not be open.
	NewTerminal(session, sessions int, seed uint64) Terminal
	// NewExecutor returns a server's side, on tables that an engine has.
	NewExecutor(e Engine) (Executor, error)
	// Counts returns how much the workers and terminals were told is executed, when
	// none runs.
	Counts() Counts
	// Expect makes Check compare the database with what was executed elsewhere since
	// the tables were loaded, and nowhere else.
	Expect(c Counts)
}

// Counts are a workload's amounts of work, by its own names, for Remote.Expect.
type Counts map[string]uint64

// Terminal draws one session's transactions, one after the other.
type Terminal interface {
	// Draw draws the parameters of the next transaction and appends its request, in
	// the form that Executor takes, to dst.
	Draw(dst []byte) (Kind, []byte)
	// Executed is told the answer to what was drawn last, if it was executed. The error
	// says that it is none.
	Executed(answer []byte) error
}

// Executor executes transactions for terminals, one at a time.
type Executor interface {
	// Execute runs a transaction in tx and returns its answer, which is the caller's.
	// The error is tx's, ErrRollback, or says what is wrong with the request or the
	// data.
	Execute(tx Tx, k Kind, request []byte) (answer []byte, err error)
}
