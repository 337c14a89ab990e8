package benchcluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// clientsNode is the name of the clients' node.
	clientsNode env.NodeID = 1000
	// redialMax is how long clients wait before they try a member that is away again.
	redialMax = 50 * time.Millisecond
)

// clients is the process of all clients: sessions that draw transactions and have whoever
// leads execute them.
type clients struct {
	*reporter
	setup    *Setup
	workload bench.Remote
	rt       *quorum.Runtime
	end      func()
	tcp      *env.TCP
	network  *counted
	client   *procedure.Client
	live     bench.Live
	names    []string      // of the procedures
	epoch    atomic.Uint64 // of the newest answer; written by the loop
	news     chan struct{} // that there is a new one
	profile  profile
	running  sync.WaitGroup
	stop     context.CancelFunc
}

// ServeClients is the clients' process: it does what it is told on in until that ends, and
// says on out how it is.
func ServeClients(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	c := newClients(out)
	err := c.obeyAll(ctx, json.NewDecoder(in))
	cancel()
	c.running.Wait()
	c.close()
	return errors.Join(err, c.profile.stop())
}

func newClients(out io.Writer) *clients {
	return &clients{reporter: newReporter(out), stop: func() {}, news: make(chan struct{}, 1)}
}

// close ends the connections, if there are any. Nothing runs any more.
func (c *clients) close() {
	if c.rt != nil {
		c.rt.Post(c.tcp.Close)
		c.end()
		c.tcp.Wait()
	}
}

func (c *clients) obeyAll(ctx context.Context, orders *json.Decoder) error {
	for {
		var o Order
		switch err := orders.Decode(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case o.Quit:
			return nil
		}
		if err := c.obey(ctx, &o); err != nil {
			c.report(Report{Err: err.Error()})
		}
	}
}

func (c *clients) obey(ctx context.Context, o *Order) error {
	switch {
	case o.Start != nil:
		return c.start(ctx, o.Start)
	case c.rt == nil:
		return errors.New("benchcluster: an order for clients that have not started")
	case o.Run != nil:
		c.run(ctx, o.Run)
		return c.profile.start()
	case o.Stop:
		c.stop()
		c.running.Wait()
		c.report(Report{Stopped: true, Counts: c.workload.Counts()})
		return c.profile.stop()
	}
	return nil
}

// start connects with the members.
func (c *clients) start(ctx context.Context, s *Setup) (err error) {
	if c.workload, err = s.Workload.New(); err != nil {
		return err
	}
	for k := range c.workload.Kinds() {
		c.names = append(c.names, procedureName(c.workload, bench.Kind(k)))
	}
	c.setup, c.profile.name = s, s.Profile
	c.rt, c.end = quorum.Start(clientsNode)
	c.tcp = env.NewTCP(c.rt.Host(), s.Addrs, nil)
	c.network = &counted{Network: c.tcp}
	err = c.rt.Run(ctx, "start", func(ctx context.Context) error {
		e := quorum.NewEndpoint(c.rt, c.network, quorum.Options{Cluster: quorum.ClusterID(s.database()), RedialMax: redialMax}, nil)
		c.client = procedure.NewClient(ctx, e, procedure.ClientOptions{Replicas: slices.Sorted(maps.Keys(s.Addrs))})
		return nil
	})
	if err != nil {
		return err
	}
	c.report(Report{Started: true})
	return nil
}

// run runs the workload, beside the orders, until its end or stop.
func (c *clients) run(ctx context.Context, o *RunOrder) {
	running, stop := context.WithCancel(ctx)
	c.stop = stop
	c.running.Go(func() { c.sample(running) })
	c.running.Go(func() {
		r, err := c.drive(ctx, running, o)
		switch {
		case err == nil:
			c.report(Report{Result: r})
		case !o.Endless || !errors.Is(err, context.Canceled):
			c.report(Report{Err: err.Error()})
		}
	})
}

