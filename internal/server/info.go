package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
)

// redisVersion is the version of Redis whose commands these are, as clients ask for it.
const redisVersion = "7.0.15"

// lookTimeout is how long INFO waits at most for what it tells of the data on a node that does not lead.
const lookTimeout = time.Second

// garbageShownMax is how far INFO counts removed values whose memory is not free yet.
const garbageShownMax = 10_000

// section is a part of INFO.
type section struct {
	name  string
	extra bool // not in INFO without arguments
	write func(*conn, *infoText)
}

func infoSections() []section {
	return []section{
		{"server", false, (*conn).infoServer},
		{"clients", false, (*conn).infoClients},
		{"memory", false, (*conn).infoMemory},
		{"persistence", false, (*conn).infoPersistence},
		{"stats", false, (*conn).infoStats},
		{"replication", false, (*conn).infoReplication},
		{"cpu", false, (*conn).infoCPU},
		{"modules", false, func(*conn, *infoText) {}},
		{"commandstats", true, (*conn).infoCommands},
		{"errorstats", false, (*conn).infoErrors},
		{"latencystats", true, (*conn).infoLatency},
		{"cluster", false, (*conn).infoCluster},
		{"keyspace", false, (*conn).infoKeyspace},
	}
}

// infoText is the text of INFO.
type infoText struct{ strings.Builder }

func (t *infoText) add(name string, value any) { fmt.Fprintf(t, "%s:%v\r\n", name, value) }

// bytes adds a number of bytes, and once more for people.
func (t *infoText) bytes(name string, n int64) {
	t.add(name, n)
	f, units := float64(n), "BKMGT"
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		t.add(name+"_human", fmt.Sprintf("%dB", n))
		return
	}
	t.add(name+"_human", fmt.Sprintf("%.2f%c", f, units[i]))
}

// info replies with the sections that are asked for.
func (c *conn) info(_ *command.Command, args [][]byte) error {
	asked := map[string]bool{}
	var usual, all bool
	for _, a := range args[1:] {
		switch name := strings.ToLower(string(a)); name {
		case "default":
			usual = true
		case "all", "everything":
			all = true
		default:
			asked[name] = true
		}
	}
	usual = usual || len(args) == 1
	var t infoText
	for _, s := range infoSections() {
		if !asked[s.name] && !all && (!usual || s.extra) {
			continue
		}
		if t.Len() > 0 {
			t.WriteString("\r\n")
		}
		fmt.Fprintf(&t, "# %s\r\n", title(s.name))
		s.write(c, &t)
	}
	c.out.Verbatim("txt", t.String())
	return nil
}

