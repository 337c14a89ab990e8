package quorum

import "github.com/godwitdb/godwit/internal/env"

// What stands for the world outside, beside Host: TCP and OS are the real ones.
type (
	// Network is what an Endpoint sends through. Conn and Receiver are the two
	// sides of a connection, for those who bring their own.
	Network = env.Network
	// Conn is one connection of a Network.
	Conn = env.Conn
	// Receiver is told what happens to a Conn.
	Receiver = env.Receiver
	// TCP is the Network of the real world. Wait waits, after the Endpoint was
	// closed, until nothing of it runs any more.
	TCP = env.TCP
	// TLS is what TCP.UseTLS needs: certificates of both sides, each with the name of
	// its node.
	TLS = env.TLS
	// FS is a file system, File an open file in it.
	FS = env.FS
	// File is an open file of an FS.
	File = env.File
)

// ListenTCP returns the Network of a Runtime that finds the other nodes at addrs
// and is found at its own address there. A node without one only calls. A port of
// 0 is chosen by the system; Addr of the result tells which.
func ListenTCP(r *Runtime, addrs map[NodeID]string) (*TCP, error) {
	return env.ListenTCP(r.host, addrs, addrs[r.id])
}

// OS returns the file system of the operating system.
func OS() FS { return env.OS() }
