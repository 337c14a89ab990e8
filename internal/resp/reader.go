package resp

import (
	"bytes"
	"io"
	"sync/atomic"
	"unsafe"
)

const (
	// chunkBytesMin and chunkBytesMax are how small the buffer of a connection
	// begins, and how large it becomes when that many bytes come at once.
	chunkBytesMin = 4 << 10
	chunkBytesMax = 64 << 10
	// largeBulkBytes is the size of an argument that gets memory of its own, so
	// that it is read to its place and not copied from the buffer.
	largeBulkBytes = 32 << 10
	// A buffer is given back if so many batches in a row were so small a part of it.
	smallBatchesMax  = 256
	smallBatchFactor = 4
	// argsKept is how many arguments of a batch have room that is kept.
	argsKept = 4 << 10
	// shortLineBytes is how long the line of a length usually is at most.
	shortLineBytes = len("$100000")
	// emptyReadsMax is how often a stream may return nothing before it is broken.
	emptyReadsMax = 100
)

// States of Reader.missing and Reader.bulk.
const (
	noCommand = -1
	noBulk    = -1
)

// Reader reads the requests of one connection. It serves one goroutine at a time.
type Reader struct {
	src    io.Reader
	limits Limits
	err    error // ends the stream

	// buf[pos:end] has come and is not parsed.
	buf      []byte
	pos, end int
	// crowded says that the last read filled the buffer: it may be too small.
	crowded bool
	// smallBatches is how many of the last batches had needed no such buffer.
	smallBatches int
	// held says that arguments of commands that were returned alias buf[:pos].
	held bool

	// args are the arguments of the commands since Release; those of the command
	// that is being parsed begin at first.
	args  [][]byte
	first int
	// apart is how many bytes of memory arguments have that are not in buf.
	apart int
	// memory is how many bytes the Reader has, about. Others read it.
	memory atomic.Int64

	// begin is where in buf the command begins that is being parsed, or -1 if it
	// cannot be parsed anew: some of it is no longer in buf.
	begin   int
	missing int  // arguments to come, or noCommand before their number has
	bulk    int  // length of the argument to come, or noBulk before it has
	bytes   int  // of the arguments
	ready   bool // the command is whole; ReadCommand may return it
	large   bool // when Buffered looked last, a large argument was missing
}

// NewReader returns a Reader of the requests that come from src.
func NewReader(src io.Reader, limits Limits) *Reader {
	return &Reader{src: src, limits: limits.withDefaults(), missing: noCommand, bulk: noBulk}
}

// SetLimits replaces the limits, from the next command on.
func (r *Reader) SetLimits(limits Limits) {
	r.limits = limits.withDefaults()
	if r.err == nil {
		r.rewind()
	}
}