// title writes a section's name as its headline.
func title(name string) string {
	if name == "cpu" {
		return "CPU"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func (c *conn) infoServer(t *infoText) {
	s := c.server
	up := int64(time.Since(s.started).Seconds())
	t.add("redis_version", redisVersion)
	t.add("redis_git_sha1", "00000000") // as in a Redis that was built from its archive
	t.add("redis_git_dirty", 0)
	t.add("godwit_version", cmp.Or(s.opts.Version, "unknown"))
	t.add("redis_mode", c.server.mode())
	t.add("os", runtime.GOOS+" "+runtime.GOARCH)
	t.add("arch_bits", 32<<(^uint(0)>>63))
	t.add("process_id", os.Getpid())
	t.add("run_id", s.runID)
	t.add("tcp_port", s.port())
	t.add("server_time_usec", time.Now().UnixMicro())
	t.add("uptime_in_seconds", up)
	t.add("uptime_in_days", up/(24*60*60))
	t.add("hz", int64(time.Second/maintainEvery))
	t.add("config_file", "")
	t.add("go_version", runtime.Version())
	t.add("goroutines", runtime.NumGoroutine())
}

func (c *conn) infoClients(t *infoText) {
	var blocked, pubsub, in, out int
	clients := c.server.connections()
	for _, o := range clients {
		s := o.shown()
		if o.blocked() || o.away.Load() != nil {
			blocked++
		}
		if s.kind() == "pubsub" {
			pubsub++
		}
		_, waiting := o.outbox.size()
		in, out = max(in, s.inUsed+s.inFree), max(out, waiting)
	}
	t.add("connected_clients", len(clients))
	t.add("cluster_connections", 0)
	t.add("maxclients", c.server.config.clientsMax.Load())
	t.add("client_recent_max_input_buffer", in)
	t.add("client_recent_max_output_buffer", out)
	t.add("blocked_clients", blocked)
	tracking, _, _, _ := c.server.tracking.sizes()
	t.add("tracking_clients", tracking)
	t.add("pubsub_clients", pubsub)
}

func (c *conn) infoMemory(t *infoText) {
	d := c.server.db.Stats()
	heap := int64(command.HeapInUse()) //nolint:gosec // far below 2^63
	t.bytes("used_memory", d.MemoryUsedBytes+heap)
	t.bytes("used_memory_rss", int64(residentBytes())) //nolint:gosec // far below 2^63
	t.add("used_memory_overhead", d.MemoryUsedBytes-d.MemoryLiveBytes+heap)
	t.add("used_memory_dataset", d.MemoryLiveBytes)
	t.add("go_heap", heap)
	t.bytes("maxmemory", d.MemoryLimitBytes)
	t.add("maxmemory_policy", "noeviction")
	t.add("deleted_records", d.DeletedRecords)
	t.add("old_versions", d.OldVersions)
	t.add("mem_allocator", "godwit")
	t.add("number_of_cached_scripts", c.server.shared.Scripts.Known())
	t.add("running_scripts", c.server.shared.Scripts.Running())
	var garbage int
	if c.look(func() (err error) { garbage, err = c.tx.Garbage(garbageShownMax); return err }) == nil {
		t.add("lazyfree_pending_objects", garbage)
	}
}

func (c *conn) infoPersistence(t *infoText) {
	d := c.server.db.Stats()
	running := 0
	if d.Checkpoint.Running {
		running = 1
	}
	status := "ok"
	if c.server.checkpoints.failed() {
		status = "err"
	}
	t.add("loading", 0) // a server serves when its database is open
	t.add("async_loading", 0)
	t.add("rdb_bgsave_in_progress", running)
	t.add("rdb_last_save_time", c.server.lastCheckpoint().Unix())
	t.add("rdb_last_bgsave_status", status)
	t.add("aof_enabled", 0)
	t.add("aof_rewrite_in_progress", 0)
	logStatus := "ok"
	if d.Log.Failed != nil {
		logStatus = "err"
	}
	t.add("aof_last_write_status", logStatus)
	t.add("log_disk_bytes", d.Log.DiskBytes)
	t.add("log_pending_bytes", d.Log.PendingBytes)
	t.add("log_syncs", d.Log.Syncs)
	t.add("checkpoint_bytes", d.Checkpoint.Bytes)
	t.add("checkpoint_records", d.Checkpoint.Records)
}

func (c *conn) infoStats(t *infoText) {
	s := &c.server.stats
	d := c.server.db.Stats()
	channels, patterns, shards := c.server.hub.sizes()
	s.errors.Lock()
	replies := s.errors.total
	s.errors.Unlock()
	t.add("total_connections_received", s.connections.Load())
	t.add("total_commands_processed", s.calls())
	t.add("instantaneous_ops_per_sec", s.ops.perSecond())
	t.add("total_net_input_bytes", s.in.Load())
	t.add("total_net_output_bytes", s.out.Load())
	t.add("rejected_connections", s.rejected.Load())
	t.add("expired_keys", s.expired.Load())
	t.add("evicted_keys", 0)
	t.add("evicted_clients", s.evicted.Load())
	t.add("migrate_cached_sockets", 0)
	t.add("pubsub_channels", channels)
	t.add("pubsub_patterns", patterns)
	t.add("pubsubshard_channels", shards)
	t.add("total_error_replies", replies)
	_, keys, items, prefixes := c.server.tracking.sizes()
	t.add("tracking_total_keys", keys)
	t.add("tracking_total_items", items)
	t.add("tracking_total_prefixes", prefixes)
	t.add("transactions_committed", d.Committed)
	t.add("transactions_conflicts", d.Conflicts)
}

// replication is what a node does in its group.
type replication struct {
	name    string // master or slave, as clients know them
	leader  string // address of the master, "" if this node is it or none is known
	members int    // others
	offset  godwit.Timestamp
}

func (s *Server) replication(ctx context.Context) replication {
	status, err := s.db.Status(ctx)
	if err != nil { // alone
		return replication{name: "master", offset: s.db.Stats().Released}
	}
	r := replication{name: "slave", members: len(status.Members) + len(status.Learners) - 1, offset: status.Released}
	if status.Leading {
		r.name = "master"
	} else if status.Leader != 0 {
		if l := s.lead.Load(); l != nil {
			r.leader = l.addr
		}
	}
	return r
}

func (c *conn) infoReplication(t *infoText) {
	r := c.server.replication(c.ctx)
	t.add("role", r.name)
	if r.name == "slave" {
		host, port := hostPort(r.leader)
		link := "up"
		if r.leader == "" {
			link = "down"
		}
		t.add("master_host", host)
		t.add("master_port", port)
		t.add("master_link_status", link)
		t.add("slave_read_only", 1)
	}
	slaves := 0
	if r.name == "master" {
		slaves = r.members
	}
	t.add("connected_slaves", slaves)
	t.add("master_failover_state", "no-failover")
	t.add("master_replid", c.server.runID)
	t.add("master_repl_offset", uint64(r.offset))
}

func (c *conn) infoCPU(t *infoText) {
	user, system := processCPU()
	t.add("used_cpu_sys", fmt.Sprintf("%.6f", system.Seconds()))
	t.add("used_cpu_user", fmt.Sprintf("%.6f", user.Seconds()))
}

func (c *conn) infoCommands(t *infoText) {
	for _, cmd := range c.server.shared.Table.Numbered() {
		f := c.server.stats.figures(cmd)
		if f.calls == 0 && f.rejected == 0 {
			continue
		}
		each := 0.0
		if f.calls > 0 {
			each = float64(f.micros) / float64(f.calls)
		}
		t.add("cmdstat_"+cmd.Name, fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			f.calls, f.micros, each, f.rejected, f.failed))
	}
}

func (c *conn) infoErrors(t *infoText) {
	s := &c.server.stats
	s.errors.Lock()
	defer s.errors.Unlock()
	for _, code := range slices.Sorted(maps.Keys(s.errors.byCode)) {
		t.add("errorstat_"+code, fmt.Sprintf("count=%d", s.errors.byCode[code]))
	}
}

// infoLatency tells percentiles of the time of calls, as the power of two of microseconds that they are below.
func (c *conn) infoLatency(t *infoText) {
	if !c.server.config.latencyTracking.Load() {
		return
	}
	for _, cmd := range c.server.shared.Table.Numbered() {
		f := c.server.stats.figures(cmd)
		if f.calls == 0 {
			continue
		}
		var parts []string
		for _, p := range *c.server.config.percentiles.Load() {
			parts = append(parts, fmt.Sprintf("p%s=%.3f", formatFloat(p), float64(f.percentile(p))))
		}
		t.add("latency_percentiles_usec_"+cmd.Name, strings.Join(parts, ","))
	}
}

// percentile returns a time in microseconds below which a part of the calls were.
func (f *commandFigures) percentile(p float64) uint64 {
	want := max(uint64(float64(f.calls)*p/100), 1)
	var seen uint64
	for b, n := range f.took {
		if seen += n; seen >= want {
			return 1 << b
		}
	}
	return 0
}

func (c *conn) infoCluster(t *infoText) {
	enabled := 0
	if c.server.opts.Redirect {
		enabled = 1
	}
	t.add("cluster_enabled", enabled)
}

// infoKeyspace counts the keys.
func (c *conn) infoKeyspace(t *infoText) {
	sizes, err := c.keyspaceSizes()
	if err != nil {
		return
	}
	for db, n := range sizes {
		if n.Keys > 0 {
			t.add(fmt.Sprintf("db%d", db), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", n.Keys, n.Expires))
		}
	}
}

func (c *conn) keyspaceSizes() (sizes [keyspace.Databases]keyspace.Size, err error) {
	count := func() error {
		for db := range sizes {
			if sizes[db], err = c.tx.Size(db); err != nil {
				return err
			}
		}
		return nil
	}
	err = c.look(count)
	return sizes, err
}

// look runs fn, which only reads, in the transaction at hand or in one of its own; on a node that does not lead on what that
// has, so that it need not wait for one that does.
func (c *conn) look(fn func() error) error {
	if c.inTx {
		return fn()
	}
	c.flush()
	if l := c.server.lead.Load(); l == nil || l.here {
		_, err := c.attempt(fn)
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, lookTimeout)
	defer cancel()
	space, err := c.server.open(ctx)
	if err != nil {
		return err
	}
	snapshot, err := c.server.db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	return snapshot.View(ctx, func(tx *godwit.Tx) error {
		c.tx.Space, c.tx.DB = space, c.session.DB
		c.tx.Begin(tx, c.server.clock.now())
		return errors.Join(fn(), c.tx.End())
	})
}
