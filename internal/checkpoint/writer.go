package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// BlockFunc is called after each block that was written or applied, with its
// size and its number of entries, from the goroutine that did it. It may wait, to
// leave the disk and the processor to others, and its error ends the work: this is
// how a checkpoint is slowed down, watched and cancelled.
type BlockFunc func(bytes, entries int64) error

// Writer writes a stream. It serves one goroutine, holds one block and does not
// allocate per entry.
type Writer struct {
	out        io.Writer
	afterBlock BlockFunc
	framing    framing
	known      map[TableID]struct{}
	begun      bool
	table      TableID

	// buf is the next block: room for its header, and the entries so far.
	buf     []byte
	entries uint32
	err     error
}

var (
	errWriterClosed = errors.New("checkpoint: writer is closed")
	errNoTable      = errors.New("checkpoint: entry without a table")
)

// NewWriter begins a stream with its header and its table directory.
// afterBlock may be nil.
func NewWriter(out io.Writer, header Header, tables []Table, afterBlock BlockFunc) (*Writer, error) {
	if err := header.validate(); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if err := validateTables(tables); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	head := header.encode()
	w := &Writer{
		out:        out,
		afterBlock: afterBlock,
		framing:    newFraming(&head),
		known:      make(map[TableID]struct{}, len(tables)),
		buf:        make([]byte, blockHeaderBytes, blockHeaderBytes+BlockTargetBytes),
	}
	if err := w.write(head[:]); err != nil {
		return nil, err
	}
	for _, t := range tables {
		w.known[t.ID] = struct{}{}
		if len(w.buf)+entryBytes(tableKeyBytes, len(t.Name)) > cap(w.buf) {
			if err := w.flush(tablesBlock); err != nil {
				return nil, err
			}
		}
		w.buf = appendTable(w.buf, t)
		w.entries++
	}
	return w, w.flush(tablesBlock)
}

// BeginTable makes the entries that follow belong to a table of the directory.
// A table may be begun several times.
func (w *Writer) BeginTable(id TableID) error {
	if w.err != nil {
		return w.err
	}
	if _, ok := w.known[id]; !ok {
		return fmt.Errorf("checkpoint: table %d is not in the directory", id)
	}
	if w.begun && w.table == id {
		return nil
	}
	if err := w.flush(entriesBlock); err != nil {
		return err
	}
	w.begun, w.table = true, id
	return nil
}

// Add appends an entry. It copies key and value.
func (w *Writer) Add(key, value []byte) error {
	size := entryBytes(len(key), len(value))
	if len(w.buf)+size > cap(w.buf) || len(key) > KeyBytesMax || !w.begun {
		return w.addSlow(key, value, size)
	}
	w.buf = append(appendEntryHead(w.buf, key, len(value)), value...)
	w.entries++
	return nil
}

// addSlow is Add when the block is full or the call is wrong.
func (w *Writer) addSlow(key, value []byte, size int) error {
	switch {
	case w.err != nil:
		return w.err
	case !w.begun:
		return errNoTable
	case len(key) > KeyBytesMax:
		return fmt.Errorf("checkpoint: key has %d bytes, at most %d are allowed", len(key), KeyBytesMax)
	case len(value) > ValueBytesMax:
		return fmt.Errorf("checkpoint: value has %d bytes, at most %d are allowed", len(value), ValueBytesMax)
	}
	if err := w.flush(entriesBlock); err != nil {
		return err
	}
	w.entries = 1
	if size > BlockTargetBytes {
		// A block of its own, written without a copy of the value.
		w.buf = appendEntryHead(w.buf, key, len(value))
		return w.flushWith(entriesBlock, value)
	}
	w.buf = append(appendEntryHead(w.buf, key, len(value)), value...)
	return nil
}

// Progress returns what was written so far. An unfinished block does not count.
func (w *Writer) Progress() Summary { return w.framing.total }

// Close writes what is left and the footer. Without it the stream is not valid.
// It leaves the underlying writer alone.
func (w *Writer) Close() (Summary, error) {
	if err := w.flush(entriesBlock); err != nil {
		return Summary{}, err
	}
	body := w.framing.footer()
	w.framing.total.Checksum = w.framing.chain
	w.buf = append(w.buf, body[:]...)
	if err := w.flushWith(footerBlock, nil); err != nil {
		return Summary{}, err
	}
	_ = w.fail(errWriterClosed)
	return w.framing.total, nil
}

// flush writes the block in buf, if it has entries.
func (w *Writer) flush(kind blockType) error {
	if w.err != nil || w.entries == 0 {
		return w.err
	}
	return w.flushWith(kind, nil)
}

// flushWith writes the block in buf; tail is the end of its body.
func (w *Writer) flushWith(kind blockType, tail []byte) error {
	body := w.buf[blockHeaderBytes:]
	size := len(body) + len(tail)
	h := blockHeader{
		kind:     kind,
		codec:    codecNone,
		sequence: w.framing.sequence,
		entries:  w.entries,
		raw:      uint32(size),
		stored:   uint32(size),
		bodyCRC:  crc32.Update(crc32.Checksum(body, castagnoli), castagnoli, tail),
	}
	if kind == entriesBlock {
		h.table = w.table
	}
	h.encode(w.buf, w.framing.streamCRC)
	if err := w.write(w.buf); err != nil {
		return err
	}
	if len(tail) > 0 {
		if err := w.write(tail); err != nil {
			return err
		}
	}
	w.framing.advance(h, w.buf)
	w.buf, w.entries = w.buf[:blockHeaderBytes], 0
	if w.afterBlock != nil {
		if err := w.afterBlock(blockHeaderBytes+int64(size), int64(h.entries)); err != nil {
			return w.fail(err)
		}
	}
	return nil
}

// write passes b on. A short write leaves the stream useless, so errors stay.
func (w *Writer) write(b []byte) error {
	n, err := w.out.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(fmt.Errorf("checkpoint: write %d bytes at offset %d: %w", len(b), w.framing.offset, err))
	}
	return nil
}

// fail makes every later call return err.
func (w *Writer) fail(err error) error {
	w.err, w.begun = err, false
	return err
}

// Relations between the limits: a block of the target size has room for the
// largest key, and lengths fit their fields.
const (
	_ = uint(BlockTargetBytes - 2*KeyBytesMax)
	_ = uint32(blockBytesMax)
	_ = uint(1<<31 - 1 - blockBytesMax) // also where int has 32 bits
	_ = uint(binary.MaxVarintLen32 - 5)
)
