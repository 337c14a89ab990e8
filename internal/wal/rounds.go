package wal

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// tornError is what a write that a crash has interrupted can look like, too.
// What it wraps says what is wrong, and is what is reported if it was no crash.
type tornError struct{ err error }

func (e *tornError) Error() string { return e.err.Error() }
func (e *tornError) Unwrap() error { return e.err }

func torn(file string, offset int64, format string, args ...any) error {
	return &tornError{dberr.Corrupt(file, offset, format, args...)}
}

func isTorn(err error) bool {
	var t *tornError
	return errors.As(err, &t)
}

// plain takes the mark off an error that torn has made.
func plain(err error) error {
	var t *tornError
	if errors.As(err, &t) {
		return t.err
	}
	return err
}

// roundReader goes through the rounds of a segment.
type roundReader struct {
	file  env.File
	name  string
	place place // of the next round
	nonce uint64
	end   int64 // where to stop
	ahead int64 // how much to read at once, if the round is not larger
	pool  *chunkPool
	chunk *chunk

	want RoundNumber   // the next round's
	base Base          // the round before
	low  hlc.Timestamp // no later record is at or below it

	// The current round:
	header  roundHeader
	offset  int64
	batches []batchHeader
	data    []byte
}

// newRoundReader returns a reader before the first round of the segment with
// that header. The end is where the rounds end or, at the latest, may end.
func newRoundReader(file env.File, name string, h *segmentHeader, end int64, pool *chunkPool) *roundReader {
	return &roundReader{
		file: file, name: name, nonce: h.nonce, end: end, ahead: pool.size, pool: pool,
		place: placeIn(h.id, h.number).at(blockBytes),
		want:  h.firstRound, base: h.base, low: h.base.Watermark,
	}
}

func (r *roundReader) close() {
	if r.chunk != nil {
		r.chunk.letGo()
		r.chunk = nil
	}
}

// bytes returns n bytes from offset, which are valid as long as the chunk is
// held. The caller has made sure that they are before the end.
func (r *roundReader) bytes(offset, n int64) ([]byte, error) {
	if !r.chunk.covers(offset, n) {
		r.close()
		size := min(max(n, r.ahead), r.end-offset)
		c := r.pool.get(size)
		c.at = offset
		if got, err := r.file.ReadAt(c.buf, offset); int64(got) < size {
			c.letGo()
			if errors.Is(err, io.EOF) {
				return nil, dberr.Corrupt(r.name, offset+int64(got), "the file ends, %d bytes are missing", r.end-offset-int64(got))
			}
			return nil, fmt.Errorf("reading %s at %d: %w", r.name, offset, err)
		}
		r.chunk = c
	}
	at := offset - r.chunk.at
	return r.chunk.buf[at : at+n], nil
}

// next reads the next round of a log that a Log has written. It returns io.EOF at the end,
// and does not move past a round that it returns an error for.
func (r *roundReader) next() error {
	if r.place.offset >= r.end {
		return io.EOF
	}
	if err := r.readHeader(); err != nil {
		return err
	}
	if reason := r.alien(&r.header); reason != "" {
		return dberr.Corrupt(r.name, r.offset, "%s", reason)
	}
	if err := r.readBody(); err != nil {
		return err
	}
	if err := r.checkTable(); err != nil {
		return err
	}
	r.pass()
	return nil
}

// read reads the next round, whoever has written it.
func (r *roundReader) read() error {
	err := r.readHeader()
	if err == nil {
		err = r.readBody()
	}
	if err == nil {
		r.pass()
	}
	return err
}

func (r *roundReader) readHeader() error {
	at := r.place.offset
	b, err := r.bytes(at, min(blockBytes, r.end-at))
	if err != nil {
		return err
	}
	h, reason := decodeRoundHeader(b, r.place)
	if reason == "" {
		reason = h.misfit(r.nonce, r.want, r.end-at)
	}
	if reason != "" {
		return torn(r.name, at, "%s", reason)
	}
	r.header, r.offset = h, at
	return nil
}

