package resp

import (
	"iter"
	"slices"
	"strconv"
)

// writerBytesKept is how large a buffer Writer.Reset keeps.
const writerBytesKept = 64 << 10

// Writer is a buffer of replies that grows at its end. The zero Writer with Proto
// set is ready to use.
type Writer struct {
	// Proto is the version of the protocol that the client speaks, 2 or 3.
	Proto int
	// Limit bounds the replies, in bytes; 0: not at all. A string that is beyond it is left out, and Full tells.
	Limit int
	full  bool
	buf   []byte
}

// Bytes returns the replies. They are good until the next call that changes them.
func (w *Writer) Bytes() []byte { return w.buf }

// Len returns how many bytes the replies have.
func (w *Writer) Len() int { return len(w.buf) }

// Truncate drops all but the first n bytes: replies of a transaction that is run
// again.
func (w *Writer) Truncate(n int) { w.buf, w.full = w.buf[:n], false }

// Full tells whether the replies are beyond the limit: they are of no use.
func (w *Writer) Full() bool { return w.full || w.Limit > 0 && len(w.buf) > w.Limit }

// fits tells whether there is room for a string.
func (w *Writer) fits(n int) bool {
	if w.Limit > 0 && len(w.buf)+n > w.Limit {
		w.full = true
	}
	return !w.full
}

// Take returns the replies, which the writer leaves to the caller, and drops them.
func (w *Writer) Take() []byte {
	b := w.buf
	if cap(b) <= writerBytesKept || len(b) < cap(b)/4 { // much of it would be empty
		b = slices.Clone(b)
	}
	w.Reset()
	return b
}

// Reset drops all replies, and the buffer if it has become large.
func (w *Writer) Reset() {
	if cap(w.buf) > writerBytesKept {
		w.buf = nil
	}
	w.buf, w.full = w.buf[:0], false
}

// Raw appends bytes that are encoded already.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }

// OK appends what most commands reply that have nothing to say.
func (w *Writer) OK() { w.buf = append(w.buf, "+OK\r\n"...) }

// SimpleString appends a line of text. Line ends in it become spaces.
func (w *Writer) SimpleString(s string) { w.line(KindSimple, s) }

// Error appends an error. Its first word is its code, as in "ERR syntax error".
// Line ends in it become spaces.
func (w *Writer) Error(msg string) { w.line(KindError, msg) }

func (w *Writer) line(kind Kind, s string) {
	w.buf = append(w.buf, byte(kind))
	start := len(w.buf)
	w.buf = append(w.buf, s...)
	for i, c := range w.buf[start:] {
		if c == '\r' || c == '\n' {
			w.buf[start+i] = ' '
		}
	}
	w.end()
}

func (w *Writer) end() { w.buf = append(w.buf, '\r', '\n') }

// bulkError appends an error that may have line ends, which RESP2 does not have.
func (w *Writer) bulkError(msg []byte) {
	if w.Proto < 3 {
		w.line(KindError, string(msg))
		return
	}
	w.header(KindBulkError, int64(len(msg)))
	w.buf = append(w.buf, msg...)
	w.end()
}

// Int appends an integer.
func (w *Writer) Int(n int64) { w.header(KindInt, n) }

// header appends a number and what it is of.
func (w *Writer) header(kind Kind, n int64) { w.buf = appendHeader(w.buf, kind, n) }

func appendHeader(dst []byte, kind Kind, n int64) []byte {
	return append(strconv.AppendInt(append(dst, byte(kind)), n, 10), '\r', '\n')
}

// Bulk appends a string.
func (w *Writer) Bulk(b []byte) {
	if !w.fits(len(b)) {
		return
	}
	w.header(KindBulk, int64(len(b)))
	w.buf = append(w.buf, b...)
	w.end()
}

// BulkParts appends a string of n bytes that is in pieces.
func (w *Writer) BulkParts(n int, parts iter.Seq[[]byte]) {
	if !w.fits(n) {
		return
	}
	w.header(KindBulk, int64(n))
	w.buf = slices.Grow(w.buf, n+len("\r\n"))
	for part := range parts {
		w.buf = append(w.buf, part...)
	}
	w.end()
}

// BulkString appends a string.
func (w *Writer) BulkString(s string) {
	if !w.fits(len(s)) {
		return
	}
	w.header(KindBulk, int64(len(s)))
	w.buf = append(w.buf, s...)
	w.end()
}

// Null appends that there is no value.
func (w *Writer) Null() { w.null("$-1\r\n") }

