// Package checkpoint stores a snapshot of all tables: as files that a database
// starts from (a checkpoint), or as one stream of bytes (a backup).
//
// # Streams
//
// Both are streams of the same format: a header, the table directory, blocks of
// entries, a footer. Every byte is under a checksum; each block's header carries
// one for itself and one for the body, and the footer one for all headers, so
// that bytes that were changed, cut off, put in or moved are noticed. A reader
// believes nothing that it has not checked and takes no memory for a length
// above the limits. Writer and Reader go through a stream in order; Load goes
// through the parts of a checkpoint with several goroutines.
//
// # Checkpoints
//
//	checkpoint/MANIFEST                     names the current one
//	checkpoint/<timestamp>/part-0000.ckp    the parts, a stream each
//
// A checkpoint's files are written into a folder that nothing refers to. When all
// of them are synced, and the folder too, the manifest is written under another
// name, synced and renamed: this publishes the checkpoint. A crash before leaves
// the old one in force, a crash after it the new one, and Cleanup removes what
// belongs to neither.
//
// Invariants:
//   - MANIFEST is absent or names a checkpoint that was synced as a whole.
//   - No file that MANIFEST names is ever written again.
//   - Data is never used before the checksum over it was checked; that the stream
//     is complete is known at its end, so what was loaded counts only if Load
//     returns nil.
//
// The package knows nothing of the log. The snapshot of a checkpoint at timestamp
// S holds every transaction at or below S and nothing above; recovery loads it
// and applies the log from S on, and once a checkpoint is published, the log at or
// below S is no longer needed.
package checkpoint
