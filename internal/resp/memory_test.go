package resp

import (
	"bytes"
	"testing"
)

// TestReaderMemory: what arguments hold is counted, wherever they lie, until they are released.
func TestReaderMemory(t *testing.T) {
	for _, bytesEach := range []int{100, 10 << 10, 1 << 20} {
		const total = 8 << 20
		args := make([][]byte, total/bytesEach)
		for i := range args {
			args[i] = bytes.Repeat([]byte{'x'}, bytesEach)
		}
		r := NewReader(bytes.NewReader(AppendCommand(nil, args...)), Limits{})
		if _, err := r.ReadCommand(); err != nil {
			t.Fatal(err)
		}
		if n := r.Memory(); n < total || n > 4*total {
			t.Errorf("arguments of %d bytes, %d together, take %d", bytesEach, total, n)
		}
		r.Release()
		if n := r.Memory(); n > total/4 {
			t.Errorf("when arguments of %d bytes are released %d bytes are taken", bytesEach, n)
		}
	}
}

// TestWriterTake: replies that are taken do not hold the room of larger ones.
func TestWriterTake(t *testing.T) {
	var w Writer
	w.Bulk(make([]byte, 1<<20))
	w.Truncate(0)
	w.Bulk(make([]byte, 1000))
	if b := w.Take(); cap(b) > 2000 || len(b) < 1000 || w.Len() != 0 {
		t.Errorf("%d bytes take %d, and %d are left", len(b), cap(b), w.Len())
	}
	w.Bulk(make([]byte, 1<<20))
	first := &w.Bytes()[0]
	if b := w.Take(); &b[0] != first || w.Len() != 0 {
		t.Error("large replies are copied")
	}
}
