package wal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
)

const (
	// FormatVersion is the version of segments, the only one that is read.
	FormatVersion = 2

	// blockBytes is the unit in which the log is written: headers of segments and
	// rounds begin at its multiples, so that a block which was synced is never
	// written again.
	blockBytes = 4096

	segmentMagic uint64 = 0x474f4c5449574447 // "GDWITLOG"
	roundMagic   uint32 = 0x32444e52         // "RND2"

	blockCRCOffset   = 12
	roundHeaderBytes = 88
	roundCRCOffset   = 4
	batchHeaderBytes = 48

	// flagReset in a segment's header: nothing before it counts.
	flagReset uint32 = 2
	// flagClean in a round's header: the log was closed behind it.
	flagClean uint32 = 1
	// flagRepair in a round's header: it stands in for one that was damaged, and those
	// behind that stay.
	flagRepair uint32 = 2
)

// sealBlock puts what begins every block with a header: magic, version, checksum.
func sealBlock(b []byte, magic uint64, version uint32) {
	le := binary.LittleEndian
	le.PutUint64(b, magic)
	le.PutUint32(b[8:], version)
	le.PutUint32(b[blockCRCOffset:], 0)
	le.PutUint32(b[blockCRCOffset:], checksum(0, b))
}

// openBlock checks the beginning of a block, or of as much of it as there is, of a
// version up to newest.
func openBlock(file string, offset int64, b []byte, magic uint64, newest uint32, what string) error {
	if len(b) < blockBytes {
		return dberr.Corrupt(file, offset, "%d bytes are too few for a %s", len(b), what)
	}
	b = b[:blockBytes]
	le := binary.LittleEndian
	if got := le.Uint64(b); got != magic {
		return dberr.Corrupt(file, offset, "not a %s: it begins with %016x", what, got)
	}
	var zero [4]byte
	crc := checksum(0, b[:blockCRCOffset])
	crc = checksum(crc, zero[:])
	crc = checksum(crc, b[blockCRCOffset+4:])
	if want := le.Uint32(b[blockCRCOffset:]); crc != want {
		return dberr.Corrupt(file, offset, "checksum of the %s is %08x, stored is %08x", what, crc, want)
	}
	if v := le.Uint32(b[8:]); v > newest {
		return newerFormat(file, v, newest)
	}
	return nil
}

func newerFormat(file string, version, newest uint32) error {
	return fmt.Errorf("%w: %s has log format %d, this is %d", dberr.ErrNewerFormat, file, version, newest)
}

func olderFormat(file string, version uint32) error {
	return fmt.Errorf("%w: %s has log format %d, this is %d; make a backup with the version that wrote it, and restore that",
		dberr.ErrOlderFormat, file, version, FormatVersion)
}

// isOtherFormat tells whether a file is another version's. That is no damage.
func isOtherFormat(err error) bool {
	return errors.Is(err, dberr.ErrNewerFormat) || errors.Is(err, dberr.ErrOlderFormat)
}

// DatabaseID tells databases apart: it is drawn when one is created.
type DatabaseID [16]byte

// String returns the id as 32 hexadecimal digits.
func (id DatabaseID) String() string { return hex.EncodeToString(id[:]) }

// SegmentNumber counts the segments of a log from 1.
type SegmentNumber uint64

// RoundNumber counts the rounds of a log from 1, over all segments.
type RoundNumber uint64

// Epoch is a leadership number. A database of one node begins one each time it is opened.
type Epoch uint64

// checksum continues a CRC32C over p.
func checksum(crc uint32, p []byte) uint32 {
	return crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), p)
}

// roundUp returns n rounded up to whole blocks.
func roundUp(n int64) int64 { return (n + blockBytes - 1) &^ (blockBytes - 1) }

// segmentHeader is the first block of a segment.
type segmentHeader struct {
	id         DatabaseID
	number     SegmentNumber
	nonce      uint64 // drawn for each segment: rounds of a file's earlier lives do not have it
	firstRound RoundNumber
	// Where the segment before this one ends. prev is 0 in a log's first one.
	prev    SegmentNumber
	prevEnd int64
	// base is what its rounds go on behind: none of them has a lower place in the log.
	base Base
	// size is the file's. It may only be cut when the next segment has a header.
	size  int64
	reset bool
}

// put encodes the header into a block.
func (h *segmentHeader) put(b []byte) {
	b = b[:blockBytes]
	clear(b)
	le := binary.LittleEndian
	copy(b[16:], h.id[:])
	le.PutUint64(b[32:], uint64(h.number))
	le.PutUint64(b[40:], h.nonce)
	le.PutUint64(b[48:], uint64(h.firstRound))
	le.PutUint64(b[56:], uint64(h.prev))
	le.PutUint64(b[64:], uint64(h.prevEnd))
	le.PutUint64(b[72:], uint64(h.base.Watermark))
	le.PutUint64(b[80:], uint64(h.base.Last))
	le.PutUint64(b[88:], uint64(h.size))
	if h.reset {
		le.PutUint32(b[96:], flagReset)
	}
	le.PutUint64(b[104:], uint64(h.base.Number))
	le.PutUint64(b[112:], uint64(h.base.Epoch))
	sealBlock(b, segmentMagic, FormatVersion)
}

