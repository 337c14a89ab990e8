// Package benchnode is a replica in a process of its own that serves procedures: what
// "godwit bench chaos" kills, stops and starves.
//
//	protocol.go    what the process is told, and what it reports
//	node.go        the process
//	replica.go     the replica in it
//	procedures.go  what clients can call
//	disk.go        a disk that gets slow or full when it is told to
package benchnode
