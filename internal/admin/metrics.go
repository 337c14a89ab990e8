package admin

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitdb/godwit/internal/server"
)

// collector shows what a server has done, and what its node is.
type collector struct {
	server *server.Server

	commands, released, forwarded, latency                    *prometheus.Desc
	connections, connected, refused                           *prometheus.Desc
	role, epoch, members, watermark, diskFull, damaged, ready *prometheus.Desc
}

func newCollector(s *server.Server) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("godwit_server_"+name, help, labels, nil)
	}
	return &collector{
		server:      s,
		commands:    desc("commands_total", "Commands that were executed here.", "command"),
		released:    desc("released_total", "Commands that were executed here and whose replies were released."),
		forwarded:   desc("forwarded_total", "Commands that the node which leads was asked for."),
		latency:     desc("command_seconds", "Time from when the requests of a batch had come to the release of the replies."),
		connections: desc("connections_total", "Connections of clients that were accepted."),
		connected:   desc("clients", "Clients that are connected."),
		refused:     desc("connections_refused_total", "Connections that were too many."),
		role:        desc("role", "1 for what the node is.", "role"),
		epoch:       desc("epoch", "Leaderships so far."),
		members:     desc("members", "Members of the shard, without learners."),
		watermark:   desc("watermark_seconds", "Up to when the node has everything that is released, in seconds since 1970."),
		diskFull:    desc("disk_full", "1 while the log waits for room on the disk."),
		damaged:     desc("damaged", "1 while a part of the log cannot be read."),
		ready:       desc("ready", "1 while clients are served."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	truth := func(d *prometheus.Desc, is bool, labels ...string) {
		n := 0.0
		if is {
			n = 1
		}
		gauge(d, n, labels...)
	}
	done := c.server.Counters()
	for name, n := range done.Commands {
		counter(c.commands, n, name)
	}
	counter(c.released, done.Released)
	counter(c.forwarded, done.Forwarded)
	counter(c.connections, done.Connections)
	counter(c.refused, done.Refused)
	out <- prometheus.MustNewConstHistogram(c.latency, done.Latency.Count, done.Latency.Seconds, done.Latency.Buckets)

	status := c.server.Status(ctx)
	for _, role := range []server.Role{server.RoleAlone, server.RoleLeader, server.RoleFollower, server.RoleLearner, server.RoleRecovering, server.RoleRemoved} {
		truth(c.role, status.Role == role, string(role))
	}
	gauge(c.connected, float64(status.Clients))
	gauge(c.epoch, float64(status.Epoch))
	gauge(c.members, float64(len(status.Members)))
	gauge(c.watermark, float64(status.ReleasedAt.UnixMilli())/1e3)
	truth(c.diskFull, status.DiskFull)
	truth(c.damaged, status.Damaged != "")
	truth(c.ready, unready(status) == "")
}
