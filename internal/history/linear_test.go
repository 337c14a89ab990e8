package history

import (
	"errors"
	"strings"
	"testing"
)

func TestLinearizable(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    Workload
		text string
		want bool
	}{
		{"blind writes there and back", Registers, `
			c1 0..10 ok: x:=1
			c2 0..10 ok: x:=2
			c3 20..30 ok: x=1
			c3 40..50 ok: x=2
			c3 60..70 ok: x=1`, false},
		{"stale read", Registers, `
			c1 0..10 ok: x:=1
			c2 20..30 ok: x=nil`, false},
		{"read skew, which each key on its own does not show", Registers, `
			c1 0..10 ok: x:=1 y:=2
			c2 0..10 ok: x=1 y=nil`, true},
		{"failed write that was read", Registers, `
			c1 0..10 fail: x:=1
			c2 0..10 ok: x=1`, false},
		{"unknown write that was read, then not", Registers, `
			c1 0..10 unknown: x:=1
			c2 20..30 ok: x=1
			c2 40..50 ok: x=nil`, false},
		{"unknown write that was read late", Registers, `
			c1 0..10 unknown: x:=1
			c2 20..30 ok: x=nil
			c2 40..50 ok: x=1`, true},
		{"unknown write seen by an unknown deletion only", Sets, `
			c1 0..10 ok: a:=5
			c2 20..30 unknown: a:=1
			c3 20..30 unknown: a=1 a-
			c4 60..70 ok: a=nil`, true},
		{"unknown deletion whose read does not fit", Sets, `
			c1 0..10 ok: a:=5
			c3 20..30 unknown: a=1 a-
			c4 60..70 ok: a=nil`, false},
		{"absent in a range", Sets, `
			c1 0..10 ok: b:=5
			c2 20..30 ok: [a,f){}`, false},
		{"present in a range after its deletion", Sets, `
			c1 0..10 ok: b:=5
			c1 20..30 ok: b-
			c2 40..50 ok: [a,f){b:5}`, false},
		{"update as one operation", Registers, `
			c1 0..10 ok: x=nil x:=1
			c2 0..10 ok: x=nil x:=2`, false},
		{"garbage", Registers, `
			c1 0..10 ok: x=7`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := CheckLinearizable(transcript(t, tt.w, tt.text), LinearOptions{})
			if err != nil || r.OK() != tt.want || r.Has(NotLinearizable) == tt.want {
				t.Errorf("want %v, got %v %s", tt.want, err, r.String())
			}
		})
	}
}

// TestLinearBounds leaves a key with too many operations undecided, and decides
// the other.
func TestLinearBounds(t *testing.T) {
	h := transcript(t, Registers, `
		c1 0..10 ok: x:=1 y=7
		c1 20..30 ok: x:=2
		c1 40..50 ok: x:=3`)
	r, err := CheckLinearizable(h, LinearOptions{OpsPerKeyMax: 2})
	if !errors.Is(err, ErrUndecided) || !strings.Contains(err.Error(), "key 24 has 3 operations") {
		t.Errorf("got %v", err)
	}
	if len(r.Anomalies) != 1 || !r.Has(NotLinearizable) {
		t.Errorf("got %s", r.String())
	}
	if _, err := CheckLinearizable(&History{Workload: Lists}, LinearOptions{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("lists: %v", err)
	}
}
