package keyspace

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type is the type of a key's value.
type Type uint8

// The types. Their numbers are the format's. NoType is the type of a key that does not exist.
const (
	NoType Type = iota
	StringType
	ListType
	SetType
	SortedSetType
	HashType
	longStringType // a string in chunks: who asks for its type hears StringType
	typeEnd
)

// String returns the name that the command TYPE answers with.
func (t Type) String() string {
	switch t {
	case StringType, longStringType:
		return "string"
	case ListType:
		return "list"
	case SetType:
		return "set"
	case SortedSetType:
		return "zset"
	case HashType:
		return "hash"
	}
	return "none"
}

// ErrCorrupt says that a record is not what this package writes.
var ErrCorrupt = errors.New("keyspace: corrupt record")

// header is the record of a key.
//
//	1  type, and expires in the highest bit
//	8  version, little-endian
//	8  when it expires, in milliseconds since 1970, if it does
//	   the value of a string that is not long, or what the other types keep (see there)
type header struct {
	kind    Type
	version uint64
	expiry  int64 // 0: never
	body    []byte
}

const expires = 0x80

func parseHeader(b []byte) (h header, err error) {
	if len(b) < 9 {
		return h, fmt.Errorf("%w: a key's header of %d bytes", ErrCorrupt, len(b))
	}
	h.kind, h.version, h.body = Type(b[0]&^expires), binary.LittleEndian.Uint64(b[1:]), b[9:]
	if b[0]&expires != 0 {
		if len(h.body) < 8 {
			return h, fmt.Errorf("%w: a key's header without its expiry", ErrCorrupt)
		}
		h.expiry, h.body = int64(binary.LittleEndian.Uint64(h.body)), h.body[8:] //nolint:gosec // as it was written
	}
	if h.kind == NoType || h.kind >= typeEnd {
		return h, fmt.Errorf("%w: a key of type %d", ErrCorrupt, h.kind)
	}
	return h, nil
}

func (h *header) appendTo(dst []byte) []byte {
	kind := byte(h.kind)
	if h.expiry != 0 {
		kind |= expires
	}
	dst = binary.LittleEndian.AppendUint64(append(dst, kind), h.version)
	if h.expiry != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(h.expiry)) //nolint:gosec // read back the same way
	}
	return append(dst, h.body...)
}
