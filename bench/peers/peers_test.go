package main

import (
	"testing"
	"time"
)

// TestEveryStoreIsCorrect runs the workload, with its checks, for a moment on
// every store.
func TestEveryStoreIsCorrect(t *testing.T) {
	for name := range stores() {
		for _, sync := range []bool{false, true} {
			t.Run(name+"/"+mode(sync), func(t *testing.T) {
				s := &settings{records: 2000, duration: 200 * time.Millisecond, dir: t.TempDir()}
				r, err := s.measure(t.Context(), name, sync, 4)
				if err != nil {
					t.Fatal(err)
				}
				if r.Executed == 0 {
					t.Fatal("nothing was executed")
				}
			})
		}
	}
}
