package benchchaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// clientsNode is the name of the clients' node.
	clientsNode = 1000
	// keysAtATime is how many lists, and how many registers, are in use.
	keysAtATime = 4
	// listValuesMax is how long a list gets, and registerOpsMax how often a register is
	// used, before clients go on to other keys.
	listValuesMax, registerOpsMax = 40, 200
	// accounts are the bank's, from counter 0 on; all together they have as much as there
	// is: 0, modulo 2^64.
	accounts = 8
	// ownCounters is the first counter that belongs to one client.
	ownCounters = 1 << 32
)

// clients are all clients. What is in it belongs to their loop.
type clients struct {
	config   Config
	rt       *quorum.Runtime
	endpoint *quorum.Endpoint
	tcp      *env.TCP
	stop     func()
	client   *procedure.Client
	clock    history.Clock
	all      []*clientOf
	paused   bool
	busy     int // clients amid a transaction

	value                   uint64 // the last one that was written
	listsFrom, registerFrom uint64 // keys before are not used any more
	registerOps             int
	chapterFrom             uint64 // the first list of the chapter
	seen                    seen
	total                   Totals
	released                []release // since they were last asked for
	wrong                   []string  // anomalies that were noticed at once
}

// seen is a chapter's history.
type seen struct{ lists, snapshots, registers history.History }

func (s *seen) clear() {
	*s = seen{history.History{Workload: history.Lists}, history.History{Workload: history.Lists}, history.History{Workload: history.Registers}}
}

// Totals count what the clients have done.
type Totals struct {
	Released  int `json:"released"` // transactions that write
	Read      int `json:"read"`     // transactions that read the newest state
	Snapshots int `json:"snapshots"`
	Unknown   int `json:"unknown"`
	Failed    int `json:"failed"`
}

// release is a transaction that wrote.
type release struct {
	invoked, completed time.Time
	epoch              wal.Epoch
}

// newClients connects clients with the replicas.
func newClients(ctx context.Context, c *cluster) (*clients, error) {
	x := &clients{config: c.config, clock: history.Increasing(history.MonotonicClock()), value: 1}
	x.seen.clear()
	x.rt, x.stop = quorum.Start(clientsNode)
	addrs := map[env.NodeID]string{}
	var ids []env.NodeID
	for _, m := range c.members {
		addrs[m.id] = m.addr
		ids = append(ids, m.id)
	}
	x.tcp = env.NewTCP(x.rt.Host(), addrs, nil)
	id := c.members[0].setup
	err := x.rt.Run(ctx, "clients", func(ctx context.Context) error {
		x.endpoint = quorum.NewEndpoint(x.rt, x.tcp, quorum.Options{Cluster: quorum.ClusterID(id.Database()), RedialMax: 50 * time.Millisecond}, nil)
		x.client = procedure.NewClient(ctx, x.endpoint, procedure.ClientOptions{Replicas: ids})
		for i := range c.config.Clients {
			one := &clientOf{clients: x, id: history.ClientID(i + 1), rng: rand.New(rand.NewPCG(c.config.Seed, uint64(i))), replicas: ids}
			one.session = x.client.NewSession(ctx)
			x.all = append(x.all, one)
			x.rt.Go("client", one.run)
		}
		return nil
	})
	if err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

// close ends the clients.
func (x *clients) close() {
	x.rt.Post(x.tcp.Close)
	x.stop()
	x.tcp.Wait()
}

// do runs f as a task of the clients' loop.
func (x *clients) do(ctx context.Context, f func(ctx context.Context) error) error {
	return x.rt.Run(ctx, "chaos", f)
}

// pause waits until no client is amid a transaction; then none goes on before resume.
func (x *clients) pause(ctx context.Context) error {
	return x.do(ctx, func(ctx context.Context) error {
		x.paused = true
		for x.busy > 0 {
			if err := quorum.Sleep(ctx, lookEvery); err != nil {
				return err
			}
		}
		return nil
	})
}

func (x *clients) resume(ctx context.Context) error {
	return x.do(ctx, func(context.Context) error { x.paused = false; return nil })
}

// epoch returns the newest epoch that the clients have heard of.
func (x *clients) epoch(ctx context.Context) (epoch wal.Epoch, err error) {
	err = x.do(ctx, func(context.Context) error { _, epoch = x.client.Leader(); return nil })
	return epoch, err
}

// firstReleased waits for a transaction that was begun after a moment, and in an epoch above
// one, if that matters, and returns when it was released.
func (x *clients) firstReleased(ctx context.Context, since time.Time, above wal.Epoch) (at time.Time, err error) {
	err = comesAbout(ctx, "something is released", func() error {
		return x.do(ctx, func(context.Context) error {
			all := x.released
			x.released = nil
			for _, r := range all {
				if r.epoch > above && (above > 0 || r.invoked.After(since)) && r.completed.After(since) {
					at = r.completed
					return nil
				}
			}
			return fmt.Errorf("since %v nothing is, above epoch %d: %+v", since.Format("15:04:05.000"), above, x.total)
		})
	})
	return at, err
}

// transact runs a transaction of any manner.
type manner func(ctx context.Context, argument []byte) (procedure.Answer, error)

// perform runs operations and decodes their results.
func perform(ctx context.Context, ops benchnode.Ops, run manner) (a procedure.Answer, r benchnode.Results, err error) {
	if a, err = run(ctx, quorum.Encode(nil, &ops)); err != nil {
		return a, nil, err
	}
	if err = quorum.Decode(a.Bytes, &r); err == nil && len(r) != len(ops) {
		err = fmt.Errorf("%d results of %d operations", len(r), len(ops))
	}
	return a, r, err
}
