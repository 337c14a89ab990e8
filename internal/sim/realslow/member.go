package realslow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// order is what a member's process is told on its standard input; a report
// answers each on its standard output.
type order struct {
	Listen string    `json:",omitempty"` // at this address
	Start  *setup    `json:",omitempty"`
	Slow   *Slowness `json:",omitempty"`
	Burn   *float64  `json:",omitempty"` // so much of a processor from now on, and be no member
}

// setup is what a member needs to start.
type setup struct {
	Protocol string
	ID       env.NodeID
	Addrs    map[env.NodeID]string
	Cluster  Cluster
	Network  quorum.Options
	Slowness Slowness
}

// report is what a member's process tells of itself.
type report struct {
	Addr      string
	Processor time.Duration // that the process has used
	HeapBytes uint64
	State     State
	Network   quorum.NetStats
	Err       string
}

// gcPercent makes the smallest heap that is collected 64 MiB.
const gcPercent = 1600

// Serve is a member's process: it does what it is told on in until that ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, protocols []Protocol) error {
	// A server of any size collects its garbage a few times a minute. This one is so
	// small that it would many times a second, each of which shows in a percentile.
	debug.SetGCPercent(gcPercent)
	orders, reports := json.NewDecoder(in), json.NewEncoder(out)
	var s server
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		r := report{Processor: processorTime()}
		err := s.obey(ctx, &o, protocols)
		if err == nil {
			err = s.look(ctx, &r)
		}
		if err != nil {
			r.Err = err.Error()
		}
		if err := reports.Encode(r); err != nil {
			return err
		}
	}
}

// server is a member and the machine it is on.
type server struct {
	listener net.Listener
	machine  *machine
	endpoint *quorum.Endpoint
	member   Member
	burning  context.CancelFunc // ends that, if it burns
}

// obey does what an order says.
func (s *server) obey(ctx context.Context, o *order, protocols []Protocol) (err error) {
	if o.Listen != "" {
		var config net.ListenConfig
		if s.listener, err = config.Listen(ctx, "tcp", o.Listen); err != nil {
			return err
		}
	}
	if o.Start != nil {
		if err := s.start(ctx, *o.Start, protocols); err != nil {
			return err
		}
	}
	if o.Slow != nil {
		s.machine.slow(*o.Slow)
	}
	if o.Burn != nil {
		if s.burning != nil {
			s.burning()
		}
		ctx, s.burning = context.WithCancel(ctx)
		go burn(ctx, *o.Burn)
	}
	return nil
}

// start starts the member.
func (s *server) start(ctx context.Context, o setup, protocols []Protocol) error {
	i := slices.IndexFunc(protocols, func(p Protocol) bool { return p.Name == o.Protocol })
	if i < 0 {
		return fmt.Errorf("realslow: no protocol %q", o.Protocol)
	}
	s.machine = newMachine(o.ID, o.Addrs, s.listener, o.Slowness)
	return s.machine.runtime.Run(ctx, "start", func(ctx context.Context) error {
		s.endpoint = quorum.NewEndpoint(s.machine.runtime, s.machine.network(), o.Network, nil)
		m, err := protocols[i].Start(ctx, s.endpoint, s.machine.files(), o.Cluster)
		if err != nil {
			return err
		}
		s.member = m
		doMethod().Handle(s.endpoint, func(ctx context.Context, _ env.NodeID, r *do) (*done, error) {
			ok, leaders, err := m.Do(ctx, r.Command)
			return &done{ok, leaders}, err
		})
		s.endpoint.Listen()
		s.machine.runtime.Go("member", m.Run)
		return nil
	})
}

// burn uses a share of a processor until ctx ends.
func burn(ctx context.Context, share float64) {
	var b budget
	for began := time.Now(); share > 0 && ctx.Err() == nil; {
		for spin := time.Now(); time.Since(spin) < burst/4; {
		}
		b.wait(share, time.Since(began))
	}
}

// look reports how the process is, and its member if it is one.
func (s *server) look(ctx context.Context, r *report) error {
	if s.listener != nil {
		r.Addr = s.listener.Addr().String()
	}
	if s.member == nil {
		return nil
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	r.HeapBytes = mem.HeapAlloc
	return s.machine.runtime.Run(ctx, "look", func(context.Context) error {
		r.State = s.member.State()
		r.Network = s.endpoint.Stats()
		return nil
	})
}

// do is a client's request, done its answer.
type do struct{ Command }

func (m *do) Fields(c *quorum.Coder) { c.Uint(&m.Client); c.Uint(&m.Number) }

type done struct {
	done    bool
	leaders []env.NodeID // to ask from now on; none if they are the same
}

func (m *done) Fields(c *quorum.Coder) { c.Bool(&m.done); quorum.Slice(c, &m.leaders, c.Node) }

// methodDo is above what protocols use.
const methodDo = 1000

func doMethod() quorum.Method[do, done] { return quorum.NewMethod[do, done](methodDo, "client") }
