package bench

import (
	"encoding/binary"
	"fmt"
)

// Request reads the parameters of a transaction, which are varints and strings with
// their length before them. It comes from somebody else: whatever is missing or out of
// its range makes an error, and all that follows is zero.
type Request struct {
	rest []byte
	err  error
}

// ReadRequest begins to read a request.
func ReadRequest(b []byte) Request { return Request{rest: b} }

// Uint reads a number in lo..hi.
func (r *Request) Uint(what string, lo, hi uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("bench: a request without %s", what)
		return 0
	}
	if v < lo || v > hi {
		r.fail("bench: a request with %s %d, not %d..%d", what, v, lo, hi)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Text reads a string of at most bytesMax, which is a part of the request.
func (r *Request) Text(what string, bytesMax int) []byte {
	n := int(r.Uint(what, 0, uint64(bytesMax)))
	if n > len(r.rest) {
		r.fail("bench: a request that ends within %s", what)
		return nil
	}
	text := r.rest[:n:n]
	r.rest = r.rest[n:]
	return text
}

// End returns what is wrong with the request, if anything, and be it that there is more.
func (r *Request) End() error {
	if len(r.rest) > 0 {
		r.fail("bench: a request with %d bytes too many", len(r.rest))
	}
	return r.err
}

func (r *Request) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.rest = nil
}

// AppendText appends a string as Request.Text reads it.
func AppendText(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}
