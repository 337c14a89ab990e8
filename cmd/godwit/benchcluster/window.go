package benchcluster

import (
	"sort"
	"time"
)

// between returns how a member was at a moment, from the samples around it, whose times
// grow. Counts are in proportion to the time between them.
func between(samples []Sample, at int64) Sample {
	i := sort.Search(len(samples), func(i int) bool { return samples[i].At >= at })
	switch {
	case len(samples) == 0:
		return Sample{}
	case i == 0:
		return samples[0]
	case i == len(samples):
		return samples[i-1]
	}
	a, b := samples[i-1], samples[i]
	share := float64(at-a.At) / float64(b.At-a.At)
	count := func(x, y uint64) uint64 {
		if y < x {
			return x
		}
		return x + uint64(share*float64(y-x))
	}
	a.At, a.CPU = at, int64(count(uint64(a.CPU), uint64(b.CPU)))
	a.Executed, a.Released = count(a.Executed, b.Executed), count(a.Released, b.Released)
	a.Conflicts, a.Received, a.Writes = count(a.Conflicts, b.Conflicts), count(a.Received, b.Received), count(a.Writes, b.Writes)
	a.Rounds, a.Payload, a.Sent = count(a.Rounds, b.Rounds), count(a.Payload, b.Payload), count(a.Sent, b.Sent)
	return a
}

// use is what a process has done in a time.
type use struct {
	cpu                   time.Duration
	rounds, payload, sent uint64
	executed, conflicts   uint64
	received, writes      uint64
}

// used returns what a process has done between two moments.
func used(samples []Sample, from, to int64) use {
	a, b := between(samples, from), between(samples, to)
	return use{
		cpu: time.Duration(b.CPU - a.CPU), rounds: b.Rounds - a.Rounds, payload: b.Payload - a.Payload, sent: b.Sent - a.Sent,
		executed: b.Executed - a.Executed, conflicts: b.Conflicts - a.Conflicts, received: b.Received - a.Received, writes: b.Writes - a.Writes,
	}
}
