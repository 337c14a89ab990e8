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
// answers each on its standard output. Before any, it reports its address.
type order struct {
	Start *setup    `json:",omitempty"`
	Slow  *Slowness `json:",omitempty"`
	Burn  float64   `json:",omitempty"` // so much of a processor, and be no member
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
	State     uint64
	Entries   int
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
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := reports.Encode(report{Addr: l.Addr().String()}); err != nil {
		return err
	}
	var s server
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if o.Start != nil {
			err = s.start(ctx, l, *o.Start, protocols)
		}
		if o.Slow != nil {
			s.machine.slow(*o.Slow)
		}
		if o.Burn > 0 {
			go burn(o.Burn)
		}
		r := report{Processor: processorTime()}
		if err == nil && s.member != nil {
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
	machine  *machine
	endpoint *quorum.Endpoint
	member   Member
}

// start starts the member.
func (s *server) start(ctx context.Context, l net.Listener, o setup, protocols []Protocol) error {
	i := slices.IndexFunc(protocols, func(p Protocol) bool { return p.Name == o.Protocol })
	if i < 0 {
		return fmt.Errorf("realslow: no protocol %q", o.Protocol)
	}
	s.machine = newMachine(o.ID, o.Addrs, l, o.Slowness)
	return s.machine.runtime.Run(ctx, "start", func(ctx context.Context) error {
		s.endpoint = quorum.NewEndpoint(s.machine.runtime, s.machine.network(), o.Network, nil)
		m, err := protocols[i].Start(ctx, s.endpoint, s.machine.files(), o.Cluster)
		if err != nil {
			return err
		}
		s.member = m
		doMethod().Handle(s.endpoint, func(ctx context.Context, _ env.NodeID, r *do) (*done, error) {
			instead, err := m.Do(ctx, r.Command)
			if instead != 0 {
				return &done{instead: instead}, nil
			}
			return &done{done: true}, err
		})
		s.endpoint.Listen()
		s.machine.runtime.Go("member", m.Run)
		return nil
	})
}

// burn uses a share of a processor for as long as the process lasts.
func burn(share float64) {
	var b budget
	for began := time.Now(); ; {
		for spin := time.Now(); time.Since(spin) < burst/4; {
		}
		b.wait(share, time.Since(began))
	}
}

// look reports how the member is.
func (s *server) look(ctx context.Context, r *report) error {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	r.HeapBytes = mem.HeapAlloc
	return s.machine.runtime.Run(ctx, "look", func(context.Context) error {
		r.State, r.Entries = s.member.State()
		r.Network = s.endpoint.Stats()
		return nil
	})
}

// do is a client's request, done its answer.
type do struct{ Command }

func (m *do) Fields(c *quorum.Coder) { c.Uint(&m.Client); c.Uint(&m.Number) }

type done struct {
	done    bool
	instead env.NodeID
}

func (m *done) Fields(c *quorum.Coder) { c.Bool(&m.done); c.Node(&m.instead) }

// methodDo is above what protocols use.
const methodDo = 1000

func doMethod() quorum.Method[do, done] { return quorum.NewMethod[do, done](methodDo, "client") }
