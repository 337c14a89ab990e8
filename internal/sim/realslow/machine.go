package realslow

import (
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// Slowness is how slow a machine is. The zero value is as fast as it can be.
type Slowness struct {
	// Share is how much of a processor it has; 0 is no bound.
	Share float64
	// Sync is how long a sync takes, beside the disk's own time.
	Sync time.Duration
	// Link is how long all that is sent and received takes more, each way.
	Link time.Duration
}

// machine is a node that can be made slow.
type machine struct {
	runtime *quorum.Runtime
	loop    *env.Loop
	tcp     *env.TCP

	// How slow it is; anybody writes, the machine reads.
	share      atomic.Uint64 // a float64
	sync, link atomic.Int64  // nanoseconds
}

// newMachine returns a node that is found at a listener, and runs its loop.
func newMachine(id env.NodeID, addrs map[env.NodeID]string, l net.Listener, s Slowness) *machine {
	m := &machine{loop: env.NewLoop()}
	m.runtime = quorum.NewRuntime(id, m.loop)
	m.tcp = env.NewTCP(m.loop, addrs, l)
	m.slow(s)
	go func() {
		var b budget
		m.loop.Run(func() time.Duration {
			b.wait(math.Float64frombits(m.share.Load()), m.loop.Elapsed())
			return m.runtime.Poll()
		})
	}()
	return m
}

// slow says how slow the machine is from now on.
func (m *machine) slow(s Slowness) {
	m.share.Store(math.Float64bits(s.Share))
	m.sync.Store(int64(s.Sync))
	m.link.Store(int64(s.Link))
}

// network returns the machine's way to the others.
func (m *machine) network() env.Network { return &network{m.tcp, m} }

// files returns the machine's disk.
func (m *machine) files() env.FS { return &files{env.OS(), m} }

// budget holds a process to a share of a processor by holding up its loop.
type budget struct {
	at, used time.Duration // of the last call
	credit   time.Duration // of processor time
}

// burst is how much processor time may be saved up. It also makes up for sleeps
// that take longer than they should.
const burst = 200 * time.Microsecond

// wait returns when the process may go on.
func (b *budget) wait(share float64, now time.Duration) {
	if share == 0 {
		return
	}
	used := processorTime()
	b.credit = min(burst, b.credit+time.Duration(share*float64(now-b.at))-(used-b.used))
	b.at, b.used = now, used
	if b.credit < 0 {
		time.Sleep(time.Duration(float64(-b.credit) / share))
	}
}

// files is a disk whose syncs are slow.
type files struct {
	env.FS
	m *machine
}

func (f *files) wait() { sleep(time.Duration(f.m.sync.Load())) }

func (f *files) SyncDir(dir string) error {
	f.wait()
	return f.FS.SyncDir(dir)
}

func (f *files) handle(h env.File, err error) (env.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{h, f}, nil
}

func (f *files) Create(name string) (env.File, error) { return f.handle(f.FS.Create(name)) }
func (f *files) Open(name string) (env.File, error)   { return f.handle(f.FS.Open(name)) }

type file struct {
	env.File
	files *files
}

func (f *file) Sync() error {
	f.files.wait()
	return f.File.Sync()
}
