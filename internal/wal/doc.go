// Package wal is the log of a database node: it makes executed transactions
// durable in the background and gives them back after a crash.
//
// # Place in the flow
//
// A worker of the engine executes a transaction, appends its record to the
// worker's stream and goes on; it never waits for the disk. The flusher gathers
// what all streams have, writes it as one round, makes that durable with one sync,
// and publishes the round's watermark: every record at or below it is durable
// and may be released. (A database of one node is a replica group of one: with
// more, durable is what a majority has.)
//
//	worker 0 ── stream 0 ──┐
//	worker 1 ── stream 1 ──┼─ flusher: one round, one write, one sync ── Durable()
//	worker 2 ── stream 2 ──┘
//
// # One file for all streams
//
// This departs from a log file per worker, which the literature has (Silo, Rolis),
// because a sync costs the same however little it carries, and disks do not sync
// files side by side: 1, 2, 4 and 8 files synced in parallel took 123, 217, 350 and
// 690 µs (median, the virtual disk we develop on). A file per worker would
// multiply the latency of every release by the number of workers. Each stream's
// part of a round has a header of its own all the same (stream, closed timestamp,
// checksum), so that the streams can be taken apart again, to be replicated one by
// one and to be replayed in parallel.
//
// Segments are preallocated and filled with zeros for the same reason: a sync in
// a file that grows took 356 µs.
//
// Nor does the flusher keep a processor while the disk works, where the system has
// asynchronous writes (env.Syncer): while all processors run workers, these look whether
// the disk is done (Stream.yieldNow). A round of one record has nobody who would run
// meanwhile: there the flusher waits in the system, which wakes it sooner.
//
// Who is about to execute several transactions keeps the flusher asleep meanwhile (Log.Hold), so that they are one round, and
// can do its work behind them (Log.Release): to wake the flusher and to be woken by it takes as long as a sync.
//
// # Closed timestamps and the watermark
//
// A worker holds its stream's lock from before it takes a timestamp until its
// record is appended. When the flusher holds the lock, every record of the stream
// so far is in the buffer, and every later one gets a timestamp above the clock's
// last. That one it notes as the stream's closed timestamp. The watermark W of a
// round is the least that a stream has closed. A record that was appended while
// the flusher was at another stream can be above W; such a round is open, and
// another one follows at once, empty if need be, so that nothing waits for
// further traffic.
//
// # A log and a tape
//
// A database of one node is a group of one: its log is what a leader's is, rounds that each
// have a number and an epoch. Each opening begins an epoch, as an election does: before its
// first records comes a barrier, a round of kind RoundOpen. A Log makes these rounds, and
// makes them durable by itself.
//
// A member of a group of several has no Log. A Gatherer makes rounds of what the streams have,
// with the flusher's code, and is to the engine what a Log is; the group gives each round a
// number and an epoch and sends it to its members; each keeps them on a Tape, which does
// nothing but when it is told to. Rounds are durable when the group says so.
//
// Both write with one writer, into the same files. A Tape can do more:
// A round has two numbers: its place on the disk, which only grows and witnesses are about,
// and its place in the group's log. A round replaces the one that had its place in the
// log, and all behind that. They stay on the disk and do not count: nothing that was
// synced is written again. And a segment says what its rounds go on behind (its base): none
// of them has a lower place in the log. A round that does begins a segment. So the
// segments from any one on give the log behind the base of that, and the oldest can go. A
// segment that is flagged does away with everything before it (Tape.Reset).
//
// In a Log's folder nothing was replaced, and every epoch begins with a segment. So it
// opens as a Tape, which goes on in it: thus a database becomes the first member of a group.
// The other way leads nowhere: a Log takes what was replaced for damage. Check is one for both,
// and knows no more of whose log it is than that.
//
// What a member has promised in elections is in a file of its own (BallotFile).
//
// # Format (version 2)
//
// Integers are little endian, checksums CRC32C. The folder holds segments
// (%016x.seg, numbered from 1 without gaps) and spares (spare-%016x: files that wait
// to become segments). The header of a segment and every round begin at a multiple
// of 4096 and the rest of their last block is zeros: no block is written again
// that was synced, so no write can damage what was durable.
//
// Segment header, one block:
//
//	 0 magic u64 "GDWITLOG"   8 version u32     12 checksum u32 of the block, itself zero
//	16 database id [16]      32 segment u64     40 nonce u64
//	48 first round u64       56 previous segment u64, 64 its end u64 (0 in segment 1)
//	72 watermark u64 of the base                80 its last u64, the largest timestamp in it
//	88 file size u64         96 flags u32: 2 reset
//	104 base round u64      112 its epoch u64, both 0 if the log begins here
//
// Magic, version and checksum stay where they are in all versions. Version 1, which was in no
// release, is refused (dberr.ErrOlderFormat) as newer ones are.
//
// Round: header, batch headers in the order of their streams, records in the same
// order.
//
//	 0 magic u32 "RND2"       4 checksum u32 of the header, itself zero, seeded with
//	 8 bytes u64, all three   database id, segment and offset
//	16 round u64, from 1 without gaps           24 nonce u64 of the segment
//	32 watermark u64         40 synced u64, the highest round known to be durable
//	48 epoch u64             56 batches u32     60 flags u32: 1 clean, 2 repair
//	64 checksum u32 of the batch headers        68 kind u32
//	72 round u64 in the group's log             80 last u64, the largest timestamp in it
//
// Another kind than data has no batches; behind the header comes what the group says, and
// the checksum at 64 is over that. Clean is the round behind which a Log was closed. A repair
// stands in for the round with its number that was damaged, and replaces none behind that.
// The barrier of a Log has, as its largest timestamp, that of all before it.
//
// Payload of a round of data, as members send it: batches u32, the checksum at 64 u32,
// then what is behind the header.
//
// Batch header:
//
//	 0 stream u32             4 records u32      8 bytes u64
//	16 first u64             24 last u64, timestamps of its records
//	32 closed u64            40 checksum u32 of the records   44 zero u32
//
// Record: bytes u32 (all of it), writes u32, timestamp u64, then writes {table u32,
// kind u8, key bytes u16, value bytes u32, key, value}. A record is never split
// over rounds.
//
// Reach: a file beside the folder, two slots of a block each, written in turn.
//
//	 0 magic u64 "GDWITRCH"   8 version u32     12 checksum u32 of the block, itself zero
//	16 database id [16]      32 write u64, odd ones are in the second slot
//	40 start u64, what is at or below is in a checkpoint
//	48 segment u64, the newest that was begun   56 round u64, all up to it are durable
//
// Ballot: a file, two slots of a block each, both written each time.
//
//	 0 magic u64 "GDWITBLT"   8 version u32     12 checksum u32 of the block, itself zero
//	16 database id [16]      32 write u64       40 epoch u64
//	48 vote u32              52 slot u32        56 folder id [16]
//	72 u8, 1: whole          73 u8, 1: lost
//
// What is not covered by a checksum is the padding behind a round and what lies
// behind the log's end.
//
// # What is certain
//
//   - A segment has its full size, is zeros or stale behind a header of zeros, and its
//     name is durable, before it is used.
//   - A segment's header is durable before its first round is written, and all rounds
//     of the segment before it are durable before that. So a header is proof of
//     everything before it, and records exactly where that ends.
//   - The reach is never ahead of what is durable. It has a segment before the first
//     round of that is written, a truncation before the first segment goes, and
//     everything when the log was closed or has rested.
//   - Nothing of a recycled file's earlier lives is believed: segment and offset go
//     into the checksum of a round's header, and the nonce is drawn anew.
//   - After a write or sync that failed the log takes nothing more (dberr.ErrLogFailed)
//     and does not try again: the kernel may have dropped what it could not write, and
//     a later sync would succeed without it. A full disk is no failure, because
//     room is made sure of before it is written to: Throttle and Admit refuse
//     (dberr.ErrDiskFull) until a segment can be prepared. What was let through fits
//     into the room that is there (room.go), unless segments are smaller than two
//     streamRooms for each stream: then some may have to wait for more.
//
// # Recovery
//
// The headers give the chain of segments and where each ends, the reach up to where
// there has to be one. Only the last one's end has to be found: the first round that is
// not sound. It is the torn end of a crash if nothing says otherwise; it is damage if
// a later round says that it was durable (synced), if the reach does, or if it lies in
// an earlier segment. Damage and what is missing are reported with file and offset
// (dberr.CorruptionError) and never skipped.
//
// The last round before a crash may have no witness: if it rots, it is taken for torn.
// The next round is one, and the reach is raised to it when the log is closed, when it
// has rested for restWitness, and when the crashed log is opened again. So what
// stays ambiguous is one round that was made durable less than restWitness before
// a crash and rots before the next start.
//
// A Tape is recovered in the same way up to here, but reads headers alone where the end is
// known, and tells what is damaged by rounds: the others can be had all the same, and the
// damaged ones from other members (DamagedError, Tape.Repair). Where a header is not sound
// it is not known what the round replaced; then all that it may have been counts as damaged.
// Where it is not known how many rounds followed, the log is lost from there on
// (TapeContents.Lost): it takes nothing in before it is begun anew (Tape.Reset), behind what
// the member is sure of.
// Who rests for a moment calls Tape.Witness.
//
// The watermark of an epoch's last round is its final watermark. Records of the epoch that are
// above it are dropped, though their round is sound: others that they depend on may not have
// made it. They must not come back when later rounds have higher watermarks. The next epoch
// sees to that: its barrier says for good where this one ended, and so does the header of the
// segment that it begins with, from which a recovery knows what to drop before it reads a
// round. Until that header is durable nothing new is, so a crash in between finds the same
// end. For the same reason Recover makes durable what it finds before it reads it: a killed
// process leaves rounds that are in the system's memory alone. From a Tape the group
// drops, by the same rule.
//
// Records are handed to Apply in batches in any order. That is enough where the
// newest timestamp wins for each key (the Thomas write rule, as in Rolis).
// Whoever needs to know that a deletion has been seen by all that is older stops
// between two rounds (Due, Settle): what has been read up to there is applied, and
// no later record is at or below the watermark (Invariant I5).
//
// # Bounds
//
// Pending bytes: Options.PendingBytesMax or the room in the segments, then Throttle
// blocks; each commit phase that has begun may add one record of less than AdmitBytes.
// Larger ones, up to TxBytesMax, wait for room of their own.
// With a SyncInterval, time: what is not durable is not older than SyncInterval and
// StallMax, then Throttle blocks (window.go). Buffers: two per stream, of at
// most bufferBytesKept when idle. Segments: until TruncateBefore, which the
// engine calls after each checkpoint; spares: Options.SparesMax. Memory of a
// recovery: chunksBytesMax, or the largest round if that is more. Retries of
// preparing a segment: forever on a full disk, retriesMax otherwise.
//
// A Tape, and Check: about 100 bytes of memory for each round behind the log's base; what they
// read: chunksBytesMax. A Tape's segments: until Discard. A Gatherer:
// GathererOptions.PendingBytesMax, then Throttle blocks or refuses.
package wal
