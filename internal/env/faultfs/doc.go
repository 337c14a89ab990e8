// Package faultfs is a file system in memory for tests of what disks do to
// programs: power losses, full disks, failing calls and rotten bits.
//
// It keeps apart what a program sees and what is on the disk. Data gets there by
// Sync, in sectors of 512 bytes; names get there by SyncDir. Crash returns the
// file system as it is after a power loss: each sector that was not synced is
// there, or not, or in part, or as it was at a write in between, independent of
// the others; directory operations that were not synced have happened or not.
// The original goes on undisturbed, so that one run can be crashed at every
// write. Clone returns it as it is after the death of the process alone: all is
// there, and what was not synced can still be lost later.
//
// A failed Sync behaves like Linux: the dirty sectors count as clean from then
// on although they may not have been written, reads go on showing them, later
// Syncs do not help. Only Evict shows what the disk holds, and only writing
// again makes them dirty again.
//
// Everything random comes from generators that the caller seeds; with calls in
// the same order, the results are the same.
package faultfs
