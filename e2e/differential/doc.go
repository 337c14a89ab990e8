// Differential sends the same random commands to Godwit and to Redis, one after the other, and compares the replies
// and, now and then, all data:
//
//	go run ./e2e/differential                              # 10 s, with a seed of its own
//	go run ./e2e/differential -seed 7 -commands 1000       # again what a run has said
//	go run ./e2e/differential -for 10m -godwit :6379       # longer, against a server that runs
//
// It starts a redis-server, and a server of Godwit inside itself. All that the servers hold is deleted.
//
// Commands come from templates of all commands whose effect follows from the data (templates.go), in transactions and scripts
// too, by clients of both versions of the protocol. Some are damaged: an argument more or less, or another one. What is known to
// differ is listed by name (differences.go); anything else is a fault of the run. Each is printed with the commands that
// had to do with the same keys before, then both servers are emptied, and the run goes on. After -faults of them it ends.
package main
