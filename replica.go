package godwit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/catalog"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// replicaPendingBytesMax bounds what is executed and in no round, replicaFrameBytesMax a
	// message, replicaOutboxBytesMax what waits to be sent to one node.
	replicaPendingBytesMax = 8 << 20
	replicaFrameBytesMax   = 4 << 20
	replicaOutboxBytesMax  = 16 << 20
	// replicaLag is how much later than it could a follower applies what is durable: so under load
	// the next round tells it what is, and a step of replay has several.
	replicaLag = 4 * time.Millisecond
	// prepareIdle is how often a replica whose data does not grow looks whether it does.
	prepareIdle = 200 * time.Millisecond
	// replicaRestart is how long to wait after a replica could not be opened again.
	replicaRestart = time.Second
)

// replica is what a replicated database has in place of an engine and a log of its own. It
// is opened again when it has fetched a checkpoint from another node: it was
// too far behind for the log.
type replica struct {
	db   *DB
	addr string // where it listens
	mu   struct {
		sync.Mutex
		open   *openReplica // nil while it is opened again
		failed error        // why it has ended for good
		// changed is closed when open or failed changes.
		changed chan struct{}
		peers   map[NodeID]string
	}
	tables   replicaTables
	refusals refusals
	// closeErr is what went wrong in closing replicas. Whoever waits for supervise reads it.
	closeErr error
}

// openReplica is a replica from one opening to the next.
type openReplica struct {
	*shard.Replica
	rt       *quorum.Runtime
	stop     func()
	tcp      *env.TCP
	endpoint *quorum.Endpoint
	arena    *arena.Arena
	ended    chan error // what Run has returned
}

// openReplicated opens a database that is a replica.
func (db *DB) openReplicated() error {
	c := db.opts.Cluster
	if err := db.grow(); err != nil {
		return err
	}
	r := &replica{db: db}
	r.mu.changed, r.mu.peers = make(chan struct{}), maps.Clone(c.Peers)
	l := c.Listener
	if l == nil {
		var err error
		if l, err = listen(c.Peers[c.Node]); err != nil {
			return err
		}
	}
	r.addr = l.Addr().String()
	n, err := r.start(l)
	if err != nil {
		return err
	}
	r.tables.engine, r.tables.byID, r.tables.drops = n.Engine(), map[occ.TableID]*Table{}, newGatekeeper(db.closed)
	r.set(n, nil)
	db.replica = r
	db.tasks.Go(func() { r.supervise(n) })
	return nil
}

func listen(addr string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", addr)
}

// start opens the folder and takes part in the group. It takes the listener over.
func (r *replica) start(l net.Listener) (_ *openReplica, err error) {
	c := r.db.opts.Cluster
	n := &openReplica{ended: make(chan error, 1)}
	if n.arena, err = arena.New(r.db.opts.MemoryLimit); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	n.rt, n.stop = quorum.Start(c.Node)
	r.mu.Lock()
	n.tcp = env.NewTCP(n.rt.Host(), maps.Clone(r.mu.peers), l)
	r.mu.Unlock()
	if c.TLS != nil {
		err = n.tcp.UseTLS(c.tls(r.db.logger))
	}
	if err == nil {
		err = n.rt.Run(context.Background(), "open", func(ctx context.Context) error { return r.open(ctx, n) })
	}
	if err != nil {
		var damage *CorruptionError
		if !c.Refill && errors.As(err, &damage) && strings.HasPrefix(damage.File, filepath.Join(r.db.dir, folder.Checkpoint)) {
			err = fmt.Errorf("%w; with Cluster.Refill this node gets another's checkpoint", err)
		}
		err = errors.Join(err, n.close())
		_ = l.Close() // it may be closed already
		return nil, err
	}
	return n, nil
}

