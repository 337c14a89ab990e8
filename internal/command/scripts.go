package command

import (
	linked "container/list"
	"context"
	"errors"
	"log/slog"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/script"
)

const (
	// ScriptCacheBytes bounds the compiled scripts that a server keeps: those that were used last. A client whose script
	// is not there any more hears NOSCRIPT and sends it again.
	ScriptCacheBytes = 64 << 20
	// programCost is how many bytes a compiled script takes for each byte of its source, about, and programBase
	// how many it takes in any case.
	programCost, programBase = 16, 4 << 10
	// DefaultScriptBusy is how long a script runs before SCRIPT KILL may end it.
	DefaultScriptBusy = 5 * time.Second
	// DefaultScriptTimeMax is how long a script runs before the server ends it.
	DefaultScriptTimeMax = time.Minute
	// ScriptHeapBytes is by how much the memory of the process that is in use may grow while a script runs.
	// It is not known whose it is: what a script itself may take is bounded by it, and clients who
	// make the process grow that much at the same time may have it ended.
	ScriptHeapBytes = 1 << 30
	// scriptWatchEvery is how often the memory is looked at while scripts run.
	scriptWatchEvery = 50 * time.Millisecond
)

// Errors that end a script and the transaction that it is in. Nothing of it has happened.
var (
	ErrScriptKilled = errors.New("ERR Error running script: Script killed by user with SCRIPT KILL. Nothing of it has happened")
	ErrScriptTime   = errors.New("ERR Error running script: it has run for longer than the server allows. Nothing of it has happened")
	ErrScriptMemory = errors.New("ERR Error running script: the server's memory grew by more than 1 GiB while it ran. Nothing of it has happened")
)

// Scripts are the scripts of a server: those that it knows, and those that run. Scripts run beside each other and beside
// other commands, each in its own transaction; nobody waits for one that takes long.
type Scripts struct {
	log  *slog.Logger
	pool script.Pool
	busy atomic.Int64 // nanoseconds
	// timeMax is how long a script may run.
	timeMax time.Duration
	begun   chan struct{} // has something when a script may have begun since Watch has looked

	mu struct {
		sync.Mutex
		known   map[string]*linked.Element // of *script.Program, by SHA-1
		recent  *linked.List               // what was used last comes first
		bytes   int
		running map[*scriptRun]struct{}
	}
}

// scriptRun is a script that runs.
type scriptRun struct {
	began time.Time
	heap  uint64 // bytes in use when it was first looked at
	end   context.CancelCauseFunc
}

// NewScripts returns a server's scripts: none yet. SCRIPT KILL may end those that run for longer than busy; those that
// run for longer than timeMax end by themselves.
func NewScripts(log *slog.Logger, busy, timeMax time.Duration) *Scripts {
	s := &Scripts{log: log, timeMax: timeMax, begun: make(chan struct{}, 1)}
	s.SetBusy(busy)
	s.mu.known, s.mu.recent, s.mu.running = map[string]*linked.Element{}, linked.New(), map[*scriptRun]struct{}{}
	return s
}

// SetBusy says how long a script runs before SCRIPT KILL may end it.
func (s *Scripts) SetBusy(d time.Duration) { s.busy.Store(int64(d)) }

// Busy returns how long a script runs before SCRIPT KILL may end it.
func (s *Scripts) Busy() time.Duration { return time.Duration(s.busy.Load()) }

// compile returns a script, and keeps it.
func (s *Scripts) compile(source []byte) (*script.Program, error) {
	if p := s.find(script.SHA(source)); p != nil {
		return p, nil
	}
	p, err := script.Compile(source)
	if err != nil {
		return nil, Error(err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.mu.known[p.SHA]; at != nil {
		return at.Value.(*script.Program), nil //nolint:forcetypeassert // it has nothing else
	}
	s.mu.known[p.SHA] = s.mu.recent.PushFront(p)
	s.mu.bytes += programBytes(p)
	for s.mu.bytes > ScriptCacheBytes && s.mu.recent.Len() > 1 {
		last := s.mu.recent.Back()
		old := s.mu.recent.Remove(last).(*script.Program) //nolint:forcetypeassert // it has nothing else
		delete(s.mu.known, old.SHA)
		s.mu.bytes -= programBytes(old)
	}
	return p, nil
}

func programBytes(p *script.Program) int { return programBase + programCost*p.SourceBytes }

// find returns a script that is known, nil if there is none.
func (s *Scripts) find(sha string) *script.Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.mu.known[sha]
	if at == nil {
		return nil
	}
	s.mu.recent.MoveToFront(at)
	return at.Value.(*script.Program) //nolint:forcetypeassert // it has nothing else
}

// Known returns how many scripts are kept.
func (s *Scripts) Known() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.known)
}

// Running returns how many scripts run.
func (s *Scripts) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.running)
}

// flush forgets all scripts.
func (s *Scripts) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.mu.known)
	s.mu.recent.Init()
	s.mu.bytes = 0
}

// run runs a script. It can be ended by another goroutine.
func (s *Scripts) run(ctx context.Context, p *script.Program, keys, argv [][]byte, env script.Env) (script.Value, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	r := &scriptRun{began: time.Now(), end: end}
	s.mu.Lock()
	s.mu.running[r] = struct{}{}
	s.mu.Unlock()
	select {
	case s.begun <- struct{}{}:
	default:
	}
	defer func() {
		s.mu.Lock()
		delete(s.mu.running, r)
		s.mu.Unlock()
	}()
	return s.pool.Run(ctx, p, keys, argv, env)
}

// kill ends the scripts that have run for long, and returns how many they are.
func (s *Scripts) kill() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.mu.running {
		if time.Since(r.began) >= s.Busy() {
			r.end(ErrScriptKilled)
			n++
		}
	}
	return n
}

// Watch ends scripts that take too long, or while which the memory grows too much, until ctx ends.
func (s *Scripts) Watch(ctx context.Context) {
	tick := time.NewTimer(scriptWatchEvery)
	defer tick.Stop()
	for {
		if s.Running() == 0 {
			select {
			case <-ctx.Done():
				return
			case <-s.begun:
			}
		}
		tick.Reset(scriptWatchEvery)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.watch(HeapInUse)
		}
	}
}

// watch looks at how long the scripts have run, and compares the memory that is in use with what it was when each was first looked at.
func (s *Scripts) watch(inUse func() uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.running) == 0 {
		return
	}
	heap := inUse()
	for r := range s.mu.running {
		if time.Since(r.began) > s.timeMax {
			r.end(ErrScriptTime)
		}
		if r.heap == 0 || heap < r.heap {
			r.heap = heap
		}
		if heap-r.heap > ScriptHeapBytes {
			r.end(ErrScriptMemory)
		}
	}
}

// HeapInUse returns how many bytes the last garbage collection has found in use.
func HeapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
