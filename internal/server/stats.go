package server

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/cpu"
)

const (
	// errorCodesMax bounds the codes of errors that are told from each other: scripts make up their own.
	errorCodesMax = 128
	// statShards is in how many places the same command is counted: connections that use it do not wait for each other.
	statShards = 8
	// latencyBuckets is how many powers of two of microseconds the time of a call may have.
	latencyBuckets = 32
)

// commandStat counts what became of the calls of a command.
type commandStat struct {
	micros           atomic.Int64
	rejected, failed atomic.Uint64
	took             [latencyBuckets]atomic.Uint64 // calls by the bits of their time
}

// latencyBucket returns the bucket of a time: that at i has those below 2^i microseconds.
func latencyBucket(took time.Duration) int {
	return min(bits.Len64(uint64(max(took.Microseconds(), 0))), latencyBuckets-1)
}

// stats count since the server began, or since CONFIG RESETSTAT.
type stats struct {
	commands [statShards][]commandStat // by the command's number
	executed [statShards]struct {      // of all commands: what is looked at all the time is not summed up of all that there is
		calls atomic.Uint64
		_     [cpu.CacheLineBytes - 8]byte
	}

	connections, rejected, killed, evicted atomic.Uint64
	in, out                                atomic.Uint64 // bytes
	expired                                atomic.Uint64
	errors                                 struct {
		sync.Mutex
		total  uint64
		byCode map[string]uint64
	}
	ops rate
}

func (s *stats) init(commands int) {
	for i := range s.commands {
		s.commands[i] = make([]commandStat, commands)
	}
	s.errors.byCode = map[string]uint64{}
}

// reset begins to count anew.
func (s *stats) reset() {
	for i := range s.commands {
		s.executed[i].calls.Store(0)
		for j := range s.commands[i] {
			c := &s.commands[i][j]
			c.micros.Store(0)
			c.rejected.Store(0)
			c.failed.Store(0)
			for b := range c.took {
				c.took[b].Store(0)
			}
		}
	}
	for _, n := range []*atomic.Uint64{&s.connections, &s.rejected, &s.killed, &s.evicted, &s.in, &s.out, &s.expired} {
		n.Store(0)
	}
	s.errors.Lock()
	defer s.errors.Unlock()
	s.errors.total = 0
	clear(s.errors.byCode)
}

// commandFigures are those of one command.
type commandFigures struct {
	calls, rejected, failed uint64
	micros                  int64
	took                    [latencyBuckets]uint64
}

// figures sums up what was counted of a command.
func (s *stats) figures(cmd *command.Command) (f commandFigures) {
	for i := range s.commands {
		c := &s.commands[i][cmd.Number]
		f.micros += c.micros.Load()
		f.rejected += c.rejected.Load()
		f.failed += c.failed.Load()
		for b := range c.took {
			n := c.took[b].Load()
			f.took[b] += n
			f.calls += n
		}
	}
	return f
}

// of returns where a connection counts a command.
func (s *stats) of(c *conn, cmd *command.Command) *commandStat {
	return &s.commands[c.id%statShards][cmd.Number]
}

// calls returns how many commands were executed.
func (s *stats) calls() (n uint64) {
	for i := range s.executed {
		n += s.executed[i].calls.Load()
	}
	return n
}

// failed counts an error by its code, its first word.
func (s *stats) failed(text string) {
	code := text
	for i := range len(text) {
		if text[i] == ' ' {
			code = text[:i]
			break
		}
	}
	s.errors.Lock()
	defer s.errors.Unlock()
	s.errors.total++
	if _, known := s.errors.byCode[code]; known || len(s.errors.byCode) < errorCodesMax {
		s.errors.byCode[code]++
	}
}

// rateSamples is over how many ticks of the maintenance a rate is taken.
const rateSamples = 16

// rate is how fast a count grows.
type rate struct {
	mu      sync.Mutex
	at      [rateSamples]time.Time
	counts  [rateSamples]uint64
	samples int
}

// sample takes the count of a moment.
func (r *rate) sample(at time.Time, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[r.samples%rateSamples], r.counts[r.samples%rateSamples] = at, count
	r.samples++
}

// perSecond returns the rate over the last samples.
func (r *rate) perSecond() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.samples < 2 {
		return 0
	}
	last, first := (r.samples-1)%rateSamples, 0
	if r.samples > rateSamples {
		first = r.samples % rateSamples
	}
	took := r.at[last].Sub(r.at[first]).Seconds()
	if took <= 0 || r.counts[last] < r.counts[first] { // the statistics were reset
		return 0
	}
	return uint64(float64(r.counts[last]-r.counts[first]) / took)
}
