// Package syncrepl is the protocol that Godwit is compared with: replicate, then commit, as
// databases on top of a replicated log do (Spanner's groups, the first figure of the Rolis
// paper). A transaction holds its locks from its first access on, those of what it has
// written until a majority has it; nobody sees that before.
//
//	lock what is accessed ─► execute ─► append to the log ─► wait for a majority ─► unlock
//
// It is a layer on an engine of package bench, so tables, index, log, network and durability
// are the same as without it. What it adds is strict two-phase locking of keys, with
// wound-wait against deadlocks: whoever waits for a younger transaction has it run again.
//
//	syncrepl.go   the engine, its sessions and their transactions
//	locks.go      who holds which key, and who waits
//
// # What is in its favour
//
// What a transaction has only read is unlocked when it is executed, before it is replicated:
// whoever changes it then is behind it in the one log. A key that an attempt has written is
// locked exclusively from the start when the transaction runs again. A transaction that
// has only read waits for nothing but its locks. What a scan does not find is not locked, but validated, as the engine does it anyway. Where
// processors are short, its costs are the locks and what waits for them; the engine's own
// validation finds nothing then, and is paid all the same.
package syncrepl
