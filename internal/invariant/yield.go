package invariant

import (
	"math/rand/v2"
	"runtime"
)

// yieldOneIn: of so many calls of Yield one does something.
const yieldOneIn = 4

// Yield lets other goroutines run now and then, if Enabled. It belongs between a reading and
// its validation, or between two steps of a change, where others hardly ever come in
// by themselves: there tests would see what is wrong once in a million times.
func Yield() {
	if Enabled && rand.Uint32()%yieldOneIn == 0 {
		runtime.Gosched()
	}
}
