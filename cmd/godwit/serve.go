package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/server"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serveConfig is what `godwit serve` is told.
type serveConfig struct {
	dir              string
	listen           string
	durability       string
	syncInterval     time.Duration
	memoryMiB        int64
	workers          int
	checkpointMiB    int64
	logSegmentMiB    int64
	clientsMax       int
	clientsMemoryMiB int64
	scriptTimeMax    time.Duration
	admin            string
	trace            tracing
	logFormat        string
	password         string
	insecure         bool
	tls              tlsFiles
	logLevel         string
	config           string
	printConfig      bool
	withParent       bool
	cluster          clusterConfig
	drainTimeout     time.Duration
	groups           []settingGroup
}

// clusterConfig is what a node of several is told.
type clusterConfig struct {
	id         string
	node       uint32
	peers      []string
	join       bool
	refill     bool
	giveUp     bool
	preferred  uint32
	advertise  string
	secret     string
	redirect   bool
	leaderWait time.Duration
	election   time.Duration
	tls        tlsFiles
}

func newServeCommand() *cobra.Command {
	var o serveConfig
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Redis clients, alone or as one of several replicas",
		Long: `Serves Redis clients from the data folder --dir until it is interrupted or told to end (SIGTERM): then it hands
over the lead, answers what was asked, and closes the data. A second signal ends it at once. With --node it is one of
the replicas of a shard, whose others are at --peers.

Each flag can also be given in the environment (GODWIT_LOG_LEVEL for --log-level) and in a TOML file
(log-level = "debug"): the command line counts more than the environment, and that more than the file.
--print-config writes such a file.

Once clients are served, "serving" is on the standard error output. Exit codes: 0 it was told to end, 1 it failed,
2 it could not begin.`,
		Example: `  godwit serve --dir data
  godwit serve --config /etc/godwit.toml
  godwit serve --dir d1 --listen :6379 --cluster ID --node 1 --peers 1=db1:4000,2=db2:4000,3=db3:4000`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := readSettings(o.groups); err != nil {
				return usageError(err)
			}
			if o.printConfig {
				return failed(printSettings(cmd.OutOrStdout(), o.groups))
			}
			log, err := o.logger(cmd.ErrOrStderr())
			if err != nil {
				return usageError(err)
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			defer context.AfterFunc(ctx, stop)() // a second signal has its usual effect
			if o.withParent {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				go func() { // ends with the process, or its parent
					_, _ = io.Copy(io.Discard, cmd.InOrStdin())
					cancel()
				}()
			}
			return o.run(ctx, log)
		},
	}
	o.declare()
	declareSettings(cmd, o.groups)
	for setting, values := range map[string][]string{
		"durability": {godwit.DurabilityDisk.String(), godwit.DurabilityBackground.String(), godwit.DurabilityMemory.String()},
		"log-level":  {"debug", "info", "warn", "error"}, "log-format": {"text", "json"},
	} {
		if err := cmd.RegisterFlagCompletionFunc(setting, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // there is no such setting
		}
	}
	return cmd
}

