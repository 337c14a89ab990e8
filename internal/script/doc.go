// Package script runs Lua scripts as Redis 7.0 does for EVAL and EVALSHA: the
// same sandbox, the same libraries (cjson, cmsgpack, struct, bit), the same
// conversion between Lua values and replies, the same errors. It knows nothing
// of the database: a script's commands go through a Call that the caller gives.
//
// The interpreter is gopher-lua, Lua 5.1 in Go. Where a script would feel a
// difference to the C implementation, the library function is replaced by one
// of this package, or the program is rewritten before it is compiled
// (rewrite.go): numbers print as %.14g, strings convert to numbers by C's
// rules, the length of a table is a border of it.
//
// Flow: Compile makes a Program, which any number of goroutines may share.
// Pool.Run takes a Lua state, gives the program fresh KEYS and ARGV, and
// converts what it returns to a Value. All that a script can reach beside
// those is read-only, so that nothing passes from one run to the next.
//
// # Limits
//
// An endless loop ends with the context. Depth is bounded everywhere: calls,
// coroutines, nested data, patterns, the program's own syntax. So is the
// length of a string, and the array part of a table. What a script holds in
// all is not: gopher-lua has no hook for what a table allocates. A caller that
// must bound it watches the heap and ends the context.
package script
