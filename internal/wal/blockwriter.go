package wal

import "github.com/godwitdb/godwit/internal/env"

// writeBytes is the size of the buffer that a round is put together in: a
// smaller round, which is nearly every one, is one write.
const writeBytes = 1 << 20

// blockWriter writes rounds and headers, in whole blocks.
type blockWriter struct {
	file env.File
	at   int64  // where buf goes
	buf  []byte // what is to be written next
}

func newBlockWriter() blockWriter { return blockWriter{buf: make([]byte, 0, writeBytes)} }

// begin goes to an offset of a file, and returns the first bytes to be written there,
// for the caller to fill in.
func (w *blockWriter) begin(file env.File, at int64, bytes int) []byte {
	w.file, w.at = file, at
	w.buf = w.buf[:bytes]
	return w.buf
}

// append adds bytes: small ones to the buffer, large ones straight to the file.
func (w *blockWriter) append(p []byte) error {
	if len(w.buf)+len(p) > cap(w.buf) {
		if err := w.drain(); err != nil {
			return err
		}
		if len(p) >= cap(w.buf) {
			return w.write(p)
		}
	}
	w.buf = append(w.buf, p...)
	return nil
}

// end adds the padding and writes what is not written yet. The padding is zeros, so that
// nothing of a recycled segment stays visible.
func (w *blockWriter) end(padding int) error {
	if len(w.buf)+padding > cap(w.buf) {
		if err := w.drain(); err != nil {
			return err
		}
	}
	w.buf = w.buf[:len(w.buf)+padding]
	clear(w.buf[len(w.buf)-padding:])
	return w.drain()
}

// writeHeader writes the header of a segment and makes it durable.
func (w *blockWriter) writeHeader(file env.File, h *segmentHeader) error {
	h.put(w.begin(file, 0, blockBytes))
	if err := w.drain(); err != nil {
		return err
	}
	return file.Sync()
}

func (w *blockWriter) drain() error {
	err := w.write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *blockWriter) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(p, w.at); err != nil {
		return err
	}
	w.at += int64(len(p))
	return nil
}