// NullArray appends that there is no array, which RESP2 tells from no value.
func (w *Writer) NullArray() { w.null("*-1\r\n") }

func (w *Writer) null(resp2 string) {
	if w.Proto >= 3 {
		w.buf = append(w.buf, "_\r\n"...)
		return
	}
	w.buf = append(w.buf, resp2...)
}

// Array begins an array of n elements.
func (w *Writer) Array(n int) { w.header(KindArray, int64(n)) }

// Map begins a map of n pairs; in RESP2 an array of twice as many elements.
func (w *Writer) Map(n int) { w.header(w.aggregate(KindMap, n)) }

// Set begins a set of n elements; in RESP2 an array.
func (w *Writer) Set(n int) { w.header(w.aggregate(KindSet, n)) }

// Push begins a message of n elements that nobody asked for; in RESP2 an array.
func (w *Writer) Push(n int) { w.header(w.aggregate(KindPush, n)) }

// aggregate returns what an aggregate of n elements, or pairs of a map, is in the
// client's version of the protocol.
func (w *Writer) aggregate(kind Kind, n int) (Kind, int64) {
	switch {
	case w.Proto >= 3:
		return kind, int64(n)
	case kind == KindMap:
		return KindArray, 2 * int64(n)
	}
	return KindArray, int64(n)
}

// Mark is a place among the replies.
type Mark int

// Defer returns the place where an aggregate begins whose length is known only when
// its elements are written. One of the methods SetArray to SetPush must follow them.
// Aggregates may nest: the inner one is set first.
func (w *Writer) Defer() Mark { return Mark(len(w.buf)) }

// SetArray makes what was written since Defer an array of n elements.
func (w *Writer) SetArray(m Mark, n int) { w.insert(m, KindArray, int64(n)) }

// SetMap makes what was written since Defer a map of n pairs.
func (w *Writer) SetMap(m Mark, n int) {
	kind, length := w.aggregate(KindMap, n)
	w.insert(m, kind, length)
}

// SetSet makes what was written since Defer a set of n elements.
func (w *Writer) SetSet(m Mark, n int) {
	kind, length := w.aggregate(KindSet, n)
	w.insert(m, kind, length)
}

// SetPush makes what was written since Defer a push message of n elements.
func (w *Writer) SetPush(m Mark, n int) {
	kind, length := w.aggregate(KindPush, n)
	w.insert(m, kind, length)
}

// insert moves what comes after the mark once. Clients do not take lengths that are
// padded, so that room for the length cannot be kept free.
func (w *Writer) insert(m Mark, kind Kind, n int64) {
	var room [24]byte
	w.buf = slices.Insert(w.buf, int(m), appendHeader(room[:0], kind, n)...)
}

// Bool appends a truth value; in RESP2 1 or 0.
func (w *Writer) Bool(b bool) {
	switch {
	case w.Proto >= 3 && b:
		w.buf = append(w.buf, "#t\r\n"...)
	case w.Proto >= 3:
		w.buf = append(w.buf, "#f\r\n"...)
	case b:
		w.Int(1)
	default:
		w.Int(0)
	}
}

// Double appends a number as AppendDouble prints it; in RESP2 as a string.
func (w *Writer) Double(f float64) {
	if w.Proto >= 3 {
		w.buf = AppendDouble(append(w.buf, byte(KindDouble)), f)
		w.end()
		return
	}
	var room [32]byte
	w.Bulk(AppendDouble(room[:0], f))
}

// BigNumber appends an integer of any size, in decimal digits; in RESP2 as a
// string.
func (w *Writer) BigNumber(digits string) {
	if w.Proto >= 3 {
		w.line(KindBigNumber, digits)
		return
	}
	w.BulkString(digits)
}

// Verbatim appends text that clients show as it is. The format has three letters,
// "txt" or "mkd"; RESP2 has none.
func (w *Writer) Verbatim(format, text string) {
	if w.Proto < 3 {
		w.BulkString(text)
		return
	}
	w.header(KindVerbatim, int64(len(format)+len(":")+len(text)))
	w.buf = append(append(append(w.buf, format...), ':'), text...)
	w.end()
}

// AppendCommand appends a request.
func AppendCommand(dst []byte, args ...[]byte) []byte {
	dst = appendHeader(dst, KindArray, int64(len(args)))
	for _, arg := range args {
		dst = appendHeader(dst, KindBulk, int64(len(arg)))
		dst = append(append(dst, arg...), '\r', '\n')
	}
	return dst
}
