// Package shell reads commands, from a terminal, a script or the command line,
// and runs them on a database: single reads and writes, transactions by hand,
// snapshots, and the operations of an administrator.
//
// It sees the database through the interface Store, so that its tests can make
// conflicts and failures happen where they want them.
//
// # The language
//
// A line is one command: words with white space between. A word is bare
// (user:17), quoted as in Go with all of its escapes ("a b\x00\n"), quoted
// without escapes ('a\b'), or the hexadecimal digits of its bytes (0x00ff). So
// every key and value can be written, and what the shell prints can be read
// back. A # that begins a word makes the rest of the line a comment.
//
// # Transactions by hand
//
// A command outside of a transaction is one of its own. Between begin and
// commit the commands share one: its function runs on a goroutine that is fed
// from the shell. Several can be open at once, so that a conflict can be seen
// happening. The database would answer a conflict by calling the function
// again; what was typed after looking at values that have changed since must
// not be repeated blindly, so here the second call ends the transaction with
// ErrConflict and nothing is applied.
//
// # Invariants
//
//   - A command prints what one execution saw, also when the database ran the
//     transaction more than once.
//   - When Close returns, no transaction is open and no goroutine is left.
package shell
