package shard

import (
	"testing"
	"time"
)

// Rounds are made seldom while much comes: the more in a time, the longer the wait.
func TestPace(t *testing.T) {
	r := &Replica{options: Options{RoundWait: time.Millisecond, PaceBytes: 8 << 10}}
	for _, test := range []struct {
		bytes int64
		took  time.Duration
		want  time.Duration
	}{
		{0, time.Millisecond, 0},
		{2 << 10, time.Millisecond / 4, time.Millisecond / 4},
		{2 << 10, time.Millisecond, time.Millisecond / 4},
		{8 << 10, time.Second, time.Microsecond}, // after a rest
		{8 << 10, time.Millisecond, time.Millisecond},
		{32 << 10, time.Millisecond, time.Millisecond},
		{48 << 10, time.Millisecond, 3 * time.Millisecond / 2},
		{96 << 10, 2 * time.Millisecond, 3 * time.Millisecond / 2},
		{1 << 20, time.Millisecond, 2 * time.Millisecond},
	} {
		if got := r.pace(test.bytes, test.took); got.Round(time.Microsecond) != test.want {
			t.Errorf("%d bytes in %v: %v, want %v", test.bytes, test.took, got, test.want)
		}
	}
}