// drive runs the sessions as long as running lasts. Each hears of its last transaction
// before it ends, unless ctx does.
func (c *clients) drive(ctx, running context.Context, o *RunOrder) (*bench.Result, error) {
	w := c.workload
	h := &clientHost{ctx: ctx, clients: c}
	b := o.config(c.setup, &c.live)
	b.Host, b.InFlightMax, b.Yield = h, 1, -1 // a session waits for its answer, in which others have the loop
	r, err := bench.Drive(running, w.Kinds(), b, func(n int) (bench.Worker, bench.Outcomes, error) {
		s := &clientSession{clients: c, terminal: w.NewTerminal(n, b.Sessions, b.Seed)}
		h.sessions = append(h.sessions, s)
		return s, s, nil
	})
	if err != nil {
		return nil, err
	}
	describe(r, "godwit, replicated, over the network", w)
	return r, nil
}

// clientHost runs the sessions as tasks of the loop that the network is on: what the answers
// of one piece that has come make them send goes out in one piece.
type clientHost struct {
	ctx      context.Context //nolint:containedctx // of the process
	clients  *clients
	sessions []*clientSession
}

// Go implements bench.Host.
func (h *clientHost) Go(n int, run func()) {
	s := h.sessions[n]
	h.clients.running.Go(func() {
		// The session has its own errors.
		_ = h.clients.rt.Run(h.ctx, "session", func(ctx context.Context) error {
			s.ctx, s.session = ctx, h.clients.client.NewSession(ctx)
			run()
			return nil
		})
	})
}

// Sleep implements bench.Host.
func (h *clientHost) Sleep(n int, d time.Duration) {
	_ = quorum.Sleep(h.sessions[n].ctx, d) // a session that is to end finds that out
}

// sample says how the process is, again and again.
func (c *clients) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for c.tell(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-c.news:
		}
	}
}

// tell says how the process is now. It returns false if it has ended.
func (c *clients) tell(ctx context.Context) bool {
	s := Sample{Epoch: c.epoch.Load(), Released: c.live.Released()}
	err := c.rt.Run(ctx, "look", func(context.Context) error {
		s.Sent, s.Received, s.Writes = c.network.sent, c.network.received, c.network.writes
		return nil
	})
	if err != nil {
		return false
	}
	s.At, s.CPU = time.Now().UnixNano(), int64(bench.ProcessorTime())
	c.report(Report{Sample: &s})
	return true
}

// heard notes the epoch of an answer. The first one of an epoch is told at once.
func (c *clients) heard(epoch uint64) {
	if epoch > c.epoch.Load() {
		c.epoch.Store(epoch)
		select {
		case c.news <- struct{}{}:
		default: // it is about to be told
		}
	}
}

// clientSession is one client: it has one transaction at a time, and hears what became of
// it when that is released.
type clientSession struct {
	clients  *clients
	terminal bench.Terminal
	ctx      context.Context //nolint:containedctx // of the task that it runs in: bench.Worker has none
	session  *procedure.Session
	request  []byte
}

// Run implements bench.Worker.
func (s *clientSession) Run() (k bench.Kind, _ bench.Timestamp, err error) {
	k, s.request = s.terminal.Draw(s.request[:0])
	a, err := s.call(k)
	if err == nil {
		s.clients.heard(uint64(a.Epoch))
		err = s.terminal.Executed(a.Bytes)
	}
	return k, 0, err
}

// answerWithin is how long a client tries: longer than a group may be without a leader.
const answerWithin = 2 * time.Minute

// call has the transaction executed that was drawn, once.
func (s *clientSession) call(k bench.Kind) (a procedure.Answer, err error) {
	ctx, cancel := quorum.WithTimeout(s.ctx, answerWithin)
	defer cancel()
	name := s.clients.names[k]
	if s.clients.workload.ReadOnly(k) {
		a, err = s.clients.client.View(ctx, name, s.request)
	} else {
		a, err = s.session.Update(ctx, name, s.request)
	}
	var rejected *procedure.RejectedError
	if errors.As(err, &rejected) && rejected.Reason == bench.ErrRollback.Error() {
		return a, bench.ErrRollback
	}
	return a, err
}

// Released implements bench.Outcomes: whatever Run has returned is.
func (*clientSession) Released() bench.Timestamp { return 0 }

// Aborts implements bench.Outcomes. The leader counts them.
func (*clientSession) Aborts() uint64 { return 0 }

// Close implements bench.Outcomes.
func (*clientSession) Close() error { return nil }
