package wal

import "github.com/godwitdb/godwit/internal/env"

// writeBytes is the size of the buffer that rounds are put together in: as many as
// fit are one write.
const writeBytes = 1 << 20

// blockWriter writes rounds and headers, in whole blocks. What is put into it is written
// when its buffer is full and by flush.
type blockWriter struct {
	file env.File
	at   int64  // where buf goes
	buf  []byte // what is to be written next
}

func newBlockWriter() blockWriter { return blockWriter{buf: make([]byte, 0, writeBytes)} }

// begin goes to an offset of a file, and returns the first bytes to be written there,
// less than writeBytes, for the caller to fill in.
func (w *blockWriter) begin(file env.File, at int64, bytes int) ([]byte, error) {
	if file != w.file || at != w.at+int64(len(w.buf)) || len(w.buf)+bytes > cap(w.buf) {
		if err := w.flush(); err != nil {
			return nil, err
		}
		w.file, w.at = file, at
	}
	n := len(w.buf)
	w.buf = w.buf[:n+bytes]
	return w.buf[n:], nil
}

// append adds bytes.
func (w *blockWriter) append(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		if p = p[n:]; len(p) > 0 {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pad adds zeros, so that nothing of a recycled segment stays visible. There is room for
// them: the buffer has whole blocks, and they end one.
func (w *blockWriter) pad(bytes int) {
	n := len(w.buf)
	w.buf = w.buf[:n+bytes]
	clear(w.buf[n:])
}

// writeHeader writes the header of a segment, and what there was before, and makes the
// header durable.
func (w *blockWriter) writeHeader(file env.File, h *segmentHeader) error {
	b, err := w.begin(file, 0, blockBytes)
	if err != nil {
		return err
	}
	h.put(b)
	if err := w.flush(); err != nil {
		return err
	}
	return file.Sync()
}

// start has a syncer write what is not written yet, and make it durable if that is asked
// for, if it can. Nothing may be put before that is done, and written called.
func (w *blockWriter) start(s env.Syncer, durable bool) bool {
	return s != nil && len(w.buf) > 0 && s.Start(w.file, w.buf, w.at, durable)
}

// written says that all that was put is written.
func (w *blockWriter) written() {
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
}

// flushDurably writes what is not written yet to a file, and makes durable what was written to it.
func (w *blockWriter) flushDurably(file env.File) error {
	p := w.buf
	d, ok := w.file.(env.DurableWriter)
	if len(p) == 0 || !ok || w.file != file {
		if err := w.flush(); err != nil {
			return err
		}
		return file.Sync()
	}
	w.buf = w.buf[:0]
	if err := d.WriteDurablyAt(p, w.at); err != nil {
		return err
	}
	w.at += int64(len(p))
	return nil
}

// flush writes what is not written yet.
func (w *blockWriter) flush() error {
	p := w.buf
	w.buf = w.buf[:0]
	if len(p) == 0 {
		return nil
	}
	if _, err := w.file.WriteAt(p, w.at); err != nil {
		return err
	}
	w.at += int64(len(p))
	return nil
}