// readBody reads what is behind the header: the batch headers and the records, which are not
// verified yet, or what the group says.
func (r *roundReader) readBody() (err error) {
	h := &r.header
	if r.data, err = r.bytes(r.offset, h.bytes); err != nil {
		return err
	}
	r.batches = r.batches[:0]
	if h.kind != RoundData {
		if crc := checksum(0, r.data[roundHeaderBytes:]); crc != h.tableCRC {
			return torn(r.name, r.offset, "checksum of the payload of round %d is %08x, stored is %08x", h.number, crc, h.tableCRC)
		}
		return nil
	}
	table := r.data[roundHeaderBytes : roundHeaderBytes+h.batches*batchHeaderBytes]
	if crc := checksum(0, table); crc != h.tableCRC {
		return torn(r.name, r.offset+roundHeaderBytes, "checksum of the batch headers of round %d is %08x, stored is %08x", h.number, crc, h.tableCRC)
	}
	// Their checksum is right, so whatever is wrong with them was no crash.
	var bad *FormatError
	if r.batches, bad = decodeTable(r.batches, table, h.bytes-roundHeaderBytes-int64(len(table))); bad != nil {
		return r.badTable(bad.Offset, bad.Reason)
	}
	return nil
}

func (r *roundReader) badTable(at int, reason string) error {
	return dberr.Corrupt(r.name, r.offset+int64(roundHeaderBytes+at), "round %d: %s", r.header.number, reason)
}

// pass goes on behind the current round.
func (r *roundReader) pass() {
	if r.header.kind == RoundOpen {
		r.low = max(r.low, r.base.Last)
	}
	r.place.offset += roundUp(r.header.bytes)
	r.want++
	r.base = r.header.asBase()
	r.low = max(r.low, r.header.watermark)
}

// seek goes to round n of the log, behind some that can not be told or do not count.
func (r *roundReader) seek(n RoundNumber, e *tapeEntry) {
	r.place.offset, r.want = e.offset, e.number
	r.base.Number, r.base.Epoch = n-1, e.epoch
	if e.kind == RoundOpen {
		r.base.Epoch--
	}
}

// alien says why a round that is sound is not one of a log that a Log has written, "" if
// it is. No crash makes that.
func (r *roundReader) alien(h *roundHeader) string {
	begins := h.kind == RoundOpen
	switch {
	case h.entry != r.base.Number+1 || h.repair:
		return fmt.Sprintf("round %d of the log comes after round %d", h.entry, r.base.Number)
	case !begins && h.kind != RoundData:
		return fmt.Sprintf("round %d is of kind %v, which has no place in the log of one node", h.number, h.kind)
	case begins && h.bytes > roundHeaderBytes:
		return fmt.Sprintf("the barrier of epoch %d has %d bytes", h.epoch, h.bytes)
	case begins && (h.epoch != r.base.Epoch+1 || r.place.offset != blockBytes):
		return fmt.Sprintf("epoch %d begins at %d, in epoch %d", h.epoch, r.place.offset, r.base.Epoch)
	case !begins && h.epoch != r.base.Epoch:
		return fmt.Sprintf("round %d is of epoch %d, in epoch %d", h.number, h.epoch, r.base.Epoch)
	case !begins && h.watermark < r.base.Watermark:
		return fmt.Sprintf("the watermark of round %d goes back from %d to %d", h.number, r.base.Watermark, h.watermark)
	}
	return ""
}