// open is the part of start that is a task.
func (r *replica) open(ctx context.Context, n *openReplica) (err error) {
	c := r.db.opts.Cluster
	n.endpoint = quorum.NewEndpoint(n.rt, n.tcp, quorum.Options{
		Cluster: c.ID, Settings: "durability " + r.db.opts.Durability.String(), FrameBytesMax: replicaFrameBytesMax, OutboxBytesMax: replicaOutboxBytesMax}, nil)
	n.endpoint.OnRefused(func(err *quorum.RefusedError) {
		r.db.logger.Warn("a connection was refused", "error", err)
		r.refusals.note(err)
	})
	disk := shard.Disk{FS: r.db.opts.fs, Dir: r.db.dir, Identity: shard.Identity{Cluster: wal.DatabaseID(c.ID), Node: c.Node}, SegmentBytes: r.db.opts.LogSegmentBytes, Refill: c.Refill}
	if m := r.db.opts.Metrics; m != nil {
		disk.OnSync = m.LogSynced
	}
	if n.Replica, err = shard.Open(ctx, n.endpoint, disk, r.options(n.arena)); err != nil {
		return err
	}
	if _, err := n.Engine().AddTable(catalog.TableID()); err != nil {
		return err
	}
	memberMethod().Handle(n.endpoint, n.handleMember)
	n.endpoint.Listen()
	n.rt.Go("replica", func(ctx context.Context) error {
		err := n.Run(ctx)
		n.ended <- err
		return err
	})
	return nil
}

func (r *replica) options(a *arena.Arena) shard.Options {
	o := &r.db.opts
	durability := stream.Disk
	if o.Durability == DurabilityMemory {
		durability = stream.Memory
	}
	var onCheckpoint func(time.Duration, int64)
	if o.Metrics != nil {
		onCheckpoint = o.Metrics.Checkpointed
	}
	return shard.Options{
		Group: stream.Options{
			Members: stream.Members{Voters: o.Cluster.founders()}, Durability: durability, ElectionTimeout: o.Cluster.ElectionTimeout, Preferred: o.Cluster.Preferred, Lag: replicaLag, GiveUpLost: o.Cluster.GiveUpLost,
			Logf: func(format string, args ...any) { o.Logger.Info(fmt.Sprintf(format, args...)) },
		},
		Arena: a, Workers: o.Workers, Time: env.RealClock(), PendingBytesMax: replicaPendingBytesMax, CheckpointBytes: o.CheckpointBytes, ClientsMax: o.ClientsMax, Catalog: true, OnCheckpoint: onCheckpoint, Version: version(),
	}
}

// close ends it. It may not be open yet.
func (n *openReplica) close() error {
	if n.endpoint != nil {
		n.rt.Post(n.endpoint.Close)
	}
	n.stop()
	n.tcp.Wait()
	var err error
	if n.Replica != nil {
		err = n.Close()
	}
	return errors.Join(err, n.arena.Close())
}

// set tells everybody which replica is open, or why none is any more.
func (r *replica) set(n *openReplica, failed error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.open, r.mu.failed = n, failed
	close(r.mu.changed)
	r.mu.changed = make(chan struct{})
}

// get returns the replica that is open. Without one, the error says whether there will be.
func (r *replica) get() (*openReplica, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.open != nil {
		return r.mu.open, nil
	}
	if r.mu.failed != nil {
		return nil, r.mu.failed
	}
	return nil, &NotLeaderError{}
}

