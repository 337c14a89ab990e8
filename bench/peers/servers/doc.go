// Servers runs Godwit's server beside Redis and etcd, in turn, as real processes in fresh folders on this machine, and
// prints how many times their throughput it has: per round, and the median of all rounds with its range. After each
// measurement the values are read back and counted. It also measures what servers cost that nobody uses.
//
//	go run ./servers                                # everything
//	go run ./servers -only synced-50,idle -rounds 9
//	go run ./servers -json servers.json -plot servers.svg
//
// Redis's own load comes from redis-benchmark. Where it has none, SET and WAIT as one request and what is compared with
// etcd, it comes from here, and is made and measured in the same way for both systems. It needs redis-server,
// redis-benchmark, etcd and the go command in the PATH (Debian: apt-get install redis-server redis-tools etcd-server),
// and Linux.
package main