// checkTable checks that the batch headers fit to the round and to those before it, as a Log
// has written them.
func (r *roundReader) checkTable() error {
	last := max(r.base.Last, r.header.watermark)
	for i := range r.batches {
		h := &r.batches[i]
		switch {
		case h.closed < r.header.watermark:
			return r.badTable(i*batchHeaderBytes, fmt.Sprintf("stream %d is closed at %d, below the watermark %d", h.stream, h.closed, r.header.watermark))
		case h.first <= r.low:
			// Invariant I5 as far as one round tells: the streams had closed the
			// watermark of the round before.
			return r.badTable(i*batchHeaderBytes, fmt.Sprintf("stream %d has a record at %d, below the watermark %d of the round before", h.stream, h.first, r.low))
		}
		last = max(last, h.closed)
	}
	if last != r.header.last {
		return dberr.Corrupt(r.name, r.offset, "the largest timestamp in round %d is %d, its header says %d", r.header.number, last, r.header.last)
	}
	return nil
}

// placedBatch is a batch that knows where it comes from, so that what is wrong
// with it can be reported.
type placedBatch struct {
	Batch
	crc    uint32
	name   string
	offset int64 // of the records
	round  RoundNumber
}

// placed returns the batches of the current round, with the bounds of their records.
func (r *roundReader) placed(from, to hlc.Timestamp) iter.Seq[placedBatch] {
	return func(yield func(placedBatch) bool) {
		at := int64(roundHeaderBytes + len(r.batches)*batchHeaderBytes)
		for i := range r.batches {
			h := &r.batches[i]
			b := placedBatch{
				Batch: Batch{
					Stream: h.stream, Closed: h.closed, First: h.first, Last: h.last, Records: int(h.records),
					data: r.data[at : at+h.bytes : at+h.bytes], from: from, to: to,
				},
				crc: h.crc, name: r.name, offset: r.offset + at, round: r.header.number,
			}
			if !yield(b) {
				return
			}
			at += h.bytes
		}
	}
}

// intact reads what is behind the header of the current round and compares all checksums.
func (r *roundReader) intact() error {
	if err := r.readBody(); err != nil {
		return err
	}
	for b := range r.placed(0, hlc.Max) {
		if err := b.intact(); err != nil {
			return err
		}
	}
	return nil
}

// intact compares the checksum of the records.
func (b *placedBatch) intact() error {
	if crc := checksum(0, b.data); crc != b.crc {
		return torn(b.name, b.offset, "checksum of the records of stream %d in round %d is %08x, stored is %08x", b.Stream, b.round, crc, b.crc)
	}
	return nil
}

// verify checks the records: their checksum, then each of them. It returns how
// many are above the bounds.
func (b *placedBatch) verify() (above int, err error) {
	if err := b.intact(); err != nil {
		return 0, err
	}
	above, err = b.validate()
	if err != nil {
		return 0, b.locate(err)
	}
	return above, nil
}

// locate makes a CorruptionError of a FormatError.
func (b *placedBatch) locate(err error) error {
	var f *FormatError
	if errors.As(err, &f) {
		return dberr.Corrupt(b.name, b.offset+int64(f.Offset), "stream %d in round %d: %s", b.Stream, b.round, f.Reason)
	}
	return err
}

// find looks for a round header from offset on that accept accepts. It returns
// where it is, ok is false if there is none. The reader is then at another place
// of the file, but still before the same round.
func (r *roundReader) find(offset int64, accept func(roundHeader) bool) (h roundHeader, at int64, ok bool, err error) {
	for at = offset; at < r.end; at += blockBytes {
		b, err := r.bytes(at, min(blockBytes, r.end-at))
		if err != nil {
			return h, 0, false, err
		}
		h, reason := decodeRoundHeader(b, r.place.at(at))
		if reason == "" && accept(h) {
			return h, at, true, nil
		}
	}
	return h, 0, false, nil
}

// wasDurable tells whether a round that is not sound was durable: the log is known
// to reach it, or one behind it says so.
func (r *roundReader) wasDurable(offset int64, number, reach RoundNumber) (bool, error) {
	if number <= reach {
		return true, nil
	}
	_, _, ok, err := r.find(offset, func(h roundHeader) bool {
		return h.nonce == r.nonce && h.synced >= number
	})
	return ok, err
}
