package rdb

import (
	"encoding/binary"
	"errors"
	"hash/crc64"
	"math"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	String Kind = iota
	List
	Set
	Hash
	SortedSet
)

// Value is a value of any kind.
type Value struct {
	Kind Kind
	// Items are the string by itself, the items of a list, the members of a set or sorted set, or the fields and
	// values of a hash by turns.
	Items [][]byte
	// Scores are those of the members of a sorted set.
	Scores []float64
}

const (
	// version is that of Redis 7.0.
	version = 10
	// footerBytes is the length of version and checksum, behind a value.
	footerBytes = 2 + 8
	// ExpandedBytesMax bounds what compressed strings of one value expand to.
	ExpandedBytesMax = 512 << 20
)

// Errors of Decode.
var (
	// ErrFormat says that bytes are no value.
	ErrFormat = errors.New("rdb: no value in this form")
	// ErrChecksum says that the checksum is wrong, or the version too new.
	ErrChecksum = errors.New("rdb: version or checksum are wrong")
)

// The types' numbers.
const (
	typeString        = 0
	typeList          = 1
	typeSet           = 2
	typeZSetText      = 3
	typeHash          = 4
	typeZSet          = 5
	typeListZiplist   = 10
	typeSetIntset     = 11
	typeZSetZiplist   = 12
	typeHashZiplist   = 13
	typeListQuicklist = 14
	typeHashListpack  = 16
	typeZSetListpack  = 17
	typeListPacked    = 18
)

// jones is the polynomial of the checksum, its lowest power in the highest bit.
const jones = 0x95ac9329ac4bc9b5

// checksum begins with 0 and does not invert, other than the hash package.
func checksum(b []byte) uint64 {
	return ^crc64.Update(math.MaxUint64, crc64.MakeTable(jones), b)
}

// Append appends a value in plain form, with version and checksum.
func Append(dst []byte, v Value) []byte {
	start := len(dst)
	switch v.Kind {
	case String:
		dst = appendString(append(dst, typeString), v.Items[0])
	case List:
		dst = appendStrings(append(dst, typeList), len(v.Items), v.Items)
	case Set:
		dst = appendStrings(append(dst, typeSet), len(v.Items), v.Items)
	case Hash:
		dst = appendStrings(append(dst, typeHash), len(v.Items)/2, v.Items)
	case SortedSet:
		dst = appendLength(append(dst, typeZSet), len(v.Items))
		for i, member := range v.Items {
			dst = binary.LittleEndian.AppendUint64(appendString(dst, member), math.Float64bits(v.Scores[i]))
		}
	}
	dst = binary.LittleEndian.AppendUint16(dst, version)
	return binary.LittleEndian.AppendUint64(dst, checksum(dst[start:]))
}

func appendStrings(dst []byte, n int, items [][]byte) []byte {
	dst = appendLength(dst, n)
	for _, item := range items {
		dst = appendString(dst, item)
	}
	return dst
}

func appendString(dst, s []byte) []byte { return append(appendLength(dst, len(s)), s...) }

func appendLength(dst []byte, n int) []byte {
	switch {
	case n < 1<<6:
		return append(dst, byte(n))
	case n < 1<<14:
		return append(dst, 0x40|byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0x80), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0x81), uint64(n))
}
