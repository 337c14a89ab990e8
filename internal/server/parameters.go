package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// parameter is one of the configuration. One that cannot be set takes the value that it has, and no other.
type parameter struct {
	get func(*Server) string
	// set checks a value and returns what makes it take effect.
	set func(s *Server, value string) (apply func(), err error)
}

const (
	// slowlogLenMax bounds slowlog-max-len.
	slowlogLenMax = 100_000
	// bulkBytesMaxLeast is the least proto-max-bulk-len, as in Redis.
	bulkBytesMaxLeast = 1 << 20
)

// parameters returns those that can be set, and those that clients and their tools ask for.
func parameters() map[string]parameter {
	clientsMax := func(s *Server) *atomic.Int64 { return &s.config.clientsMax }
	busy := parameter{get: func(s *Server) string { return fmt.Sprint(s.shared.Scripts.Busy().Milliseconds()) }, set: setBusy}
	bound := func(s *Server) string { return strings.Join(s.hosts(), " ") }
	list := map[string]parameter{
		"maxclients":                        number(clientsMax, 1, math.MaxInt32),
		"timeout":                           number(func(s *Server) *atomic.Int64 { return &s.config.idleSeconds }, 0, math.MaxInt32),
		"slowlog-log-slower-than":           number(func(s *Server) *atomic.Int64 { return &s.config.slowerThan }, -1, math.MaxInt64),
		"slowlog-max-len":                   number(func(s *Server) *atomic.Int64 { return &s.config.slowlogMax }, 0, slowlogLenMax),
		"proto-max-bulk-len":                number(func(s *Server) *atomic.Int64 { return &s.config.bulkBytesMax }, bulkBytesMaxLeast, resp.DefaultBulkBytesMax),
		"notify-keyspace-events":            {get: func(s *Server) string { return s.config.notify.Load().String() }, set: setNotify},
		"latency-monitor-threshold":         number(func(s *Server) *atomic.Int64 { return &s.config.latencyThreshold }, 0, math.MaxInt64),
		"tracking-table-max-keys":           {get: func(s *Server) string { return fmt.Sprint(s.tracking.keysMax.Load()) }, set: setTrackedKeys},
		"latency-tracking":                  {get: func(s *Server) string { return yesNo(s.config.latencyTracking.Load()) }, set: setLatencyTracking},
		"latency-tracking-info-percentiles": {get: getPercentiles, set: setPercentiles},
		"busy-reply-threshold":              busy,
		"lua-time-limit":                    busy,
		"set-max-intset-entries":            number(func(s *Server) *atomic.Int64 { return &s.shared.Encodings.SetInts }, 0, math.MaxInt32),

		"bind":              {get: bound},
		"cluster-enabled":   {get: func(s *Server) string { return yesNo(s.opts.Redirect) }},
		"port":              {get: func(s *Server) string { return fmt.Sprint(s.port()) }},
		"hz":                {get: func(*Server) string { return fmt.Sprint(int64(time.Second / maintainEvery)) }},
		"maxmemory-clients": clientsMemory(),
		"maxmemory":         {get: func(s *Server) string { return fmt.Sprint(s.db.Stats().MemoryLimitBytes) }},
		"replicaof":         {get: replicaOf},
		"slaveof":           {get: replicaOf},
	}
	for _, kind := range []struct {
		name                string
		entries, valueBytes func(*Server) *atomic.Int64
	}{
		{"hash", func(s *Server) *atomic.Int64 { return &s.shared.Encodings.HashEntries }, func(s *Server) *atomic.Int64 { return &s.shared.Encodings.HashValueBytes }},
		{"zset", func(s *Server) *atomic.Int64 { return &s.shared.Encodings.ZSetEntries }, func(s *Server) *atomic.Int64 { return &s.shared.Encodings.ZSetValueBytes }},
	} {
		for _, old := range []string{"listpack", "ziplist"} {
			list[kind.name+"-max-"+old+"-entries"] = number(kind.entries, 0, math.MaxInt32)
			list[kind.name+"-max-"+old+"-value"] = number(kind.valueBytes, 0, math.MaxInt32)
		}
	}
	// Lists are kept in another way than Redis does: what tunes that is noted and changes nothing.
	list["list-compress-depth"] = number(func(s *Server) *atomic.Int64 { return &s.config.listCompressDepth }, 0, math.MaxInt32)
	for _, name := range []string{"list-max-listpack-size", "list-max-ziplist-size"} {
		list[name] = number(func(s *Server) *atomic.Int64 { return &s.config.listNodeSize }, math.MinInt32, math.MaxInt32)
	}
	for name, value := range fixedParameters() {
		list[name] = parameter{get: func(*Server) string { return value }}
	}
	return list
}

// fixedParameters are those whose values tell how this server is, in Redis's terms.
func fixedParameters() map[string]string {
	return map[string]string{
		"databases":                  fmt.Sprint(keyspace.Databases),
		"client-query-buffer-limit":  fmt.Sprint(resp.DefaultRequestBytesMax),
		"client-output-buffer-limit": fmt.Sprintf("normal 0 0 0 slave 0 0 0 pubsub %d 0 0", pushBytesMax),
		"maxmemory-policy":           "noeviction",
		"maxmemory-samples":          "0", // nothing is evicted
		"save":                       "",
		"appendonly":                 "no",
		"activedefrag":               "no",
		"daemonize":                  "no",
		"supervised":                 "no",
		"io-threads":                 "1",
		"requirepass":                "",
		"tcp-keepalive":              "15",
		"unixsocket":                 "",
		"replica-serve-stale-data":   "yes",
		"replica-read-only":          "no", // commands are forwarded
		"lazyfree-lazy-user-del":     "yes",
		"lazyfree-lazy-user-flush":   "yes",
		"lazyfree-lazy-expire":       "yes",
		"lazyfree-lazy-server-del":   "yes",
	}
}

// replicaOf returns the leader's address as Redis writes it, "" on the leader itself.
func replicaOf(s *Server) string {
	r := s.replication(s.ctx)
	if r.leader == "" {
		return ""
	}
	host, port := hostPort(r.leader)
	return fmt.Sprintf("%s %d", host, port)
}

func setTrackedKeys(s *Server, value string) (func(), error) {
	n, err := parseNumber(value, 0, math.MaxInt32)
	return func() { s.tracking.setKeysMax(n) }, err
}

func setBusy(s *Server, value string) (func(), error) {
	ms, err := parseNumber(value, 0, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	return func() { s.shared.Scripts.SetBusy(time.Duration(ms) * time.Millisecond) }, nil
}

func number(of func(*Server) *atomic.Int64, least, most int64) parameter {
	return parameter{
		get: func(s *Server) string { return strconv.FormatInt(of(s).Load(), 10) },
		set: func(s *Server, value string) (func(), error) {
			n, err := parseNumber(value, least, most)
			if err != nil {
				return nil, err
			}
			return func() { of(s).Store(n) }, nil
		},
	}
}

func parseNumber(value string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, command.Error("argument couldn't be parsed into an integer")
	}
	if n < least || n > most {
		return 0, command.Errorf("argument must be between %d and %d inclusive", least, most)
	}
	return n, nil
}
