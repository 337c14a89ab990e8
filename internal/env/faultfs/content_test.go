package faultfs

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// Contents and their copies are what slices of bytes are.
func TestContentIsBytes(t *testing.T) {
	const bytesMax = 5 * pageBytes
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		got, want := []*content{{}}, [][]byte{nil}
		for range 300 {
			i := rng.IntN(len(got))
			at := rng.IntN(bytesMax)
			switch rng.IntN(5) {
			case 0:
				got[i].resize(int64(at))
				kept := want[i][:min(at, len(want[i]))]
				want[i] = append(slices.Clone(kept), make([]byte, at-len(kept))...)
			case 1:
				c := got[i].clone()
				got, want = append(got, &c), append(want, slices.Clone(want[i]))
			case 2:
				from := rng.IntN(len(got))
				n := int64(at / SectorBytes)
				got[i].take(n, got[from])
				if at := int(n * SectorBytes); at < len(want[i]) {
					s := make([]byte, SectorBytes)
					copy(s, want[from][min(at, len(want[from])):])
					copy(want[i][at:], s)
				}
			default:
				p := bytes.Repeat([]byte{byte(rng.IntN(2) * rng.IntN(256))}, rng.IntN(2*pageBytes))
				n := got[i].write(p, int64(at))
				if m := copy(want[i][min(at, len(want[i])):], p); n != m {
					t.Fatalf("seed %d: %d bytes written, want %d", seed, n, m)
				}
			}
			for i, w := range want {
				if !bytes.Equal(got[i].bytes(), w) {
					t.Fatalf("seed %d: copy %d is not what was written", seed, i)
				}
			}
			if n := len(got); n > 4 {
				got, want = got[n-4:], want[n-4:]
			}
		}
	}
}

// What is made in advance and not written takes no memory.
func TestZerosTakeNoPages(t *testing.T) {
	var c content
	c.resize(1 << 20)
	c.write(make([]byte, 1<<20), 0)
	for i, p := range c.pages {
		if p != nil {
			t.Fatalf("page %d of zeros is kept", i)
		}
	}
}
