package large

import "testing"

func TestAppend(t *testing.T) {
	var s []*int
	grown := 0
	for i := range 5*step + 1 {
		before := cap(s)
		if s = Append(s, &i); cap(s) > before {
			grown++
		}
	}
	for i, p := range s {
		if *p != i {
			t.Fatalf("element %d is %d", i, *p)
		}
	}
	if len(s) != 5*step+1 || grown > 30 {
		t.Errorf("%d elements, grown %d times", len(s), grown)
	}
}

func TestReset(t *testing.T) {
	s := Append(nil, new(int))
	if s = Reset(s); len(s) != 0 || cap(s) == 0 || s[:1][0] != nil {
		t.Errorf("a small slice: %d of %d", len(s), cap(s))
	}
	if s = Reset(make([]*int, step+1)); s != nil {
		t.Errorf("a large slice: %d of %d", len(s), cap(s))
	}
}
