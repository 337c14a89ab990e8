package realslow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// Fault makes a machine slow.
type Fault struct {
	Name    string
	Inflict func(m *Machine)
}

// Faults returns the ways in which a machine is slow, the same as in simulation.
func Faults() []Fault {
	return []Fault{
		{"slow CPU", func(m *Machine) { m.SlowLoop(time.Millisecond) }},
		{"slow disk", func(m *Machine) { m.SlowSync(100 * time.Millisecond) }},
		{"slow link", func(m *Machine) { m.SlowLink(50 * time.Millisecond) }},
		{"paused", func(m *Machine) { m.Pause() }},
		{"stopped", func(m *Machine) { m.Stop() }},
	}
}

// Speed is what clients got.
type Speed struct {
	PerSecond float64
	P50, P99  time.Duration
}

func (s Speed) String() string {
	return fmt.Sprintf("%.0f/s, p50 %v, p99 %v", s.PerSecond, s.P50.Round(time.Microsecond), s.P99.Round(time.Microsecond))
}

const (
	members = 3
	clients = 64
	// clientNode is the name of the clients' node.
	clientNode env.NodeID = 100
	// opTimeout is how long a client waits for one request.
	opTimeout = 2 * time.Second
	// readyTimeout is how long a cluster may take to answer at all.
	readyTimeout = 30 * time.Second
)

// put is a request: a number to be added. leader is the answer of a member that
// does not lead.
type put struct{ number uint64 }

func (m *put) Fields(c *quorum.Coder) { c.Uint(&m.number) }

type putDone struct {
	done   bool
	leader env.NodeID
}

func (m *putDone) Fields(c *quorum.Coder) { c.Bool(&m.done); c.Node(&m.leader) }

func putMethod() quorum.Method[put, putDone] { return quorum.NewMethod[put, putDone](100, "client") }

// total is the state machine: the sum of all numbers.
type total struct{ sum uint64 }

func (t *total) Apply(_ uint64, command []byte) []byte {
	t.sum += binary.LittleEndian.Uint64(command)
	return nil
}

func (t *total) Snapshot() []byte { return binary.LittleEndian.AppendUint64(nil, t.sum) }

func (t *total) Restore(data []byte) error {
	if len(data) != 8 {
		return errors.New("realslow: not a sum")
	}
	t.sum = binary.LittleEndian.Uint64(data)
	return nil
}

// cluster is three members and a machine with clients.
type cluster struct {
	machines map[env.NodeID]*Machine
	// Of the clients' loop:
	leader    env.NodeID // who answered last
	latencies []time.Duration
	failed    int
}

// Raft measures a cluster of three members with folders in dir for a time, in
// which a follower has a fault, or the leader if leads is set. A fault without
// Inflict is none.
func Raft(ctx context.Context, dir string, fault Fault, leads bool, warmUp, d time.Duration) (Speed, error) {
	c := &cluster{machines: map[env.NodeID]*Machine{}, leader: 1}
	defer func() {
		for _, m := range c.machines {
			m.Stop()
		}
	}()
	if err := c.start(ctx, dir); err != nil {
		return Speed{}, err
	}
	loop := c.machines[clientNode].Runtime
	if err := loop.Run(ctx, "ready", c.ready); err != nil {
		return Speed{}, fmt.Errorf("realslow: the cluster does not answer: %w", err)
	}
	var speed Speed
	err := loop.Run(ctx, "measure", func(ctx context.Context) error {
		if err := quorum.Sleep(ctx, warmUp); err != nil {
			return err
		}
		if fault.Inflict != nil {
			victim := c.leader
			if !leads {
				victim = victim%members + 1
			}
			job := func() (struct{}, error) { fault.Inflict(c.machines[victim]); return struct{}{}, nil }
			if _, err := quorum.Blocking(ctx, quorum.KindJob, "inflict", job).Wait(ctx); err != nil {
				return err
			}
		}
		c.latencies, c.failed = nil, 0
		began := loop.Host().Elapsed()
		if err := quorum.Sleep(ctx, d); err != nil {
			return err
		}
		took := loop.Host().Elapsed() - began
		all := slices.Clone(c.latencies)
		if len(all) == 0 {
			return fmt.Errorf("realslow: no request was carried out, %d failed", c.failed)
		}
		slices.Sort(all)
		speed = Speed{float64(len(all)) / took.Seconds(), all[len(all)/2], all[len(all)*99/100]}
		return nil
	})
	return speed, err
}

