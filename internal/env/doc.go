// Package env is the seam between the storage packages and the machine: files,
// the clock, random numbers. They use nothing else of it, so that tests (package faultfs)
// and the deterministic simulator can stand in with crashes, faults and a time
// of their own.
//
// It sits below everything that touches a disk: wal, checkpoint and the
// database itself get an FS and a Clock handed in.
//
// Durability is asked for explicitly, as on the machine. What a file holds
// survives a power loss once Sync has returned; that a file exists under its
// name, or does not any more, once SyncDir of its folder has. Before that each
// 512-byte sector and each directory operation may be there or not, in any
// combination. A failed Sync leaves undefined what is on the disk, and trying
// again proves nothing: the kernel may have dropped what it could not write.
package env
