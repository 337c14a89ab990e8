package ycsb

import (
	"encoding/binary"
	"testing"
)

// TestEveryByteOfAFieldIsWrittenAndChecked compares fields of all remainders of words
// with what their definition says byte by byte, and damages each byte.
func TestEveryByteOfAFieldIsWrittenAndChecked(t *testing.T) {
	for size := fieldBytesMin; size < fieldBytesMin+80; size++ {
		const number, field, counter = 77, 3, 12
		f := make([]byte, size)
		fillField(f, number, field, counter)
		want := binary.LittleEndian.AppendUint64(nil, number)
		want = binary.LittleEndian.AppendUint64(want, counter)
		for word := pattern(number, field, counter); len(want) < size; word++ {
			want = binary.LittleEndian.AppendUint64(want, word)
		}
		if string(f) != string(want[:size]) {
			t.Fatalf("a field of %d bytes is %x, want %x", size, f, want[:size])
		}
		if !fieldIntact(f, number, field) || fieldIntact(f, number, field+1) || fieldIntact(f, number+1, field) {
			t.Fatalf("a field of %d bytes is not taken for what it is", size)
		}
		for i := range f {
			f[i] ^= 0x10
			if fieldIntact(f, number, field) {
				t.Fatalf("a field of %d bytes is intact with another byte %d", size, i)
			}
			f[i] ^= 0x10
		}
	}
}
