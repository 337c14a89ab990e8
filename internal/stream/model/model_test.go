package model

import (
	"os"
	"strings"
	"testing"
)

func TestNoStateBreaksAnInvariant(t *testing.T) {
	t.Parallel()
	if os.Getenv("GODWIT_SOAK") != "" {
		sizes = append(sizes, Size{Epochs: 3, Txns: 1, Beats: 1})
	}
	for _, size := range sizes {
		r := Check(size, "")
		t.Logf("%+v: %d states", size, r.States)
		if r.Err != nil {
			t.Fatalf("%v\n%s", r.Err, strings.Join(r.Trace, "\n"))
		}
	}
}

// Each rule is needed: without it some state breaks an invariant.
func TestEachMistakeBreaksAnInvariant(t *testing.T) {
	t.Parallel()
	for _, mistake := range append([]Mistake{VoteTwice, NoBarriers, ReleaseBeforeBarriers, OneAck, HighestClosed}, longer...) {
		t.Run(string(mistake), func(t *testing.T) {
			t.Parallel()
			r := Check(Size{Epochs: 2, Txns: 2, Beats: 1}, mistake)
			if r.Err == nil {
				t.Fatalf("nothing is wrong in %d states", r.States)
			}
			t.Logf("%d states: %v\n%s", r.States, r.Err, strings.Join(r.Trace, "\n"))
		})
	}
}

// The one rule that another covers.
func TestOldEpochsMayCount(t *testing.T) {
	t.Parallel()
	if r := Check(sizes[0], OldEpochsCount); r.Err != nil {
		t.Fatalf("%v\n%s", r.Err, strings.Join(r.Trace, "\n"))
	}
}
