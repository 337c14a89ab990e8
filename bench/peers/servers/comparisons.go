package main

import "context"

// load measures a system that is in use.
type load func(ctx context.Context, s *settings, y *system) (measurement, error)

// comparison is Godwit beside another system.
type comparison struct {
	name   string
	what   string
	rival  string
	ours   starter
	theirs starter
	// our and their load are the same one, as far as the systems' protocols allow.
	ourLoad, theirLoad load
	bar                float64 // times the rival's throughput; 0 for none
}

// comparisons lists all.
func (s *settings) comparisons() []comparison {
	var all []comparison
	for _, c := range []struct {
		name, command      string
		pipeline, requests int
	}{
		{"set-50", "set", 1, 200_000},
		{"get-50", "get", 1, 200_000},
		{"set-50-pipeline", "set", 16, 2_000_000},
		{"get-50-pipeline", "get", 16, 2_000_000},
	} {
		what := "redis-benchmark " + c.command + " -c 50"
		if c.pipeline > 1 {
			what += " -P 16"
		}
		l := redisBenchmark(c.command, 50, c.pipeline, c.requests)
		all = append(all, comparison{name: c.name, what: what + ", background durability", rival: "Redis without persistence",
			ours: s.godwits(1, "background"), theirs: redises(0), ourLoad: l, theirLoad: l, bar: 1})
	}
	for _, c := range []struct {
		name, what  string
		connections int
		requests    int
	}{
		{"synced-50", "redis-benchmark set -c 50, synced", 50, 100_000},
		{"synced-1", "redis-benchmark set -c 1, synced", 1, 15_000},
	} {
		l := redisBenchmark("set", c.connections, 1, c.requests)
		all = append(all, comparison{name: c.name, what: c.what, rival: "Redis, appendfsync always",
			ours: s.godwits(1, "disk"), theirs: redises(0, "--appendonly", "yes", "--appendfsync", "always"), ourLoad: l, theirLoad: l, bar: 1})
	}
	return append(all, s.replicated()...)
}

// replicated lists the comparisons of three replicas.
func (s *settings) replicated() []comparison {
	fifty := puts(50, respClients)
	return []comparison{
		{name: "replicated-memory", what: "SET by 50 clients, in memory on a majority of 3", rival: "Redis, 1 replica, SET + WAIT 1, no persistence",
			ours: s.godwits(3, "memory"), theirs: redises(1), ourLoad: fifty, theirLoad: fifty, bar: 1.5},
		{name: "replicated-disk", what: "SET by 50 clients, synced on a majority of 3", rival: "Redis, 1 replica, SET + WAIT 1, no persistence",
			ours: s.godwits(3, "disk"), theirs: redises(1), ourLoad: fifty, theirLoad: fifty, bar: 1.5},
		{name: "replicated-synced", what: "SET by 50 clients, synced on a majority of 3", rival: "Redis, 1 replica, SET + WAIT 1, both appendfsync always",
			ours: s.godwits(3, "disk"), theirs: redises(1, "--appendonly", "yes", "--appendfsync", "always"), ourLoad: fifty, theirLoad: fifty, bar: 1.5},
		{name: "etcd-50", what: "puts by 50 clients, synced on a majority of 3", rival: "etcd, 3 members",
			ours: s.godwits(3, "disk"), theirs: etcds, ourLoad: fifty, theirLoad: puts(50, etcdClients), bar: 10},
		{name: "etcd-1000", what: "puts by 1,000 clients, synced on a majority of 3", rival: "etcd, 3 members",
			ours: s.godwits(3, "disk"), theirs: etcds, ourLoad: puts(1000, respClients), theirLoad: puts(1000, etcdClients), bar: 10},
		{name: "etcd-50-shared", what: "puts by 50 clients that share connections, synced on a majority of 3", rival: "etcd, 3 members",
			ours: s.godwits(3, "disk"), theirs: etcds, ourLoad: puts(50, sharedClients), theirLoad: puts(50, etcdClients), bar: 10},
		{name: "etcd-1000-shared", what: "puts by 1,000 clients that share connections, synced on a majority of 3", rival: "etcd, 3 members",
			ours: s.godwits(3, "disk"), theirs: etcds, ourLoad: puts(1000, sharedClients), theirLoad: puts(1000, etcdClients), bar: 10},
	}
}
