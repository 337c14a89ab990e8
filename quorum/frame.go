package quorum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame on a connection:
//
//	length uint32   of what follows the head
//	check  uint32   CRC-32C of that
//	guard  uint32   CRC-32C of the two words before, which with them is the head
//	version, kind   one byte each
//	number uvarint  of the call; the sender in a hello
//	method uvarint  of a request; the code of a failure; the cluster in a hello
//	timeout uvarint of a request: microseconds that the caller waits, 0 for ever
//	payload         the message; the text of a failure
//
// All kinds have all fields. The head has a check of its own, so that nobody waits
// for the rest of a frame whose length is wrong.
const (
	frameVersion = 1
	checkedBytes = 8  // of the head, those that its check is of
	headBytes    = 12 // up to the version
	bodyBytesMin = 5  // version, kind and three numbers
	// helloBytesMax is what is taken of somebody who has not said yet who he is.
	helloBytesMax = 2 + 3*binary.MaxVarintLen64
)

// frameKind says what a frame is.
type frameKind uint8

const (
	frameHello   frameKind = iota + 1 // the first of a connection, from who dialled
	frameRequest                      //
	frameReply                        // to a request
	frameFailure                      // instead of a reply
)

// The errors of connections and calls.
var (
	// ErrBadFrame: bytes on a connection are not a frame of this version. The
	// connection is closed.
	ErrBadFrame = errors.New("quorum: bad frame")
	// ErrBadMessage: a request or a reply could not be decoded.
	ErrBadMessage = errors.New("quorum: undecodable message")
	// ErrUnknownMethod: the other node has no such method.
	ErrUnknownMethod = errors.New("quorum: unknown method")
	// ErrUnknownNode: nobody has that name.
	ErrUnknownNode = errors.New("quorum: unknown node")
	// ErrConnClosed: the connection closed before the reply came. The request
	// may have been carried out or not.
	ErrConnClosed = errors.New("quorum: connection closed")
	// ErrUnreachable: there is no connection. The request was not sent.
	ErrUnreachable = errors.New("quorum: unreachable")
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// frame is a decoded frame. Its payload is a part of the input.
type frame struct {
	kind    frameKind
	number  uint64
	method  uint64
	timeout uint64
	payload []byte
}

// beginFrame appends all of a frame but its payload.
func beginFrame(b []byte, f *frame) []byte {
	b = append(b, make([]byte, headBytes)...)
	b = append(b, frameVersion, byte(f.kind))
	b = binary.AppendUvarint(b, f.number)
	b = binary.AppendUvarint(b, f.method)
	return binary.AppendUvarint(b, f.timeout)
}

// endFrame fills in the head of the frame that is all of b.
func endFrame(b []byte) []byte {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-headBytes))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[headBytes:], crcTable))
	binary.LittleEndian.PutUint32(b[checkedBytes:], crc32.Checksum(b[:checkedBytes], crcTable))
	return b
}

// readFrame decodes the frame at the beginning of b. n is its length in bytes,
// 0 if b holds only a part of it. An error cannot be recovered from: where the
// next frame begins is not known.
func readFrame(b []byte, bytesMax int) (f frame, n int, err error) {
	if len(b) < headBytes {
		return f, 0, nil
	}
	if crc32.Checksum(b[:checkedBytes], crcTable) != binary.LittleEndian.Uint32(b[checkedBytes:]) {
		return f, 0, fmt.Errorf("%w: wrong checksum of its head", ErrBadFrame)
	}
	size := binary.LittleEndian.Uint32(b)
	if size < bodyBytesMin || uint64(size) > uint64(bytesMax) {
		return f, 0, fmt.Errorf("%w: %d bytes long, %d to %d are possible", ErrBadFrame, size, bodyBytesMin, bytesMax)
	}
	n = headBytes + int(size)
	if len(b) < n {
		return f, 0, nil
	}
	body := b[headBytes:n:n]
	if crc32.Checksum(body, crcTable) != binary.LittleEndian.Uint32(b[4:]) {
		return f, 0, fmt.Errorf("%w: wrong checksum", ErrBadFrame)
	}
	if body[0] != frameVersion {
		return f, 0, fmt.Errorf("%w: version %d, this is version %d", ErrBadFrame, body[0], frameVersion)
	}
	f.kind = frameKind(body[1])
	if f.kind < frameHello || f.kind > frameFailure {
		return f, 0, fmt.Errorf("%w: kind %d", ErrBadFrame, f.kind)
	}
	c := Coder{buf: body[2:], reading: true}
	c.Uint(&f.number)
	c.Uint(&f.method)
	c.Uint(&f.timeout)
	if c.err != nil {
		return f, 0, fmt.Errorf("%w: the numbers do not end", ErrBadFrame)
	}
	f.payload = c.buf
	return f, n, nil
}

// failureCode is the error of a call as it is sent.
type failureCode uint64

const (
	failureOther failureCode = iota
	failureUnknownMethod
	failureBadMessage
	failureOverloaded
	failureClosed
)

// codes are the errors that keep their identity on the way to the caller.
var codes = []struct {
	code failureCode
	err  error
}{
	{failureUnknownMethod, ErrUnknownMethod},
	{failureBadMessage, ErrBadMessage},
	{failureOverloaded, ErrOverloaded},
	{failureClosed, ErrClosed},
}

func codeOf(err error) failureCode {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return failureOther
}

// RemoteError is the error of a handler on another node.
type RemoteError struct {
	Node NodeID
	Text string // what the handler's error said
	is   error
}

// Error says which node failed and how.
func (e *RemoteError) Error() string { return fmt.Sprintf("node %d: %s", e.Node, e.Text) }

// Unwrap returns the error of this package that it was, if it was one.
func (e *RemoteError) Unwrap() error { return e.is }

func remoteError(from NodeID, f *frame) error {
	e := &RemoteError{Node: from, Text: string(f.payload)}
	for _, c := range codes {
		if uint64(c.code) == f.method {
			e.is = c.err
		}
	}
	return e
}
