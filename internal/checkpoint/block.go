package checkpoint

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/godwitdb/godwit/internal/dberr"
)

// blockType tells what a block's body is.
type blockType uint8

const (
	tablesBlock  blockType = 1 // entries of the table directory
	entriesBlock blockType = 2 // entries of one table
	footerBlock  blockType = 3 // the end of the stream
)

// codecNone is the codec of a body that is stored as it is. A compressed codec
// comes with a higher format version.
const codecNone = 0

// blockHeader precedes a block's body.
//
//	offset  0  type          uint8
//	        1  codec         uint8
//	        2  0             uint16
//	        4  sequence      uint32, the block's number in the stream
//	        8  table         uint32
//	       12  entries       uint32
//	       16  raw bytes     uint32, of the body when decoded
//	       20  stored bytes  uint32, of the body as stored
//	       24  CRC32C of the stored body
//	       28  CRC32C of the above, started with the checksum of the stream's header
//
// The header has a checksum of its own so that the length can be trusted before
// the body is read, and a damaged body does not hide the blocks behind it.
// Starting it with the stream's checksum makes a block of another stream, which
// a disk may bring back from the past, as wrong as a damaged one.
type blockHeader struct {
	kind     blockType
	codec    uint8
	sequence uint32
	table    TableID
	entries  uint32
	raw      uint32
	stored   uint32
	bodyCRC  uint32
}

func (h blockHeader) encode(b []byte, streamCRC uint32) {
	b = b[:blockHeaderBytes]
	b[0], b[1] = byte(h.kind), h.codec
	binary.LittleEndian.PutUint16(b[2:], 0)
	binary.LittleEndian.PutUint32(b[4:], h.sequence)
	binary.LittleEndian.PutUint32(b[8:], uint32(h.table))
	binary.LittleEndian.PutUint32(b[12:], h.entries)
	binary.LittleEndian.PutUint32(b[16:], h.raw)
	binary.LittleEndian.PutUint32(b[20:], h.stored)
	binary.LittleEndian.PutUint32(b[24:], h.bodyCRC)
	binary.LittleEndian.PutUint32(b[blockCRCOffset:], crc32.Update(streamCRC, castagnoli, b[:blockCRCOffset]))
}

// framing is the state of a stream between two blocks. Writer and readers pass
// the same headers through it and must come to the same footer.
type framing struct {
	streamCRC uint32 // checksum of the stream's header
	// chain is the checksum of all headers so far, each without its own
	// checksum: with it, the remainder would not depend on the content. The
	// headers hold the checksums of the bodies, so it covers every byte.
	chain    uint32
	sequence uint32 // of the next block
	offset   int64  // of the next block
	inData   bool   // the table directory is over
	tables   uint32 // entries of the table directory
	total    Summary
}

func newFraming(header *[headerBytes]byte) framing {
	crc := binary.LittleEndian.Uint32(header[headerCRCOffset:])
	return framing{
		streamCRC: crc,
		chain:     crc,
		offset:    headerBytes,
		total:     Summary{Bytes: headerBytes},
	}
}

// advance passes over the block with header h, encoded in b.
func (f *framing) advance(h blockHeader, b []byte) {
	f.chain = crc32.Update(f.chain, castagnoli, b[:blockCRCOffset])
	f.sequence++
	size := blockHeaderBytes + int64(h.stored)
	f.offset += size
	f.total.Bytes += size
	switch h.kind {
	case tablesBlock:
		f.tables += h.entries
	case entriesBlock:
		f.inData = true
		f.total.Blocks++
		f.total.Entries += int64(h.entries)
	}
}

// decode reads and checks the header of the next block.
func (f *framing) decode(file string, b *[blockHeaderBytes]byte) (blockHeader, error) {
	if binary.LittleEndian.Uint32(b[blockCRCOffset:]) != crc32.Update(f.streamCRC, castagnoli, b[:blockCRCOffset]) {
		return blockHeader{}, dberr.Corrupt(file, f.offset, "checksum of the block header does not match")
	}
	h := blockHeader{
		kind:     blockType(b[0]),
		codec:    b[1],
		sequence: binary.LittleEndian.Uint32(b[4:]),
		table:    TableID(binary.LittleEndian.Uint32(b[8:])),
		entries:  binary.LittleEndian.Uint32(b[12:]),
		raw:      binary.LittleEndian.Uint32(b[16:]),
		stored:   binary.LittleEndian.Uint32(b[20:]),
		bodyCRC:  binary.LittleEndian.Uint32(b[24:]),
	}
	if reserved := binary.LittleEndian.Uint16(b[2:]); reserved != 0 {
		return blockHeader{}, dberr.Corrupt(file, f.offset, "reserved field of the block header is %#x", reserved)
	}
	if err := f.allows(h); err != nil {
		return blockHeader{}, dberr.Corrupt(file, f.offset, "%v", err)
	}
	return h, nil
}

// allows tells whether h may come next.
func (f *framing) allows(h blockHeader) error {
	switch {
	case h.sequence != f.sequence:
		return fmt.Errorf("block has number %d, %d was to come", h.sequence, f.sequence)
	case h.codec != codecNone:
		return fmt.Errorf("block has codec %d, which does not exist", h.codec)
	case h.raw > blockBytesMax:
		return fmt.Errorf("block has %d bytes, at most %d are allowed", h.raw, blockBytesMax)
	case h.stored != h.raw:
		return fmt.Errorf("block is stored in %d bytes, but has %d", h.stored, h.raw)
	}
	switch h.kind {
	case footerBlock:
		if h.raw != footerBodyBytes || h.entries != 0 || h.table != 0 {
			return fmt.Errorf("footer has %d bytes, %d entries and table %d", h.raw, h.entries, h.table)
		}
		return nil
	case tablesBlock:
		if f.inData {
			return fmt.Errorf("table directory goes on after the first entries")
		}
		if h.table != 0 || h.entries > TablesMax-f.tables {
			return fmt.Errorf("table directory block has %d tables after %d others, and table %d", h.entries, f.tables, h.table)
		}
	case entriesBlock:
	default:
		return fmt.Errorf("block has type %d, which does not exist", h.kind)
	}
	if h.entries == 0 || h.entries > h.raw/entryBytesMin {
		return fmt.Errorf("block of %d bytes cannot have %d entries", h.raw, h.entries)
	}
	return nil
}

// footer returns the body of the footer that the stream has to have.
//
//	offset  0  blocks of entries  uint64
//	        8  entries            uint64
//	       16  bytes before the footer, uint64
//	       24  tables             uint32
//	       28  chained CRC32C of the headers of the stream and all blocks
func (f *framing) footer() (b [footerBodyBytes]byte) {
	binary.LittleEndian.PutUint64(b[0:], uint64(f.total.Blocks))
	binary.LittleEndian.PutUint64(b[8:], uint64(f.total.Entries))
	binary.LittleEndian.PutUint64(b[16:], uint64(f.total.Bytes))
	binary.LittleEndian.PutUint32(b[24:], f.tables)
	binary.LittleEndian.PutUint32(b[28:], f.chain)
	return b
}