// decodeSegmentHeader reads a segment's first block, or as much of it as there
// is.
func decodeSegmentHeader(file string, b []byte) (segmentHeader, error) {
	var h segmentHeader
	if err := openBlock(file, 0, b, segmentMagic, FormatVersion, "segment header"); err != nil {
		return h, err
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v < FormatVersion {
		return h, olderFormat(file, v)
	}
	copy(h.id[:], b[16:])
	h.number = SegmentNumber(le.Uint64(b[32:]))
	h.nonce = le.Uint64(b[40:])
	h.firstRound = RoundNumber(le.Uint64(b[48:]))
	h.prev = SegmentNumber(le.Uint64(b[56:]))
	h.prevEnd = int64(le.Uint64(b[64:]))
	h.size = int64(le.Uint64(b[88:]))
	h.reset = le.Uint32(b[96:])&flagReset != 0
	h.base = Base{
		Number: RoundNumber(le.Uint64(b[104:])), Epoch: Epoch(le.Uint64(b[112:])),
		Watermark: hlc.Timestamp(le.Uint64(b[72:])), Last: hlc.Timestamp(le.Uint64(b[80:])),
	}
	switch {
	case h.number == 0 || h.firstRound == 0 || h.number-1 != h.prev:
		return h, dberr.Corrupt(file, 0, "segment %d after segment %d, from round %d", h.number, h.prev, h.firstRound)
	case h.prevEnd < 0 || h.prevEnd%blockBytes != 0 || h.size < blockBytes:
		return h, dberr.Corrupt(file, 0, "a segment of %d bytes after one that ends at %d", h.size, h.prevEnd)
	case h.base.Watermark > hlc.Max || h.base.Last > hlc.Max:
		return h, dberr.Corrupt(file, 0, "watermark %d, last timestamp %d", h.base.Watermark, h.base.Last)
	}
	return h, nil
}

// roundHeader begins a round.
type roundHeader struct {
	bytes     int64 // header, batch headers and records, without padding
	number    RoundNumber
	nonce     uint64
	watermark hlc.Timestamp
	synced    RoundNumber // the highest round known to be durable when this one was written
	epoch     Epoch
	batches   int
	clean     bool
	repair    bool
	tableCRC  uint32      // over the batch headers; over the payload in any kind but data
	entry     RoundNumber // its place in the log; number is that on the disk
	kind      RoundKind
	last      hlc.Timestamp
}

// asBase returns the round as what a log goes on behind.
func (h *roundHeader) asBase() Base {
	return Base{Number: h.entry, Epoch: h.epoch, Watermark: h.watermark, Last: h.last}
}

// place is where a round is. It goes into the header's checksum, so that a copy
// elsewhere (in a value, in another segment, in another database) is not taken
// for a round.
type place struct {
	segmentSeed uint32 // checksum of database and segment
	offset      int64
}

// placeIn returns the beginning of a segment.
func placeIn(id DatabaseID, n SegmentNumber) place {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], uint64(n))
	return place{segmentSeed: checksum(0, b[:])}
}

// at returns another place in the segment.
func (p place) at(offset int64) place { return place{p.segmentSeed, offset} }

// seed is what the header's checksum starts from. Different seeds give different
// checksums, and within a segment no two blocks have the same.
func (p place) seed() uint32 { return p.segmentSeed ^ uint32(p.offset/blockBytes) }

// put encodes the header into b.
func (h *roundHeader) put(b []byte, at place) {
	b = b[:roundHeaderBytes]
	clear(b)
	le := binary.LittleEndian
	le.PutUint32(b, roundMagic)
	le.PutUint64(b[8:], uint64(h.bytes))
	le.PutUint64(b[16:], uint64(h.number))
	le.PutUint64(b[24:], h.nonce)
	le.PutUint64(b[32:], uint64(h.watermark))
	le.PutUint64(b[40:], uint64(h.synced))
	le.PutUint64(b[48:], uint64(h.epoch))
	le.PutUint32(b[56:], uint32(h.batches))
	var flags uint32
	if h.clean {
		flags |= flagClean
	}
	if h.repair {
		flags |= flagRepair
	}
	le.PutUint32(b[60:], flags)
	le.PutUint32(b[64:], h.tableCRC)
	le.PutUint32(b[68:], uint32(h.kind))
	le.PutUint64(b[72:], uint64(h.entry))
	le.PutUint64(b[80:], uint64(h.last))
	le.PutUint32(b[roundCRCOffset:], checksum(at.seed(), b))
}

