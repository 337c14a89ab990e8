package ycsb

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/godwitdb/godwit/bench"
)

// A field is the record's number, a counter, and words that both determine.
const (
	fieldNumber   = 0
	fieldCounter  = 8
	fieldPattern  = 16
	fieldBytesMin = fieldPattern + 8
)

// pattern is the first word of a field's content; the words count up from it.
func pattern(number uint64, field int, counter uint64) uint64 {
	return bench.Mix64(number ^ uint64(field)<<48 ^ counter*0x9e3779b97f4a7c15)
}

// fillField writes a field's content for a counter.
func fillField(f []byte, number uint64, field int, counter uint64) {
	binary.LittleEndian.PutUint64(f[fieldNumber:], number)
	binary.LittleEndian.PutUint64(f[fieldCounter:], counter)
	word, words := pattern(number, field, counter), f[fieldPattern:]
	// A part of a word at the end goes first: it is stored with what comes before it.
	if part := len(words) % 8; part > 0 {
		binary.LittleEndian.PutUint64(f[len(f)-8:], (word+uint64(len(words)/8))<<(64-8*part))
	}
	for ; len(words) >= 32; words, word = words[32:], word+4 {
		binary.LittleEndian.PutUint64(words, word)
		binary.LittleEndian.PutUint64(words[8:], word+1)
		binary.LittleEndian.PutUint64(words[16:], word+2)
		binary.LittleEndian.PutUint64(words[24:], word+3)
	}
	for ; len(words) >= 8; words, word = words[8:], word+1 {
		binary.LittleEndian.PutUint64(words, word)
	}
}

// fieldIntact reports whether a field is what fillField makes of its counter.
func fieldIntact(f []byte, number uint64, field int) bool {
	wrong := binary.LittleEndian.Uint64(f[fieldNumber:]) ^ number
	word, words := pattern(number, field, counterOf(f)), f[fieldPattern:]
	for ; len(words) >= 32; words, word = words[32:], word+4 {
		wrong |= binary.LittleEndian.Uint64(words) ^ word
		wrong |= binary.LittleEndian.Uint64(words[8:]) ^ (word + 1)
		wrong |= binary.LittleEndian.Uint64(words[16:]) ^ (word + 2)
		wrong |= binary.LittleEndian.Uint64(words[24:]) ^ (word + 3)
	}
	for ; len(words) >= 8; words, word = words[8:], word+1 {
		wrong |= binary.LittleEndian.Uint64(words) ^ word
	}
	if part := len(words); part > 0 {
		unused := 64 - 8*part
		wrong |= (binary.LittleEndian.Uint64(f[len(f)-8:])>>unused ^ word) << unused
	}
	return wrong == 0
}

func counterOf(f []byte) uint64 { return binary.LittleEndian.Uint64(f[fieldCounter:]) }

// layout is the shape of records.
type layout struct{ fields, fieldBytes int }

func (l layout) bytes() int { return l.fields * l.fieldBytes }

// field returns a field of a record.
func (l layout) field(value []byte, n int) []byte { return value[n*l.fieldBytes : (n+1)*l.fieldBytes] }

// fill writes a fresh record, all counters 0.
func (l layout) fill(value []byte, number uint64) {
	for n := range l.fields {
		fillField(l.field(value, n), number, n, 0)
	}
}

// bump adds one to the counter of field n and writes its content anew.
func (l layout) bump(value []byte, number uint64, n int) {
	f := l.field(value, n)
	fillField(f, number, n, counterOf(f)+1)
}

// verify reports what is wrong with a record.
func (l layout) verify(value []byte, number uint64) error {
	if value == nil {
		return fmt.Errorf("ycsb: record %d is missing", number)
	}
	if len(value) != l.bytes() {
		return fmt.Errorf("ycsb: record %d has %d bytes, not %d", number, len(value), l.bytes())
	}
	for n := range l.fields {
		if f := l.field(value, n); !fieldIntact(f, number, n) {
			return fmt.Errorf("ycsb: field %d of record %d is not what was written: %x", n, number, f)
		}
	}
	return nil
}

// numberOf returns the number that a record carries.
func (l layout) numberOf(value []byte) uint64 {
	if len(value) < fieldBytesMin {
		return 0
	}
	return binary.LittleEndian.Uint64(value[fieldNumber:])
}

// counters returns the sum of a record's counters.
func (l layout) counters(value []byte) (sum uint64) {
	for n := range l.fields {
		sum += counterOf(l.field(value, n))
	}
	return sum
}

// keyBytesMax is the length of the longest key: "user" and 19 digits.
const keyBytesMax = 24

// appendKey appends the key of a record.
func (f KeyFormat) appendKey(dst []byte, number uint64) []byte {
	if f == BinaryKeys {
		return binary.BigEndian.AppendUint64(dst, number)
	}
	return strconv.AppendUint(append(dst, "user"...), fnv64(number), 10)
}

// fnv64 is the hash that the original scatters with: FNV-1a over the eight
// bytes, lowest first, without its sign.
func fnv64(v uint64) uint64 {
	h := uint64(0xcbf29ce484222325)
	for range 8 {
		h = (h ^ v&0xff) * 0x100000001b3
		v >>= 8
	}
	if int64(h) < 0 {
		h = -h
	}
	return h
}