// start starts all machines.
func (c *cluster) start(ctx context.Context, dir string) error {
	addrs := map[env.NodeID]string{}
	for id := env.NodeID(1); id <= members; id++ {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addrs[id] = l.Addr().String()
		if err := l.Close(); err != nil {
			return err
		}
	}
	for id := env.NodeID(1); id <= members; id++ {
		m, err := newMachine(id, addrs)
		if err != nil {
			return err
		}
		c.machines[id] = m
		if err := m.Runtime.Run(ctx, "start", func(context.Context) error { return c.member(m, filepath.Join(dir, fmt.Sprint(id))) }); err != nil {
			return err
		}
	}
	m, err := newMachine(clientNode, addrs)
	if err != nil {
		return err
	}
	c.machines[clientNode] = m
	return nil
}

// member starts a member's program.
func (c *cluster) member(m *Machine, dir string) error {
	endpoint := quorum.NewEndpoint(m.Runtime, m.Network(), quorum.Options{}, nil)
	m.Runtime.Go("main", func(ctx context.Context) error {
		o := raft.Options{Dir: dir, Voters: []env.NodeID{1, 2, 3}, ElectionTimeout: 500 * time.Millisecond, SnapshotEntries: 1 << 16}
		n, err := raft.Start(ctx, endpoint, m.Files(), &total{}, o)
		if err != nil {
			return err
		}
		putMethod().Handle(endpoint, func(ctx context.Context, _ env.NodeID, r *put) (*putDone, error) {
			if _, err := n.Propose(ctx, binary.LittleEndian.AppendUint64(nil, r.number)); errors.Is(err, raft.ErrNotLeader) {
				return &putDone{leader: n.Status().Leader}, nil
			} else if err != nil {
				return nil, err
			}
			return &putDone{done: true}, nil
		})
		endpoint.Listen()
		return n.Run(ctx)
	})
	return nil
}

// ready starts the clients when the first request has been carried out.
func (c *cluster) ready(ctx context.Context) error {
	m := c.machines[clientNode]
	endpoint := quorum.NewEndpoint(m.Runtime, m.Network(), quorum.Options{}, nil)
	ctx, cancel := quorum.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for len(c.latencies) == 0 {
		c.ask(ctx, endpoint, 0)
		if err := quorum.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	for range clients {
		m.Runtime.Go("client", func(ctx context.Context) error {
			for i := uint64(0); ctx.Err() == nil; i++ {
				c.ask(ctx, endpoint, i)
			}
			return ctx.Err()
		})
	}
	return nil
}

// ask makes one request of whoever seems to lead.
func (c *cluster) ask(ctx context.Context, e *quorum.Endpoint, number uint64) {
	host := quorum.RuntimeOf(ctx).Host()
	asked, began := c.leader, host.Elapsed()
	op, cancel := quorum.WithTimeout(ctx, opTimeout)
	defer cancel()
	resp, err := putMethod().Call(op, e, asked, &put{number})
	switch {
	case err == nil && resp.done:
		c.latencies = append(c.latencies, host.Elapsed()-began)
		return
	case err == nil && resp.leader != 0:
		c.leader = resp.leader
	case c.leader == asked:
		c.leader = asked%members + 1
	}
	c.failed++
	if quorum.Sleep(ctx, time.Millisecond) != nil {
		return // the client ends
	}
}
