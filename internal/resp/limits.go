package resp

import (
	"cmp"
	"io"
)

// Defaults of Limits and ReplyLimits.
const (
	DefaultInlineBytesMax  = 64 << 10
	DefaultBulkBytesMax    = 64<<20 + 64<<10 // the largest value, and what DUMP wraps it in
	DefaultArgsMax         = 1 << 20
	DefaultRequestBytesMax = 256 << 20

	DefaultElementsMax   = 16 << 20
	DefaultDepthMax      = 128
	DefaultReplyBytesMax = 1 << 30
)

// What a client may send before it has authenticated, as in Redis.
const (
	unauthenticatedArgsMax      = 10
	unauthenticatedBulkBytesMax = 16 << 10
)

// Limits bound a request. A field that is zero has its default.
type Limits struct {
	// InlineBytesMax bounds an inline request, and the line of a length.
	InlineBytesMax int
	// BulkBytesMax bounds an argument. Redis calls it proto-max-bulk-len and has
	// 512 MiB; a value has at most 64 MiB here.
	BulkBytesMax int
	// ArgsMax bounds how many arguments a request has.
	ArgsMax int
	// RequestBytesMax bounds the arguments of a request together. It stands for
	// Redis's client-query-buffer-limit.
	RequestBytesMax int
	// Unauthenticated restricts requests to what a client needs to authenticate:
	// 10 arguments of 16 KiB.
	Unauthenticated bool
}

func (l Limits) withDefaults() Limits {
	l.InlineBytesMax = cmp.Or(l.InlineBytesMax, DefaultInlineBytesMax)
	l.BulkBytesMax = cmp.Or(l.BulkBytesMax, DefaultBulkBytesMax)
	l.ArgsMax = cmp.Or(l.ArgsMax, DefaultArgsMax)
	l.RequestBytesMax = cmp.Or(l.RequestBytesMax, DefaultRequestBytesMax)
	return l
}

// ReplyLimits bound a reply. A field that is zero has its default.
type ReplyLimits struct {
	// BulkBytesMax bounds a string.
	BulkBytesMax int
	// ElementsMax bounds how many elements all aggregates of the reply have
	// together.
	ElementsMax int
	// DepthMax bounds how deep aggregates are nested.
	DepthMax int
	// BytesMax bounds the strings of a reply together.
	BytesMax int
}

func (l ReplyLimits) withDefaults() ReplyLimits {
	l.BulkBytesMax = cmp.Or(l.BulkBytesMax, DefaultBulkBytesMax)
	l.ElementsMax = cmp.Or(l.ElementsMax, DefaultElementsMax)
	l.DepthMax = cmp.Or(l.DepthMax, DefaultDepthMax)
	l.BytesMax = cmp.Or(l.BytesMax, DefaultReplyBytesMax)
	return l
}

// ProtocolError says what is wrong with the bytes that came. What comes after
// them has no meaning.
type ProtocolError string

func (e ProtocolError) Error() string { return "Protocol error: " + string(e) }

// Redis's words for what is wrong with a request.
const (
	errInlineTooBig     ProtocolError = "too big inline request"
	errUnbalancedQuotes ProtocolError = "unbalanced quotes in request"
	errCountTooBig      ProtocolError = "too big mbulk count string"
	errCount            ProtocolError = "invalid multibulk length"
	errCountUnauth      ProtocolError = "unauthenticated multibulk length"
	errLengthTooBig     ProtocolError = "too big bulk count string"
	errLength           ProtocolError = "invalid bulk length"
	errLengthUnauth     ProtocolError = "unauthenticated bulk length"
	errRequestTooBig    ProtocolError = "too big request" // Redis says nothing and hangs up
)

// Memory for a long string grows with the bytes that come.
const (
	growthFirstBytes = 64 << 10
	growthFactor     = 4
)

// readString reads from src until dst has n bytes. It takes memory as they come, and says so to taken, if that is not nil.
func readString(src io.Reader, dst []byte, n int, taken func(bytes int)) ([]byte, error) {
	for len(dst) < n {
		if len(dst) == cap(dst) {
			size := max(growthFirstBytes, growthFactor*len(dst))
			if 2*size > n {
				size = n // rather than once more for the rest
			}
			dst = append(make([]byte, 0, size), dst...)
			if taken != nil {
				taken(size)
			}
		}
		have := len(dst)
		dst = dst[:min(n, cap(dst))]
		if _, err := io.ReadFull(src, dst[have:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return dst, nil
}

// unexpected says that the stream must not end here.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // a Reader returns it unwrapped
		return io.ErrUnexpectedEOF
	}
	return err
}
