package resp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
)

// replyLineBytesMax bounds a line of a reply, such as an error.
const replyLineBytesMax = 64 << 10

const (
	errReplyLineTooBig ProtocolError = "too big line in reply"
	errReplyTooBig     ProtocolError = "too big reply"
	errReplyTooDeep    ProtocolError = "too deeply nested reply"
)

// ReadReply reads the next reply, which has memory of its own. An error is a
// ProtocolError or one of r: io.EOF if it ended between replies.
func ReadReply(r *bufio.Reader, limits ReplyLimits) (Value, error) {
	d := replyReader{src: r, limits: limits.withDefaults()}
	if _, err := r.Peek(1); err != nil {
		return Value{}, err
	}
	v, err := d.value(0)
	if err != nil {
		return Value{}, unexpected(err)
	}
	return v, nil
}

// replyReader reads one reply.
type replyReader struct {
	src    *bufio.Reader
	limits ReplyLimits
	elems  int // of all aggregates so far
	bytes  int // of all strings so far
}

func (d *replyReader) value(depth int) (Value, error) {
	line, err := d.line()
	if err != nil {
		return Value{}, err
	}
	if len(line) == 0 {
		return Value{}, ProtocolError("empty line instead of a reply")
	}
	v := Value{Kind: Kind(line[0])}
	line = line[1:]
	switch v.Kind {
	case KindSimple, KindError:
		v.Bytes = slices.Clone(line)
		return v, nil
	case KindInt:
		n, ok := ParseInt(line)
		v.Int = n
		return v, valid(ok, v.Kind, line)
	case KindBulk, KindBulkError, KindVerbatim:
		return d.text(v.Kind, line)
	case KindArray, KindSet, KindPush, KindMap:
		return d.aggregate(v.Kind, line, depth)
	case KindNull:
		return v, valid(len(line) == 0, v.Kind, line)
	case KindBool:
		if string(line) == "t" {
			v.Int = 1
		}
		return v, valid(string(line) == "t" || string(line) == "f", v.Kind, line)
	case KindDouble:
		var ok bool
		v.Float, ok = parseReplyFloat(line)
		return v, valid(ok, v.Kind, line)
	case KindBigNumber:
		_, ok := new(big.Int).SetString(string(line), 10)
		v.Bytes = slices.Clone(line)
		return v, valid(ok, v.Kind, line)
	}
	return Value{}, ProtocolError(fmt.Sprintf("unknown kind of reply %q", byte(v.Kind)))
}

func valid(ok bool, kind Kind, line []byte) error {
	if ok {
		return nil
	}
	const shown = 64
	return ProtocolError(fmt.Sprintf("invalid reply %q", string(rune(kind))+string(line[:min(len(line), shown)])))
}

// parseReplyFloat also takes NaN, which a server may send and a client may not.
func parseReplyFloat(text []byte) (float64, bool) {
	switch string(text) {
	case "nan", "-nan":
		return math.NaN(), true
	}
	return ParseFloat(text)
}

// text reads a string whose length is in line.
func (d *replyReader) text(kind Kind, line []byte) (Value, error) {
	length, ok := ParseInt(line)
	switch {
	case ok && length == -1 && kind == KindBulk:
		return Value{Kind: KindNull}, nil
	case !ok || length < 0:
		return Value{}, valid(false, kind, line)
	case length > int64(d.limits.BulkBytesMax) || length > int64(d.limits.BytesMax-d.bytes):
		return Value{}, errReplyTooBig
	}
	d.bytes += int(length)
	text, err := readString(d.src, []byte{}, int(length), nil)
	if err != nil {
		return Value{}, err
	}
	var end [2]byte
	if _, err := io.ReadFull(d.src, end[:]); err != nil {
		return Value{}, err
	}
	if string(end[:]) != "\r\n" {
		return Value{}, ProtocolError("string is longer than its length")
	}
	v := Value{Kind: kind, Bytes: text}
	if kind == KindVerbatim {
		if len(text) <= verbatimFormatLen || text[verbatimFormatLen] != ':' {
			return Value{}, ProtocolError("verbatim string without a format")
		}
		v.Format, v.Bytes = string(text[:verbatimFormatLen]), text[verbatimFormatLen+1:]
	}
	return v, nil
}

// aggregate reads the elements whose number is in line.
func (d *replyReader) aggregate(kind Kind, line []byte, depth int) (Value, error) {
	n, ok := ParseInt(line)
	switch {
	case ok && n == -1 && kind == KindArray:
		return Value{Kind: KindNullArray}, nil
	case !ok || n < 0:
		return Value{}, valid(false, kind, line)
	case n > int64(d.limits.ElementsMax):
		return Value{}, errReplyTooBig
	case depth == d.limits.DepthMax:
		return Value{}, errReplyTooDeep
	}
	if kind == KindMap {
		n *= 2
	}
	if d.elems += int(n); d.elems > d.limits.ElementsMax {
		return Value{}, errReplyTooBig
	}
	v := Value{Kind: kind}
	for range n {
		e, err := d.value(depth + 1)
		if err != nil {
			return Value{}, err
		}
		v.Elems = append(v.Elems, e)
	}
	return v, nil
}

// line reads a line and returns it without its end. It is good until the next read.
func (d *replyReader) line() ([]byte, error) {
	line, err := d.src.ReadSlice('\n')
	var long []byte
	for err == bufio.ErrBufferFull { //nolint:errorlint // a bufio.Reader returns it unwrapped
		if long = append(long, line...); len(long) > replyLineBytesMax {
			return nil, errReplyLineTooBig
		}
		line, err = d.src.ReadSlice('\n')
	}
	if err != nil {
		return nil, err
	}
	if long != nil {
		line = append(long, line...)
	}
	if d.bytes += len(line); len(line) > replyLineBytesMax || d.bytes > d.limits.BytesMax {
		return nil, errReplyTooBig
	}
	if !bytes.HasSuffix(line, []byte("\r\n")) {
		return nil, ProtocolError("line of a reply without its end")
	}
	return line[:len(line)-len("\r\n")], nil
}
