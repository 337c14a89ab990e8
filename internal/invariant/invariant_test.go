package invariant_test

import (
	"testing"

	"github.com/godwitdb/godwit/internal/invariant"
)

// catch runs f and returns what it panicked with.
func catch(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func TestCheck(t *testing.T) {
	if got := catch(func() { invariant.Check(true, "never said") }); got != nil {
		t.Errorf("a check that holds panicked: %v", got)
	}
	got := catch(func() { invariant.Check(false, "%d is not %d", 1, 2) })
	var want any
	if invariant.Enabled {
		want = "invariant violated: 1 is not 2"
	}
	if got != want {
		t.Errorf("a check that fails panicked with %v, want %v", got, want)
	}
}

// The hot paths call Check in every build.
func TestCheckDoesNotAllocate(t *testing.T) {
	n := 1000
	allocs := testing.AllocsPerRun(100, func() {
		n++
		invariant.Check(n > 0, "n is %d", n)
	})
	if !invariant.Enabled && allocs != 0 {
		t.Errorf("a check in a build without invariants allocates %v times", allocs)
	}
}