// declare declares the flags.
func (o *serveConfig) declare() {
	group := func(title string) *pflag.FlagSet {
		f := pflag.NewFlagSet(title, pflag.ContinueOnError)
		o.groups = append(o.groups, settingGroup{title, f})
		return f
	}
	f := group("Server")
	f.StringVar(&o.dir, "dir", "godwit-data", "the data folder; it is made if it is missing")
	f.StringVar(&o.listen, "listen", "127.0.0.1:6379", "where clients connect")
	f.IntVar(&o.clientsMax, "clients-max", 0, "how many clients may be connected at a time; 0 is 10000")
	f.Int64Var(&o.clientsMemoryMiB, "clients-memory", 0, "MiB that the requests and replies of all clients may take, beyond which the connections that take most are closed; 0 is an eighth of --memory, at least 1024")
	f.DurationVar(&o.scriptTimeMax, "script-time-max", 0, "how long a script may run; 0 is a minute")
	f.StringVar(&o.admin, "admin", "", "where to serve the console, /metrics, /healthz, /readyz and /debug/pprof, HOST:PORT; nowhere if it is empty")
	f.StringVar(&o.trace.url, "trace", "", "where to send traces of transactions, with OTLP over HTTP, such as http://127.0.0.1:4318; nowhere if it is empty")
	f.Float64Var(&o.trace.share, "trace-share", 0.001, "which share of the transactions is traced, from 0 to 1")
	f.DurationVar(&o.drainTimeout, "drain-timeout", 10*time.Second, "how long the lead may take to be handed over, and clients to be answered, at the end")
	f.StringVar(&o.logFormat, "log-format", "text", "of the log on the standard error output: text or json")
	f.StringVar(&o.logLevel, "log-level", "info", "the least that is logged: debug, info, warn or error")
	f.StringVar(&o.config, configFlag, "", "a file with settings")
	f.BoolVar(&o.printConfig, "print-config", false, "write the settings that are in force, as such a file, and end")
	f.BoolVar(&o.withParent, "with-parent", false, "end when the standard input does")
	_ = f.MarkHidden("with-parent") // it is there

	f = group("Security")
	f.StringVar(&o.password, "requirepass", "", "the password of the user default, until ACL SETUSER changes it; better in the environment or the file")
	f.BoolVar(&o.insecure, "insecure", false, "let clients and operators in from beyond this machine without authentication")
	f.StringVar(&o.tls.cert, "tls-cert", "", "file of the certificate that clients and other nodes see, PEM; it is read again when it changes, and on SIGHUP")
	f.StringVar(&o.tls.key, "tls-key", "", "file of its key")
	f.StringVar(&o.tls.ca, "tls-ca", "", "file of the authorities that the certificates of clients and nodes must be from; without it clients need none")

	f = group("Data")
	f.StringVar(&o.durability, "durability", godwit.DurabilityDisk.String(), "when a reply is sent: disk (what it rests on is synced), background, or memory (replicas only)")
	f.DurationVar(&o.syncInterval, "sync-interval", godwit.DefaultSyncInterval, "how often the log is synced with --durability background")
	f.Int64Var(&o.memoryMiB, "memory", 0, "limit of the data's memory in MiB; 0 is three quarters of the machine's")
	f.IntVar(&o.workers, "workers", 0, fmt.Sprintf("transactions that commit at a time; 0 is one per processor, here %d", runtime.GOMAXPROCS(0)))
	f.Int64Var(&o.checkpointMiB, "checkpoint", godwit.DefaultCheckpointBytes>>20, "MiB of log after which a checkpoint is made; negative: never")
	f.Int64Var(&o.logSegmentMiB, "log-segment", godwit.DefaultLogSegmentBytes>>20, "size of the log's files in MiB")

	c := &o.cluster
	f = group("Replicas")
	f.Uint32Var(&c.node, "node", 0, "number of this node, from 1; 0 for a database that is alone")
	f.StringVar(&c.id, "cluster", "", "id of the cluster: 32 hexadecimal digits, the same on all nodes")
	f.StringSliceVar(&c.peers, "peers", nil, "where the nodes find each other, NODE=HOST:PORT, this one among them")
	f.StringVar(&c.secret, "cluster-secret", "", "what nodes that forward requests prove themselves with, the same on all; better in the environment or the file")
	f.BoolVar(&c.join, "join", false, "this node is new in a cluster that exists; godwit members add makes it a member")
	f.BoolVar(&c.refill, "refill", false, "if this node's checkpoint is damaged, get another node's")
	f.BoolVar(&c.giveUp, "give-up-lost", false, "vote at once though this node may have lost what it acknowledged in memory: for after a majority was killed at one time")
	f.StringVar(&c.advertise, "advertise", "", "where clients and other nodes reach this one's port for clients; --listen if it is empty")
	f.DurationVar(&c.leaderWait, "leader-wait", server.DefaultLeaderWait, "how long requests wait while no node leads; then they are refused at once until one does")
	f.BoolVar(&c.redirect, "redirect", false, "answer MOVED if another node leads, for clients that follow it, instead of forwarding")
	f.Uint32Var(&c.preferred, "preferred", 0, "number of the node that leads when it can; 0 for none")
	f.DurationVar(&c.election, "election-timeout", godwit.DefaultElectionTimeout, "how long a node that follows hears nothing from the leader before it wants to lead")
	f.StringVar(&c.tls.cert, "node-tls-cert", "", "file of this node's certificate, which bears its name (node-1 for node 1), for connections between nodes")
	f.StringVar(&c.tls.key, "node-tls-key", "", "file of its key")
	f.StringVar(&c.tls.ca, "node-tls-ca", "", "file of the authorities that sign the nodes' certificates")
}

