package keyspace

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// The first byte of a key of the table of meta data.
const (
	metaIDs     = 'i' // the end of the numbers that are reserved
	metaCount   = 'n' // generation, stripe -> how many keys
	metaGarbage = 'g' // object -> its type and body: elements that nothing refers to any more
	metaFlushed = 'f' // generation -> nothing: its keys are to be removed
	// metaGenerations is a whole key: what the databases contain.
	metaGenerations = 'd'
)

// A key's name in the table of keys: its generation, its hash, itself.
const (
	hashBytes      = 6
	keyPrefixBytes = generationBytes + hashBytes
	hashEnd        = 1 << (8 * hashBytes)
)

// expiryPrefixBytes is what comes before a key in the table of expiries: time and generation. It is
// longer than keyPrefixBytes.
const expiryPrefixBytes = 8 + generationBytes

// hash is a key's place in the order of keys. It fits into what JavaScript takes for a number.
func hash(key []byte) uint64 { return xxhash.Sum64(key) >> (64 - 8*hashBytes) }

func appendKeyName(dst []byte, g generation, key []byte) []byte {
	return append(appendHash(g.appendTo(dst), hash(key)), key...)
}

// appendHash appends a place in the order of keys.
func appendHash(dst []byte, h uint64) []byte {
	return append(dst, byte(h>>40), byte(h>>32), byte(h>>24), byte(h>>16), byte(h>>8), byte(h))
}

func appendExpiryName(dst []byte, at int64, g generation, key []byte) []byte {
	return append(g.appendTo(binary.BigEndian.AppendUint64(dst, uint64(at))), key...) //nolint:gosec // never negative
}

// The kinds of elements.
const (
	tagMember = 'm' // member -> what its type keeps of it
	tagLong   = 'M' // digest of a long member -> the same
	tagPlace  = 'p' // place in the array of a hash, set or sorted set -> member
	tagItem   = 'l' // position in a list -> item
	tagNode   = 'n' // number of a node of a sorted set's tree -> node
	tagChunk  = 'c' // number of a chunk of a long string -> chunk
)

// literalBytesMax is the longest member that is part of its element's name.
const literalBytesMax = 1024

// appendMemberName appends the name of a member's element. Of a long member it has a digest.
func appendMemberName(dst []byte, object uint64, member []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, object)
	if len(member) <= literalBytesMax {
		return append(append(dst, tagMember), member...)
	}
	d := sha256.Sum256(member)
	return append(append(dst, tagLong), d[:]...)
}

// appendNumberName appends the name of an element that has a number.
func appendNumberName(dst []byte, object uint64, tag byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(binary.BigEndian.AppendUint64(dst, object), tag), n)
}
