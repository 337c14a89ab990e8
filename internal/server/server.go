package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
)

// Options configure a Server. The zero value of each field means its default.
type Options struct {
	// DB is what the server serves. Required.
	DB *godwit.DB
	// Logger gets what operators should know. Default: nothing is logged.
	Logger *slog.Logger
	// ClientsMax is how many connections there may be at a time. Default DefaultClientsMax.
	ClientsMax int
	// ClientsMemory bounds the memory of all clients' requests and replies together, in bytes. Beyond it the connections
	// that take most are closed. Default: an eighth of the data's, 1 GiB at least.
	ClientsMemory int64
	// Advertise is where clients of this node connect, as other nodes are told: those that follow forward their clients'
	// requests there. Default: nothing is forwarded.
	Advertise string
	// TLS encrypts connections with clients, and with nodes that requests are forwarded to. Default: they are plain.
	TLS *Certificates
	// Password is that of the default user, until that user is changed. Default: it needs none.
	Password string
	// Secret is what nodes that forward requests prove themselves with. The same on all nodes.
	Secret string
	// Redirect tells clients to go to the node that leads (MOVED), instead of forwarding their commands on keys to it.
	Redirect bool
	// LeaderWait is how long requests wait while no node leads. When none has for that long, they are refused at once
	// until one does. Default DefaultLeaderWait.
	LeaderWait time.Duration
	// ScriptBusy is how long a script runs before SCRIPT KILL may end it. Default command.DefaultScriptBusy.
	ScriptBusy time.Duration
	// ScriptTimeMax is how long a script runs before the server ends it. Default command.DefaultScriptTimeMax.
	ScriptTimeMax time.Duration
	// Version is that of Godwit, for INFO.
	Version string
	// Shutdown asks the process to end, for the command SHUTDOWN, which fails without it. It must not wait for that.
	Shutdown func()
}

const (
	// DefaultClientsMax is the default of Options.ClientsMax.
	DefaultClientsMax = 10_000
	// refusalTimeout is how long a connection that is refused may take to hear why.
	refusalTimeout = time.Second
)

// Server serves Redis clients.
type Server struct {
	opts        Options
	db          *godwit.DB
	log         *slog.Logger
	shared      command.Shared
	handler     map[string]handler // of the commands that belong to a connection, by name
	waiters     waiters
	hub         hub
	feeds       feeds
	feed        feed
	monitors    monitors
	clientPause clientPause
	poller      *poller // nil if each connection has a goroutine
	releaser    releaser
	clock       clock
	started     time.Time
	runID       string

	config      config
	parameters  map[string]parameter
	stats       stats
	slowlog     slowlog
	latency     latencyMonitor
	tracking    tracking
	checkpoints checkpoints

	// ctx ends when the server is closed.
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup // of connections, listeners and maintenance

	space  atomic.Pointer[keyspace.Space] // nil until its tables are there
	lastID atomic.Int64
	lead   atomic.Pointer[lead]  // nil in a database that is alone
	hope   atomic.Pointer[hope]  // of a node that leads
	users  atomic.Pointer[users] // nil until they are known
	access access
	// removed is set by lookForRemoval: this node hears of no leader because it is no member any more.
	removed atomic.Bool

	counters counters
	siblings siblings

	requesters struct {
		sync.Mutex
		idle []godwit.Request // the last ones of clients of the leader that nobody is now
	}

	mu struct {
		sync.Mutex
		conns     map[int64]*conn
		listeners map[net.Listener]struct{}
		draining  bool
		closed    bool
	}
}

