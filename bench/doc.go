// Package bench measures transactional key-value engines: workloads, the runner
// that drives them, and reports.
//
// It sees an engine only through the interfaces Engine, Session and Tx, so the
// same TPC-C or YCSB runs on any store that somebody writes an adapter for, and
// no workload can reach into an implementation.
//
//	bench/tpcc       TPC-C, full mix, with the consistency conditions
//	bench/ycsb       YCSB A to F and YCSB++
//	bench/refengine  a small correct engine that the workloads are tested on
//	bench/plot       SVG and PNG charts of results
//
// # Flow
//
//	Workload.Load ──► Run: warm-up, measured time, drain ──► Workload.Check
//
// Load fills the tables with several sessions at once. Run gives each session a
// goroutine of its own that makes one transaction after the other. Check reads
// the whole database after the run and fails if the engine lost, doubled or
// mixed up anything; a result whose check failed is no result.
//
// # What is measured
//
// A transaction is executed when Session.Update or Session.View returns, and
// released when Session.Released covers the timestamp that they returned. The
// two latencies are kept apart, both measured from the start of the
// transaction, retries after conflicts included. A session goes on executing
// while earlier transactions wait for their release, up to a bound
// (Config.InFlightMax); at the bound it waits, which is the only place where a
// slow disk may slow execution down. Sessions keep their transactions in order:
// a release is counted once everything before it in the session is released,
// so a read-only transaction that hears early still waits its turn.
//
// # Invariants
//
//   - A transaction counts in exactly one interval, and the totals are the sum
//     of the measured intervals.
//   - Nothing that the runner does per transaction allocates; what the engine
//     or the workload allocates is visible in the result.
//   - Two runs with one seed and one session draw the same transactions.
package bench
