// Redis-suite runs the official test suite of Redis 7.0.15 against a server at
// an address, one file of tests after the other, and prints the score of each:
//
//	go run ./e2e/redis-suite --nodes 3 --keep-going --bar 1000
//	go run ./e2e/redis-suite --port 6379 --keep-going --file unit/type/list
//
// The suite comes from Debian's source package, which apt verifies, and stays in
// the user's cache folder; it needs tclsh. It is made of a process that hands out
// files and counts, and one that tests. Here this program takes the place of the
// first: so it sees each event, and a test that hangs costs its file only.
//
// With --nodes it starts the replicas that it tests, and with --bar it fails if
// they come less far than they have to: one command that repeats a score.
//
// What the suite asks of a server before each block of tests, the settings that
// the block wants among it, is done if the server can; otherwise the tests run
// without, and the report counts it. No test is changed.
package main
