package index

import (
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/arena"
)

// FuzzTree runs a sequence of operations that the input spells: an operation in
// the upper bits of a byte, and a key that is made of the bytes that follow.
func FuzzTree(f *testing.F) {
	f.Add([]byte{0x01, 'a', 0x02, 'a', 0, 0x81, 'a', 0xc0})
	f.Add([]byte("\x40\x7f\x00\x01\x02\x40\x7f\x00\x01\x03\xc0"))
	var long []byte
	for i := range 200 {
		long = append(long, 0x20|3, byte(i), byte(i*7), 0)
	}
	for i := range 200 {
		long = append(long, 0x80|3, byte(i), byte(i*7), 0)
	}
	f.Add(long)
	f.Add(slices.Concat(long, []byte{0xe2, 3, 4}, long[:400], []byte{0x60, 0xa0}))
	a, err := arena.New(arena.MinLimitBytes)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { a.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		w := newTreeIn(t, a)
		o := &oracle{w: w, recs: map[string]arena.Ref{}}
		// take returns the key that comes next in data: short ones as they
		// are, some behind a long prefix, some spread over a run of keys.
		var last []byte
		take := func(op byte) []byte {
			n := min(int(op&7), len(data))
			key := slices.Clone(data[:n])
			data = data[n:]
			if op&8 != 0 {
				key = append([]byte("a prefix that they share/"), key...)
			}
			if op&16 != 0 {
				key = append(key, 0, 0)
			}
			return key
		}
		for len(data) > 0 {
			op := data[0]
			data = data[1:]
			key := take(op)
			switch op >> 5 {
			case 0, 1:
				o.insert(key)
			case 2:
				for i := range 20 { // a run
					o.insert(append(slices.Clone(key), byte(i*13)))
				}
			case 3:
				o.get(key)
				o.getMany([][]byte{key, last, key})
			case 4:
				o.remove(key)
			case 5:
				for i := range 20 {
					o.remove(append(slices.Clone(key), byte(i*13)))
				}
			case 6:
				o.scan(o.sorted(), last, key)
			case 7:
				o.scan(o.sorted(), key, nil)
				w.collect()
			}
			last = key
		}
		o.check()
		o.scan(o.sorted(), nil, nil)
		for _, k := range o.sorted() {
			o.get([]byte(k))
			o.remove([]byte(k))
		}
		o.check()
		w.tree.Free(w.mem, nil)
		w.collect()
		w.mem.Cache.Close()
		if n := a.LiveBytes(); n != 0 {
			t.Fatalf("%d bytes are left", n)
		}
	})
}