// New returns a server of a database. Close must follow, before that of the database.
func New(opts Options) (*Server, error) {
	if opts.DB == nil {
		return nil, errors.New("server: a database is required")
	}
	if opts.ClientsMax == 0 {
		opts.ClientsMax = DefaultClientsMax
	}
	if opts.ClientsMemory == 0 {
		opts.ClientsMemory = max(opts.DB.Stats().MemoryLimitBytes/clientsMemoryShare, clientsMemoryMin)
	}
	if opts.LeaderWait == 0 {
		opts.LeaderWait = DefaultLeaderWait
	}
	if opts.ScriptBusy == 0 {
		opts.ScriptBusy = command.DefaultScriptBusy
	}
	if opts.ScriptTimeMax == 0 {
		opts.ScriptTimeMax = command.DefaultScriptTimeMax
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if n := filesForClients(opts.Advertise != ""); n < opts.ClientsMax {
		opts.Logger.Warn("the system lets this process open too few files for as many clients as were asked for", "asked", opts.ClientsMax, "clients", n)
		opts.ClientsMax = n
	}
	s := &Server{opts: opts, db: opts.DB, log: opts.Logger, started: time.Now()}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.mu.conns, s.mu.listeners = map[int64]*conn{}, map[net.Listener]struct{}{}
	s.hope.Store(s.newHope())
	s.waiters.init()
	s.hub.init()
	s.tracking.init()
	s.latency.events = map[string]*latencyEvent{}
	s.feeds.init()
	s.monitors.init()
	s.clientPause.init()
	handlers, commands := connectionCommands()
	aclCommand, aclHandlers := s.aclCommand()
	maps.Copy(handlers, aclHandlers)
	s.handler = handlers
	s.parameters = parameters()
	s.config.init(opts.ClientsMax, opts.ClientsMemory)
	s.runID = newRunID()
	s.shared = command.Shared{Table: command.NewTable(append(commands, aclCommand)), Scripts: command.NewScripts(opts.Logger, opts.ScriptBusy, opts.ScriptTimeMax), Receivers: s.hub.receivers}
	s.shared.Encodings.Init()
	s.counters.init(s.shared.Table)
	s.stats.init(len(s.shared.Table.Numbered()))
	if err := s.initUsers(); err != nil {
		s.stop()
		return nil, err
	}
	s.releaser.init(s)
	s.wg.Go(s.releaser.run)
	s.poller = newPoller(s)
	s.wg.Go(s.maintain)
	s.wg.Go(s.watchMemory)
	s.wg.Go(s.watchUsers)
	if opts.TLS != nil {
		s.wg.Go(s.watchCertificates)
	}
	if opts.Advertise != "" {
		s.wg.Go(s.watchLead)
	}
	s.wg.Go(func() { s.shared.Scripts.Watch(s.ctx) })
	return s, nil
}

// Serve accepts connections until the server is closed, when it returns nil, or the listener fails.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		_ = l.Close()
		return nil
	}
	s.mu.listeners[l] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			if s.ending() {
				return nil
			}
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() { // too many open files, for example
				s.log.Warn("cannot accept a connection", "error", err)
				select {
				case <-time.After(50 * time.Millisecond):
					continue
				case <-s.ctx.Done():
					return nil
				}
			}
			return fmt.Errorf("accept: %w", err)
		}
		s.accept(s.secured(c), "")
	}
}

// accept serves a connection: of a user, or with "" of somebody who has to say who it is.
func (s *Server) accept(nc net.Conn, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || int64(len(s.mu.conns)) >= s.config.clientsMax.Load() {
		s.counters.refused.Add(1)
		s.stats.rejected.Add(1)
		s.wg.Go(func() {
			_ = nc.SetDeadline(time.Now().Add(refusalTimeout))
			_, _ = io.WriteString(nc, "-ERR max number of clients reached\r\n")
			_ = nc.Close()
		})
		return
	}
	s.stats.connections.Add(1)
	c := newConn(s, nc, s.lastID.Add(1))
	c.owner = user
	s.mu.conns[c.id] = c
	s.wg.Go(c.outbox.run)
	s.wg.Go(c.serve)
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c.id)
}

// ending tells whether listeners are closed.
func (s *Server) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closed || s.mu.draining
}

// Close ends all connections and returns when none is left.
func (s *Server) Close() {
	s.mu.Lock()
	s.mu.closed = true
	s.stop()
	for l := range s.mu.listeners {
		_ = l.Close()
	}
	for _, c := range s.mu.conns {
		c.close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.poller.close()
	s.siblings.close()
}

// open returns the space of keys.
func (s *Server) open(ctx context.Context) (*keyspace.Space, error) {
	if space := s.space.Load(); space != nil {
		return space, nil
	}
	space, err := keyspace.Open(ctx, s.db)
	if err != nil {
		return nil, err
	}
	if !s.space.CompareAndSwap(nil, space) {
		space = s.space.Load()
	}
	return space, nil
}

// newRunID returns what names this run of the server.
func newRunID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// clock is the time of transactions, which never goes back while the server runs.
type clock struct{ last atomic.Int64 }

// now returns the time in milliseconds since 1970.
func (c *clock) now() int64 { return c.at(time.Now()) }

// at is now for a caller that has just looked at the time.
func (c *clock) at(t time.Time) int64 {
	now := t.UnixMilli()
	for {
		last := c.last.Load()
		if now <= last {
			return last
		}
		if c.last.CompareAndSwap(last, now) {
			return now
		}
	}
}