// await is get for who can do with a replica that does not lead: it waits while one is
// opened again.
func (r *replica) await(ctx context.Context) (*openReplica, error) {
	for {
		r.mu.Lock()
		changed := r.mu.changed
		r.mu.Unlock()
		n, err := r.get()
		if !errors.Is(err, ErrNotLeader) {
			return n, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// supervise looks after the replica's memory and opens it again when that is what it wants,
// until the database is closed.
func (r *replica) supervise(n *openReplica) {
	for n != nil {
		err := r.tend(n)
		closed := err == nil
		switch {
		case closed:
			err = ErrClosed
		case !errors.Is(err, shard.ErrRestart):
			r.db.logger.Error("the replica has stopped; reopen the database", "error", err)
			err = fmt.Errorf("godwit: the replica has stopped; reopen the database: %w", err)
		default:
			err = nil
		}
		r.set(nil, err)
		if cerr := n.close(); cerr != nil {
			r.db.logger.Error("the replica was not closed properly", "error", cerr)
			r.closeErr = errors.Join(r.closeErr, cerr)
		}
		if n = nil; err == nil {
			n = r.reopen()
		}
	}
}

// handOver lets another node lead before this one is closed.
func (r *replica) handOver() {
	n, err := r.get()
	if err != nil {
		return
	}
	if _, err := n.Leading(); err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.db.opts.Cluster.ElectionTimeout)
	defer cancel()
	if err := n.do(ctx, "hand over", n.HandOver); err != nil && !errors.Is(err, shard.ErrAlone) {
		r.db.logger.Warn("closed without another leader", "error", err)
	}
}

// tend looks after the memory until the replica ends, and returns why; nil if it is to be
// closed.
func (r *replica) tend(n *openReplica) error {
	tick := time.NewTimer(prepareEvery)
	defer tick.Stop()
	var scavenged time.Time
	for {
		select {
		case <-r.db.closed:
			return nil
		case err := <-n.ended:
			return err
		case now := <-tick.C:
			next := prepareIdle - time.Duration(now.UnixNano())%prepareIdle // when the server's own looks are, too
			if n.arena.Prepare() {
				next = prepareEvery
			}
			tick.Reset(next)
			if now.Sub(scavenged) >= scavengeEvery {
				if err := n.arena.Scavenge(); err != nil {
					r.db.logger.Warn("memory was not given back", "error", err)
				}
				scavenged = now
			}
		}
	}
}

// reopen opens the replica again, nil if the database is closed meanwhile.
func (r *replica) reopen() *openReplica {
	for {
		l, err := listen(r.addr)
		var n *openReplica
		if err == nil {
			n, err = r.start(l)
		}
		if err == nil {
			if err = r.moveTables(n); err == nil {
				r.set(n, nil)
				return n
			}
			err = errors.Join(err, n.close())
		}
		r.db.logger.Error("the replica was not opened again", "error", err, "next try in", replicaRestart)
		select {
		case <-r.db.closed:
			r.set(nil, ErrClosed)
			return nil
		case <-time.After(replicaRestart):
		}
	}
}

// run runs f as a task of the replica that is open, again if one that has been opened again
// takes its place meanwhile.
func (r *replica) run(ctx context.Context, name string, f func(ctx context.Context, n *openReplica) error) (*openReplica, error) {
	for {
		n, err := r.await(ctx)
		if err != nil {
			return nil, err
		}
		err = n.do(ctx, name, func(ctx context.Context) error { return f(ctx, n) })
		if !errors.Is(err, ErrClosed) { // else await tells whether there is another one
			return n, err
		}
	}
}

// do runs f as a task of this replica.
func (n *openReplica) do(ctx context.Context, name string, f func(ctx context.Context) error) error {
	err := n.rt.Run(ctx, name, f)
	switch {
	case errors.Is(err, quorum.ErrClosed):
		return ErrClosed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return ctx.Err() // which says why
	}
	return err
}

// stats returns the figures of a replica.
func (r *replica) stats() Stats {
	n, err := r.get()
	if errors.Is(err, ErrNotLeader) || errors.Is(err, ErrClosed) { // it is being opened again
		return Stats{}
	}
	if err != nil {
		return Stats{Log: LogStats{Failed: err}}
	}
	s := statsOf(n.Engine(), n.arena)
	s.Executed, s.Released = Timestamp(n.Executed()), Timestamp(n.Released())
	if l, err := n.Leading(); err == nil {
		s.Waiting = l.Waiting()
	}
	log := n.LogStats()
	s.Log = logStatsOf(&log)
	s.Checkpoint = checkpointStatsOf(n.NewestCheckpoint())
	return s
}
