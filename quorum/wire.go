package quorum

import (
	"encoding/binary"
	"errors"
	"math"
)

// errWire is matched by every error of decoding.
var errWire = errors.New("quorum: undecodable message")

// Message is what requests and replies are. Fields names the message's fields
// to a Coder, one after the other, which writes or reads them; so there is one
// description for both ways:
//
//	func (m *Ping) Fields(c *quorum.Coder) {
//		c.Uint(&m.Round)
//		c.Bytes(&m.Payload)
//	}
type Message interface{ Fields(c *Coder) }

// Coder writes the fields of messages to bytes or reads them from bytes. What it
// reads is not trusted: after the first thing that is wrong all reads give zero
// values, and nothing is ever allocated beyond the length of the input.
type Coder struct {
	buf     []byte // written, or left to read
	reading bool
	sharing bool // blobs are left where they are
	shared  []sharedBlob
	err     error
}

// sharedBlob is a blob that belongs into the bytes at a place.
type sharedBlob struct {
	at   int
	blob []byte
}

// blobBytesMin is the smallest blob that is worth a piece of its own in a write.
const blobBytesMin = 4 << 10

// Encode appends a message to b.
func Encode(b []byte, m Message) []byte {
	c := Coder{buf: b}
	m.Fields(&c)
	return c.buf
}

// Decode reads a message that takes all of b. Byte slices in it are parts of b.
func Decode(b []byte, m Message) error {
	c := Coder{buf: b, reading: true}
	m.Fields(&c)
	if c.err == nil && len(c.buf) > 0 {
		return errWire
	}
	return c.err
}

// decodeSome is Decode of a message to which later versions may have added fields.
func decodeSome(b []byte, m Message) error {
	c := Coder{buf: b, reading: true}
	m.Fields(&c)
	return c.err
}

// more tells whether a field that a later version has added is written, or there to read.
func (c *Coder) more() bool { return !c.reading || len(c.buf) > 0 }

// Reading tells whether fields are read.
func (c *Coder) Reading() bool { return c.reading }

func (c *Coder) fail() { c.err, c.buf = errWire, nil }

// Uint is an unsigned number.
func (c *Coder) Uint(x *uint64) {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, *x)
		return
	}
	v, n := binary.Uvarint(c.buf)
	if n <= 0 {
		*x = 0
		c.fail()
		return
	}
	*x, c.buf = v, c.buf[n:]
}

// Node is a node's name.
func (c *Coder) Node(x *NodeID) {
	v := uint64(*x)
	c.Uint(&v)
	if v > math.MaxUint32 {
		v = 0
		c.fail()
	}
	*x = NodeID(v)
}

// Bool is true or false.
func (c *Coder) Bool(x *bool) {
	var v uint64
	if *x {
		v = 1
	}
	c.Uint(&v)
	if v > 1 {
		c.fail()
	}
	*x = v == 1
}

// Bytes is a string of bytes. What is read is a part of the input.
func (c *Coder) Bytes(x *[]byte) {
	n := uint64(len(*x))
	c.Uint(&n)
	if !c.reading {
		c.buf = append(c.buf, *x...)
		return
	}
	if n > uint64(len(c.buf)) {
		c.fail()
		n = 0
	}
	*x, c.buf = c.buf[:n:n], c.buf[n:]
}

// Blob is Bytes that are sent from where they are, without a copy, if they are many.
// Nobody may change them any more: how long they wait to be sent is not known.
func (c *Coder) Blob(x *[]byte) {
	if !c.sharing || len(*x) < blobBytesMin {
		c.Bytes(x)
		return
	}
	n := uint64(len(*x))
	c.Uint(&n)
	c.shared = append(c.shared, sharedBlob{len(c.buf), *x})
}

// String is text.
func (c *Coder) String(x *string) {
	if !c.reading {
		n := uint64(len(*x))
		c.Uint(&n)
		c.buf = append(c.buf, *x...)
		return
	}
	var b []byte
	c.Bytes(&b)
	*x = string(b)
}

// Slice is a list: each is called for every element. A list that is read has at
// most as many elements as the input has bytes left.
func Slice[T any](c *Coder, x *[]T, each func(*T)) {
	n := uint64(len(*x))
	c.Uint(&n)
	if c.reading {
		*x = nil
		if n > uint64(len(c.buf)) {
			c.fail()
			return
		}
		// Elements may be larger than their bytes: grow as they turn out to be
		// there.
		for ; n > 0 && c.err == nil; n-- {
			var e T
			each(&e)
			*x = append(*x, e)
		}
		return
	}
	for i := range *x {
		each(&(*x)[i])
	}
}
