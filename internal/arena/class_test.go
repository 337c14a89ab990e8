package arena

import "testing"

// TestClasses goes through every size that shares a span.
func TestClasses(t *testing.T) {
	for n := 1; n <= classMax; n++ {
		c := classOf(n)
		if c < 0 || c >= classCount {
			t.Fatalf("%d bytes are of class %d", n, c)
		}
		size := classBytes(c)
		if size < n {
			t.Fatalf("%d bytes get %d", n, size)
		}
		if c > 0 && classBytes(c-1) >= n {
			t.Fatalf("%d bytes are of class %d (%d bytes), but class %d (%d bytes) is large enough", n, c, size, c-1, classBytes(c-1))
		}
		if n > classLinearMax && size-n > n/8 {
			t.Fatalf("%d bytes get %d: more than an eighth is wasted", n, size)
		}
		if n <= classLinearMax && size-n >= classStepBytes {
			t.Fatalf("%d bytes get %d", n, size)
		}
		if size%16 != 0 || n%64 == 0 && size%64 != 0 {
			t.Fatalf("%d bytes get %d, which breaks the alignment", n, size)
		}
		if RoundUp(n) != size {
			t.Fatalf("RoundUp(%d) = %d, the class has %d", n, RoundUp(n), size)
		}
	}
	for c := range classCount {
		if got := classOf(classBytes(c)); got != c {
			t.Errorf("class %d has %d bytes, which are of class %d", c, classBytes(c), got)
		}
		if m := magazineMax(c); m < 2 || m > cacheObjectsMax || m*classBytes(c) > max(cacheClassBytesMax, 2*classMax) {
			t.Errorf("a cache keeps %d objects of %d bytes", m, classBytes(c))
		}
	}
	if classBytes(classCount-1) != classMax {
		t.Errorf("the last class has %d bytes, want %d", classBytes(classCount-1), classMax)
	}
}

func TestRoundUp(t *testing.T) {
	last := RoundUp(0)
	if last != classStepBytes {
		t.Errorf("an empty object takes %d bytes", last)
	}
	for n := 1; n < 5*pageBytes; n++ {
		r := RoundUp(n)
		if r < n || r < last || RoundUp(r) != r || n > classMax && r%pageBytes != 0 {
			t.Fatalf("RoundUp(%d) = %d after %d", n, r, last)
		}
		last = r
	}
}
