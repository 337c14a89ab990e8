package server

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// config is what CONFIG SET changes. It lasts as long as the server.
type config struct {
	clientsMax       atomic.Int64
	clientsMemory    atomic.Int64 // bytes; 0: no limit
	bulkBytesMax     atomic.Int64 // of an argument
	idleSeconds      atomic.Int64 // after which clients are disconnected; 0: never
	slowerThan       atomic.Int64 // microseconds from which the slow log notes a command; negative: none
	slowlogMax       atomic.Int64
	notify           atomic.Pointer[notifyFlags]
	latencyThreshold atomic.Int64 // milliseconds from which the latency monitor notes an event; 0: never
	latencyTracking  atomic.Bool
	percentiles      atomic.Pointer[[]float64]

	listCompressDepth, listNodeSize atomic.Int64 // what Redis tunes its lists with
}

func (g *config) init(clientsMax int, clientsMemory int64) {
	g.clientsMax.Store(int64(clientsMax))
	g.bulkBytesMax.Store(resp.DefaultBulkBytesMax)
	g.clientsMemory.Store(clientsMemory)
	g.slowerThan.Store(10_000)
	g.slowlogMax.Store(128)
	g.listNodeSize.Store(-2)
	g.notify.Store(new(notifyFlags))
	g.latencyTracking.Store(true)
	g.percentiles.Store(&[]float64{50, 99, 99.9})
}

func yesNo(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

func setLatencyTracking(s *Server, value string) (func(), error) {
	on := strings.EqualFold(value, "yes")
	if !on && !strings.EqualFold(value, "no") {
		return nil, command.Error("argument must be 'yes' or 'no'")
	}
	return func() { s.config.latencyTracking.Store(on) }, nil
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func getPercentiles(s *Server) string {
	var list []string
	for _, p := range *s.config.percentiles.Load() {
		list = append(list, formatFloat(p))
	}
	return strings.Join(list, " ")
}

func setPercentiles(s *Server, value string) (func(), error) {
	var list []float64
	for _, word := range strings.Fields(value) {
		p, err := strconv.ParseFloat(word, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return nil, command.Error("latency-tracking-info-percentiles should consist of numbers between 0.0 and 100.0")
		}
		list = append(list, p)
	}
	return func() { s.config.percentiles.Store(&list) }, nil
}

func setNotify(s *Server, value string) (func(), error) {
	f, ok := parseNotifyFlags(value)
	if !ok {
		return nil, command.Error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
	}
	return func() { s.setNotifyFlags(&f) }, nil
}

func configCommands() []connectionCommand {
	const admin = command.Admin | command.NoScript
	return []connectionCommand{
		entry("config|help", "server", 2, 0, help(
			"GET <pattern> [...]", "    Returns parameters whose names fit, with their values.",
			"SET <parameter> <value> [...]", "    Changes parameters, until the server ends.",
			"RESETSTAT", "    Begins to count anew.",
			"REWRITE", "    Fails: there is no file of the configuration.",
		)),
		entry("config|get", "server", -3, admin, (*conn).configGet),
		entry("config|set", "server", -4, admin, (*conn).configSet),
		entry("config|resetstat", "server", 2, admin, (*conn).configResetStat),
		entry("config|rewrite", "server", 2, admin, (*conn).configRewrite),
	}
}

func (c *conn) configGet(_ *command.Command, args [][]byte) error {
	var found []string
	for name := range c.server.parameters {
		for _, pattern := range args[2:] {
			if command.Match([]byte(strings.ToLower(string(pattern))), []byte(name)) {
				found = append(found, name)
				break
			}
		}
	}
	slices.Sort(found)
	c.out.Map(len(found))
	for _, name := range found {
		c.out.BulkString(name)
		c.out.BulkString(c.server.parameters[name].get(c.server))
	}
	return nil
}

// configSet changes all the parameters or none.
func (c *conn) configSet(_ *command.Command, args [][]byte) error {
	if len(args)%2 != 0 {
		return command.ErrSyntax
	}
	failed := func(name []byte, why string) error {
		return command.Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - %s", strings.ToLower(string(name)), why)
	}
	seen := map[string]bool{}
	for i := 2; i < len(args); i += 2 {
		name := strings.ToLower(string(args[i]))
		if _, ok := c.server.parameters[name]; !ok {
			return command.Errorf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", args[i])
		}
		if seen[name] {
			return failed(args[i], "duplicate parameter")
		}
		seen[name] = true
	}
	var apply []func()
	for i := 2; i < len(args); i += 2 {
		p, value := c.server.parameters[strings.ToLower(string(args[i]))], string(args[i+1])
		if p.set == nil {
			if value != p.get(c.server) {
				return failed(args[i], "can't set immutable config")
			}
			continue
		}
		do, err := p.set(c.server, value)
		if err != nil {
			return failed(args[i], err.Error())
		}
		apply = append(apply, do)
	}
	for _, do := range apply {
		do()
	}
	c.out.OK()
	return nil
}

func (c *conn) configResetStat(*command.Command, [][]byte) error {
	c.server.stats.reset()
	c.out.OK()
	return nil
}

func (c *conn) configRewrite(*command.Command, [][]byte) error {
	return command.Error("ERR The server is running without a config file")
}
