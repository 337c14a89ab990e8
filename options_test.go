package godwit

import (
	"strconv"
	"strings"
	"testing"
)

// What Validate accepts, Open does; an error names the bound.
func TestMemoryLimitIsBounded(t *testing.T) {
	for _, limit := range []int64{0, MinMemoryLimit, MaxMemoryLimit} {
		if err := (&Options{MemoryLimit: limit}).Validate(); err != nil {
			t.Errorf("a limit of %d bytes: %v", limit, err)
		}
	}
	for limit, bound := range map[int64]int64{
		-1: MinMemoryLimit, MinMemoryLimit - 1: MinMemoryLimit,
		MaxMemoryLimit + 1: MaxMemoryLimit, 1 << 47: MaxMemoryLimit, 1<<63 - 1: MaxMemoryLimit,
	} {
		err := (&Options{MemoryLimit: limit}).Validate()
		if err == nil || !strings.Contains(err.Error(), "Options.MemoryLimit") || !strings.Contains(err.Error(), strconv.FormatInt(bound, 10)) {
			t.Errorf("a limit of %d bytes: %v", limit, err)
		}
	}
}
