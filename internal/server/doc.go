// Package server speaks the Redis protocol for a Godwit database.
//
// On Linux a few goroutines serve all connections that are not encrypted: each takes those that are ready, executes what has come, and
// writes the replies that may be sent (poller); one more sends what a sync, or a majority, lets out (releaser). Go's own epoll
// does not know these connections (socket), nor hears of them while somebody has a turn. Elsewhere
// each connection has a goroutine for that. A second one sends the replies that have to wait for anything else. The
// requests that have come at once (a pipeline) are executed as one transaction, which is what
// one after the other would have been, without anybody in between; MULTI/EXEC and scripts are one transaction
// in any case. A reply waits in the connection's outbox until what it rests on is released, and the next requests
// execute meanwhile: a client waits once for all that it has sent, and all clients share the syncs of the log
// and the acknowledgements of other replicas.
//
// The server knows the database by its public API only, and keeps nothing of the data itself: what a node
// knows besides are its connections, what they subscribe to, who waits for which keys, and
// what those have read that keep caches of their own.
package server
