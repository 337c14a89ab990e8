package quorum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// A frame on a connection:
//
//	length uint32   of what follows the head
//	check  uint32   CRC-32C of that
//	guard  uint32   CRC-32C of the two words before, which with them is the head,
//	                begun with the seed of its direction of its connection
//	kind   byte
//	number uvarint  of the call; the sender in a handshake
//	method uvarint  of a request; the code of a failure; the reason of a refusal
//	timeout uvarint of a request: microseconds that the caller waits, 0 for ever
//	payload         the message; the text of a failure
//
// All kinds have all fields. The head has a check of its own, so that nobody waits
// for the rest of a frame whose length is wrong. Both sides have drawn the seed, so a
// frame of another connection, or of the other direction, is not taken for one of
// this: whatever mixes up buffers or sockets is found out. It is no protection from
// somebody who means it; TLS is. Nothing numbers the frames of a connection: TCP and
// TLS do, and the simulator loses and doubles them one by one on purpose.
//
// Frames of a handshake have the seed 0 and this form in all versions.
const (
	checkedBytes = 8  // of the head, those that its check is of
	headBytes    = 12 // up to the kind
	bodyBytesMin = 4  // kind and three numbers
)

// frameKind says what a frame is.
type frameKind uint8

const (
	frameHello   frameKind = iota + 1 // the first of a connection, from who dialled
	frameWelcome                      // the answer
	frameRefusal                      // instead of a welcome
	frameRequest                      //
	frameReply                        // to a request
	frameFailure                      // instead of a reply
	frameProbe                        // asks whether somebody is there
	frameAlive                        // the answer
)

// The errors of connections and calls.
var (
	// ErrBadFrame: bytes on a connection are not a frame of it. The connection is
	// closed.
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
	// ErrRefused: one of the two nodes does not want to be connected with the other;
	// a RefusedError says which and why. The request was not sent.
	ErrRefused = errors.New("quorum: refused")
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
	owned   bool // the payload is in nobody else's buffer
}

// keep returns the payload for good.
func (f *frame) keep() []byte {
	if f.owned {
		return f.payload
	}
	return slices.Clone(f.payload)
}

// beginFrame appends all of a frame but its payload.
func beginFrame(b []byte, f *frame) []byte {
	b = append(b, make([]byte, headBytes)...)
	b = append(b, byte(f.kind))
	b = binary.AppendUvarint(b, f.number)
	b = binary.AppendUvarint(b, f.method)
	return binary.AppendUvarint(b, f.timeout)
}

// endFrame fills in the head of the frame that is all of b and of more, but for the
// guard.
func endFrame(b []byte, more ...[]byte) []byte {
	size, check := len(b)-headBytes, crc32.Update(0, crcTable, b[headBytes:])
	for _, m := range more {
		size += len(m)
		check = crc32.Update(check, crcTable, m)
	}
	binary.LittleEndian.PutUint32(b, uint32(size))
	binary.LittleEndian.PutUint32(b[4:], check)
	return b
}

// sealFrame fills in the guard of a frame that endFrame has ended.
func sealFrame(b []byte, seed uint32) []byte {
	binary.LittleEndian.PutUint32(b[checkedBytes:], crc32.Update(seed, crcTable, b[:checkedBytes]))
	return b
}

// frameSeed returns the seed of a direction of a connection, for which both sides
// have drawn a number. From is who sends.
func frameSeed(from, to uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], from)
	binary.LittleEndian.PutUint64(b[8:], to)
	return crc32.Checksum(b[:], crcTable)
}

// readHead returns the length of the frame at the beginning of b, 0 if b does not
// hold all of its head.
func readHead(b []byte, seed uint32, bytesMax int) (n int, err error) {
	if len(b) < headBytes {
		return 0, nil
	}
	if crc32.Update(seed, crcTable, b[:checkedBytes]) != binary.LittleEndian.Uint32(b[checkedBytes:]) {
		return 0, fmt.Errorf("%w: wrong checksum of its head", ErrBadFrame)
	}
	size := binary.LittleEndian.Uint32(b)
	if size < bodyBytesMin || uint64(size) > uint64(bytesMax) {
		return 0, fmt.Errorf("%w: %d bytes long, %d to %d are possible", ErrBadFrame, size, bodyBytesMin, bytesMax)
	}
	return headBytes + int(size), nil
}

// readFrame decodes the frame at the beginning of b. n is its length in bytes; if b
// holds less of it, there is nothing to decode yet. An error cannot be recovered
// from: where the next frame begins is not known.
func readFrame(b []byte, seed uint32, bytesMax int) (f frame, n int, err error) {
	n, err = readHead(b, seed, bytesMax)
	if err != nil || n == 0 || len(b) < n {
		return f, n, err
	}
	body := b[headBytes:n:n]
	if crc32.Checksum(body, crcTable) != binary.LittleEndian.Uint32(b[4:]) {
		return f, 0, fmt.Errorf("%w: wrong checksum", ErrBadFrame)
	}
	f, err = readBody(body)
	return f, n, err
}

// readBody decodes what follows the head of a frame.
func readBody(body []byte) (f frame, err error) {
	f.kind = frameKind(body[0])
	if f.kind < frameHello || f.kind > frameAlive {
		return f, fmt.Errorf("%w: kind %d", ErrBadFrame, f.kind)
	}
	c := Coder{buf: body[1:], reading: true}
	c.Uint(&f.number)
	c.Uint(&f.method)
	c.Uint(&f.timeout)
	if c.err != nil {
		return f, fmt.Errorf("%w: the numbers do not end", ErrBadFrame)
	}
	f.payload = c.buf
	return f, nil
}

// outgoing is a frame on its way out.
type outgoing struct {
	frame []byte   // the head and what follows it, up to more
	more  [][]byte // the rest: blobs, which are the caller's, and what is between them
	bytes int
	call  *call // of a request
}

// bareFrame is a frame that says nothing but its kind.
func bareFrame(kind frameKind, number uint64) outgoing {
	b := endFrame(beginFrame(nil, &frame{kind: kind, number: number}))
	return outgoing{frame: b, bytes: len(b)}
}

// encodeFrame appends a frame to b, but for the blobs in it.
func encodeFrame(b []byte, f *frame, m Message) outgoing {
	c := Coder{buf: beginFrame(b, f), sharing: true}
	m.Fields(&c)
	if len(c.shared) == 0 {
		return outgoing{frame: c.buf, bytes: len(c.buf)}
	}
	o := outgoing{frame: c.buf[:c.shared[0].at], bytes: len(c.buf)}
	for i, s := range c.shared {
		o.more = append(o.more, s.blob)
		o.bytes += len(s.blob)
		end := len(c.buf)
		if i+1 < len(c.shared) {
			end = c.shared[i+1].at
		}
		if s.at < end {
			o.more = append(o.more, c.buf[s.at:end])
		}
	}
	return o
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