// ReadCommand returns the arguments of the next request, at least one. Requests
// that are empty are skipped, as Redis does. The arguments are good until Release.
//
// An error is a ProtocolError or one of the stream: io.EOF if it ended between
// requests. The Reader is of no use after it.
func (r *Reader) ReadCommand() ([][]byte, error) {
	for !r.ready && r.err == nil {
		r.ready, r.err = r.parse()
		if r.ready || r.err != nil {
			break
		}
		if r.bulk > largeBulkBytes {
			r.err = r.readLarge()
		} else {
			r.err = r.fill(r.src)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	args := r.args[r.first:len(r.args):len(r.args)]
	r.first = len(r.args)
	r.held = true
	r.next()
	return args, nil
}

// Buffered reports whether ReadCommand will return without waiting for the stream.
func (r *Reader) Buffered() bool {
	if !r.ready && r.err == nil {
		r.ready, r.err = r.parse()
		if !r.ready && r.err == nil {
			r.large = r.bulk > largeBulkBytes
			r.rewind()
		}
	}
	return r.ready || r.err != nil
}

// Release says that the arguments of the commands that were returned are no
// longer needed.
func (r *Reader) Release() {
	if r.err == nil {
		r.rewind()
	}
	r.held = false
	r.first = 0
	r.apart = 0
	defer r.measure()
	r.shrink()
	if cap(r.args) > argsKept {
		r.args = nil
		return
	}
	clear(r.args)
	r.args = r.args[:0]
}

// shrink gives the buffer back if it has been too large for long. Nothing in it may
// be in use.
func (r *Reader) shrink() {
	if r.pos < r.end || r.end > len(r.buf)/smallBatchFactor || len(r.buf) <= chunkBytesMin {
		r.smallBatches = 0
		return
	}
	if r.smallBatches++; r.smallBatches >= smallBatchesMax {
		r.smallBatches = 0
		r.buf, r.pos, r.end, r.begin, r.crowded = nil, 0, 0, 0, false
	}
}

// Memory returns how many bytes of memory the requests take that are being read or were returned, about. Any goroutine may
// call it.
func (r *Reader) Memory() int64 { return r.memory.Load() }

func (r *Reader) measure() {
	if n := int64(len(r.buf) + r.apart + cap(r.args)*int(unsafe.Sizeof(r.args[0]))); n != r.memory.Load() {
		r.memory.Store(n)
	}
}

// Size returns how many bytes of the buffer are in use, and how many are free.
func (r *Reader) Size() (used, free int) { return r.end, len(r.buf) - r.end }

// next begins the next command.
func (r *Reader) next() {
	r.begin, r.missing, r.bulk, r.bytes, r.ready = r.pos, noCommand, noBulk, 0, false
}

// rewind forgets what was parsed of a command. All of it must be in the buffer,
// which is so whenever ReadCommand is not at work.
func (r *Reader) rewind() {
	r.pos = r.begin
	r.args = r.args[:r.first]
	r.next()
}

// Fill reads once, from another place than ReadCommand does. An error says that nothing was read; the Reader is of use all the
// same.
func (r *Reader) Fill(src io.Reader) error { return r.fill(src) }

// Crowded tells whether what was read last has filled the room for it, so that more may have come.
func (r *Reader) Crowded() bool { return r.crowded }

// Large tells, when Buffered has said no, whether ReadCommand will read what is missing to a place of its own.
func (r *Reader) Large() bool { return r.large }

// fill reads more bytes into the buffer.
func (r *Reader) fill(src io.Reader) error {
	if !r.held && r.begin > 0 {
		n := copy(r.buf, r.buf[r.begin:r.end])
		r.begin, r.end = 0, n
		r.rewind()
	}
	if r.end == len(r.buf) || r.crowded && len(r.buf) < chunkBytesMax {
		r.grow()
	}
	for range emptyReadsMax {
		r.measure()
		n, err := src.Read(r.buf[r.end:])
		r.end += n
		r.crowded = r.end == len(r.buf)
		switch {
		case n > 0:
			return nil // an error comes again
		case err != nil && (r.pos < r.end || r.missing != noCommand):
			return unexpected(err)
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// grow takes the bytes that are not parsed to a new buffer. Arguments keep the
// old one.
func (r *Reader) grow() {
	size := min(max(chunkBytesMin, 2*len(r.buf)), chunkBytesMax)
	buf := make([]byte, max(size, 2*(r.end-r.pos)))
	r.end = copy(buf, r.buf[r.pos:r.end])
	if len(r.args) > 0 {
		r.apart += len(r.buf)
	}
	r.buf, r.pos, r.begin, r.held = buf, 0, 0, false
	if r.missing != noCommand {
		r.begin = -1
	}
}

// readLarge reads the argument to come into memory of its own, with the line end:
// the buffer stays as it is.
func (r *Reader) readLarge() error {
	have := r.buf[r.pos:r.end]
	if len(have) == 0 {
		return r.fill(r.src) // a claim without bytes
	}
	arg, err := readString(r.src, have[:len(have):len(have)], r.bulk+len("\r\n"), func(bytes int) {
		r.apart += bytes
		r.measure()
	})
	if err != nil {
		return err
	}
	r.pos, r.begin = r.end, -1
	r.addArg(arg[:r.bulk])
	return nil
}

// addArg adds an argument, which nobody can append to.
func (r *Reader) addArg(arg []byte) {
	r.args = append(r.args, arg[:len(arg):len(arg)])
	r.bulk = noBulk
	r.missing--
}

// parse goes on with the command as far as the bytes in the buffer go. It reports
// whether the command is whole.
func (r *Reader) parse() (bool, error) {
	for r.missing == noCommand {
		r.begin = r.pos
		if r.pos == r.end {
			return false, nil
		}
		if r.buf[r.pos] != '*' {
			if ok, err := r.parseInline(); !ok || err != nil {
				return false, err
			}
			if len(r.args) > r.first {
				return true, nil
			}
			continue
		}
		if ok, err := r.parseCount(); !ok || err != nil {
			return false, err
		}
	}
	for r.missing > 0 {
		if r.bulk == noBulk {
			if ok, err := r.parseLength(); !ok || err != nil {
				return false, err
			}
		}
		// Which bytes end it, Redis does not look at either.
		if r.end-r.pos < r.bulk+len("\r\n") {
			return false, nil
		}
		arg := r.buf[r.pos : r.pos+r.bulk]
		r.pos += r.bulk + len("\r\n")
		r.addArg(arg)
	}
	return true, nil
}

// parseInline parses a request that is a line.
func (r *Reader) parseInline() (bool, error) {
	n, err := r.line('\n', errInlineTooBig)
	if n < 0 || err != nil {
		return false, err
	}
	line := bytes.TrimSuffix(r.buf[r.pos:r.pos+n:r.pos+n], []byte{'\r'})
	r.pos += n + len("\n")
	var ok bool
	if r.args, ok = appendWords(r.args, line); !ok {
		return false, errUnbalancedQuotes
	}
	return true, nil
}

// parseCount parses the line that says how many arguments come.
func (r *Reader) parseCount() (bool, error) {
	n, err := r.header(errCountTooBig)
	if n < 0 || err != nil {
		return false, err
	}
	count, ok := ParseInt(r.buf[r.pos+1 : r.pos+n])
	switch {
	case !ok || count > int64(r.limits.ArgsMax):
		return false, errCount
	case r.limits.Unauthenticated && count > unauthenticatedArgsMax:
		return false, errCountUnauth
	}
	r.pos += n + len("\r\n")
	if count > 0 {
		r.missing = int(count)
	}
	return true, nil
}

// parseLength parses the line that says how long the next argument is.
func (r *Reader) parseLength() (bool, error) {
	n, err := r.header(errLengthTooBig)
	if n < 0 || err != nil {
		return false, err
	}
	line := r.buf[r.pos : r.pos+n]
	if n == 0 || line[0] != '$' {
		return false, ProtocolError("expected '$', got '" + string(r.buf[r.pos:r.pos+1]) + "'")
	}
	length, ok := ParseInt(line[1:])
	switch {
	case !ok || length < 0:
		return false, errLength
	case r.limits.Unauthenticated && length > unauthenticatedBulkBytesMax:
		return false, errLengthUnauth
	case length > int64(r.limits.BulkBytesMax):
		return false, errLength
	case length > int64(r.limits.RequestBytesMax-r.bytes):
		return false, errRequestTooBig
	}
	r.pos += n + len("\r\n")
	r.bytes += int(length)
	r.bulk = int(length)
	return true, nil
}

// header returns how long the next line is that ends with CR and one byte more,
// or -1 if its end has not come.
func (r *Reader) header(tooBig ProtocolError) (int, error) {
	rest := r.buf[r.pos:r.end]
	// Nearly all lines are this short, and looking at their bytes one by one is faster.
	for n, c := range rest[:min(len(rest), shortLineBytes)] {
		if c == '\r' && n+1 < len(rest) {
			return n, nil
		}
	}
	n, err := r.line('\r', tooBig)
	if n >= 0 && n+1 == len(rest) {
		return -1, err
	}
	return n, err
}

// line returns how many bytes come before the next end, or -1 if it has not come.
func (r *Reader) line(end byte, tooBig ProtocolError) (int, error) {
	rest := r.buf[r.pos:r.end]
	n := bytes.IndexByte(rest[:min(len(rest), r.limits.InlineBytesMax+1)], end)
	if n < 0 && len(rest) > r.limits.InlineBytesMax {
		return n, tooBig
	}
	return n, nil
}