// logger returns the log of a server.
func (o *serveConfig) logger(out io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level is %q, not debug, info, warn or error", o.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch o.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(out, opts)), nil
	case "json":
		opts.ReplaceAttr = readable
		return slog.New(slog.NewJSONHandler(out, opts)), nil
	}
	return nil, fmt.Errorf("--log-format is %q, not text or json", o.logFormat)
}

// readable gives a time that passes its unit, and an address its usual form, in JSON as in text.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case time.Duration:
		a.Value = slog.StringValue(v.String())
	case net.Addr:
		a.Value = slog.StringValue(v.String())
	}
	return a
}

// options returns the options of the database.
func (o *serveConfig) options(log *slog.Logger) (*godwit.Options, error) {
	opts := &godwit.Options{
		Logger: log, MemoryLimit: mebibytes(o.memoryMiB), Workers: o.workers, SyncInterval: o.syncInterval,
		CheckpointBytes: mebibytes(o.checkpointMiB), LogSegmentBytes: mebibytes(o.logSegmentMiB),
	}
	switch o.durability {
	case godwit.DurabilityDisk.String():
	case godwit.DurabilityBackground.String():
		opts.Durability = godwit.DurabilityBackground
	case godwit.DurabilityMemory.String():
		opts.Durability = godwit.DurabilityMemory
	default:
		return nil, fmt.Errorf("--durability is %q, not disk, background or memory", o.durability)
	}
	cluster, err := o.cluster.options()
	opts.Cluster = cluster
	return opts, errors.Join(err, opts.Validate())
}

// options returns who a node is; nil if it is alone.
func (c *clusterConfig) options() (*godwit.Cluster, error) {
	if c.node == 0 {
		for flag, given := range map[string]bool{"--cluster": c.id != "", "--peers": len(c.peers) > 0, "--join": c.join, "--node-tls-cert": c.tls.cert != ""} {
			if given {
				return nil, fmt.Errorf("%s is of no use without --node", flag)
			}
		}
		return nil, nil
	}
	id, err := godwit.ParseClusterID(c.id)
	if err != nil {
		return nil, fmt.Errorf("--cluster: %w", err)
	}
	o := &godwit.Cluster{
		ID: id, Node: godwit.NodeID(c.node), Join: c.join, Refill: c.refill, GiveUpLost: c.giveUp, Preferred: godwit.NodeID(c.preferred),
		ElectionTimeout: c.election, Peers: map[godwit.NodeID]string{},
	}
	for _, peer := range c.peers {
		id, addr, err := parsePeer(peer)
		if err != nil {
			return nil, fmt.Errorf("--peers: %w", err)
		}
		o.Peers[id] = addr
	}
	o.TLS, err = c.tls.load()
	return o, err
}

// parsePeer reads NODE=HOST:PORT.
func parsePeer(text string) (id godwit.NodeID, addr string, err error) {
	number, addr, ok := strings.Cut(text, "=")
	id, err = parseNode(number)
	if err != nil || !ok || !strings.Contains(addr, ":") {
		return 0, "", fmt.Errorf("%q is not NODE=HOST:PORT", text)
	}
	return id, addr, nil
}