// decodeRoundHeader reads a round's header. It checks all that the header alone
// can tell; reason is "" if it is sound.
func decodeRoundHeader(b []byte, at place) (h roundHeader, reason string) {
	if len(b) < roundHeaderBytes {
		return h, fmt.Sprintf("%d bytes are too few for a round header", len(b))
	}
	le := binary.LittleEndian
	if magic := le.Uint32(b); magic != roundMagic {
		return h, fmt.Sprintf("no round begins here, but %08x", magic)
	}
	b = b[:roundHeaderBytes]
	var zero [4]byte
	crc := checksum(at.seed(), b[:roundCRCOffset])
	crc = checksum(crc, zero[:])
	crc = checksum(crc, b[roundCRCOffset+4:])
	if want := le.Uint32(b[roundCRCOffset:]); crc != want {
		return h, fmt.Sprintf("checksum of the round header is %08x, stored is %08x", crc, want)
	}
	h = roundHeader{
		bytes:     int64(le.Uint64(b[8:])),
		number:    RoundNumber(le.Uint64(b[16:])),
		nonce:     le.Uint64(b[24:]),
		watermark: hlc.Timestamp(le.Uint64(b[32:])),
		synced:    RoundNumber(le.Uint64(b[40:])),
		epoch:     Epoch(le.Uint64(b[48:])),
		batches:   int(le.Uint32(b[56:])),
		clean:     le.Uint32(b[60:])&flagClean != 0,
		repair:    le.Uint32(b[60:])&flagRepair != 0,
		tableCRC:  le.Uint32(b[64:]),
		entry:     RoundNumber(le.Uint64(b[72:])),
		last:      hlc.Timestamp(le.Uint64(b[80:])),
	}
	if k := le.Uint32(b[68:]); k <= uint32(RoundLastPart) {
		h.kind = RoundKind(k)
	}
	switch {
	case h.batches > StreamsMax:
		return h, fmt.Sprintf("a round of %d batches", h.batches)
	case h.bytes < roundHeaderBytes+int64(h.batches)*batchHeaderBytes:
		return h, fmt.Sprintf("a round of %d batches in %d bytes", h.batches, h.bytes)
	case h.number == 0 || h.synced >= h.number:
		return h, fmt.Sprintf("round %d says that round %d is durable", h.number, h.synced)
	case h.watermark > hlc.Max || h.last > hlc.Max:
		return h, fmt.Sprintf("watermark %d, last timestamp %d", h.watermark, h.last)
	case !h.kind.Known() || h.kind != RoundData && h.batches > 0:
		return h, fmt.Sprintf("a round of kind %d with %d batches", h.kind, h.batches)
	case h.entry == 0:
		return h, "a round without a number"
	}
	return h, ""
}

// misfit says why a round is not the one that belongs here, "" if it is: in a segment
// of that nonce, where left bytes are left.
func (h *roundHeader) misfit(nonce uint64, want RoundNumber, left int64) string {
	switch {
	case h.nonce != nonce:
		return fmt.Sprintf("round %d is of an earlier life of the segment", h.number)
	case h.number != want:
		return fmt.Sprintf("round %d where round %d belongs", h.number, want)
	case h.bytes > left || roundUp(h.bytes) > left: // the first against an overflow
		return fmt.Sprintf("round %d of %d bytes where %d are left", h.number, h.bytes, left)
	}
	return ""
}

// batchHeader describes one stream's part of a round.
type batchHeader struct {
	stream      StreamID
	records     uint32
	bytes       int64
	first, last hlc.Timestamp
	closed      hlc.Timestamp
	crc         uint32 // over the records
}

func (h *batchHeader) put(b []byte) {
	b = b[:batchHeaderBytes]
	clear(b)
	le := binary.LittleEndian
	le.PutUint32(b, uint32(h.stream))
	le.PutUint32(b[4:], h.records)
	le.PutUint64(b[8:], uint64(h.bytes))
	le.PutUint64(b[16:], uint64(h.first))
	le.PutUint64(b[24:], uint64(h.last))
	le.PutUint64(b[32:], uint64(h.closed))
	le.PutUint32(b[40:], h.crc)
}

// decodeBatchHeader reads a batch's header, which the round's checksum has
// covered. reason is "" if it is sound.
func decodeBatchHeader(b []byte) (h batchHeader, reason string) {
	if len(b) < batchHeaderBytes {
		return h, fmt.Sprintf("%d bytes are too few for a batch header", len(b))
	}
	le := binary.LittleEndian
	h = batchHeader{
		stream:  StreamID(le.Uint32(b)),
		records: le.Uint32(b[4:]),
		bytes:   int64(le.Uint64(b[8:])),
		first:   hlc.Timestamp(le.Uint64(b[16:])),
		last:    hlc.Timestamp(le.Uint64(b[24:])),
		closed:  hlc.Timestamp(le.Uint64(b[32:])),
		crc:     le.Uint32(b[40:]),
	}
	switch {
	case h.stream >= StreamsMax:
		return h, fmt.Sprintf("a batch of stream %d", h.stream)
	case h.records == 0 || h.bytes < 0 || int64(h.records) > h.bytes/TxHeaderBytes:
		return h, fmt.Sprintf("a batch of %d records in %d bytes", h.records, h.bytes)
	case h.first == 0 || h.first > h.last || h.last > h.closed || h.closed > hlc.Max:
		return h, fmt.Sprintf("a batch from %d to %d, closed at %d", h.first, h.last, h.closed)
	}
	return h, ""
}
