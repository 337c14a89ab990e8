package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// latencySamplesMax is how many samples the latency monitor keeps of an event: the newest.
const latencySamplesMax = 160

// The events that the latency monitor knows.
const (
	slowCommand     = "command"
	slowFastCommand = "fast-command"
	slowExpiry      = "expire-cycle"
)

// latencyMonitor notes when something took at least as long as latency-monitor-threshold says.
type latencyMonitor struct {
	mu     sync.Mutex
	events map[string]*latencyEvent
}

type latencyEvent struct {
	samples []latencySample // the oldest first
	max     int64           // ever, in milliseconds
}

type latencySample struct{ second, ms int64 }

// slow notes that an event took so long, if that is much.
func (s *Server) slow(event string, took time.Duration) {
	threshold := s.config.latencyThreshold.Load()
	if ms := took.Milliseconds(); threshold > 0 && ms >= threshold {
		s.latency.add(event, latencySample{time.Now().Unix(), ms})
	}
}

// add keeps a sample, of those of one second only the longest.
func (m *latencyMonitor) add(event string, sample latencySample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.events[event]
	if e == nil {
		e = &latencyEvent{}
		m.events[event] = e
	}
	e.max = max(e.max, sample.ms)
	if n := len(e.samples); n > 0 && e.samples[n-1].second == sample.second {
		e.samples[n-1].ms = max(e.samples[n-1].ms, sample.ms)
		return
	}
	if len(e.samples) == latencySamplesMax {
		e.samples = slices.Delete(e.samples, 0, 1)
	}
	e.samples = append(e.samples, sample)
}

func latencyCommands() []connectionCommand {
	const admin = command.Admin | command.NoScript
	return []connectionCommand{
		entry("latency|help", "server", 2, 0, help(
			"DOCTOR", "    Tells what took long.",
			"HISTOGRAM [<command> ...]", "    Returns how long the calls of commands took, of all by default.",
			"HISTORY <event>", "    Returns the samples of an event: second and milliseconds.",
			"LATEST", "    Returns the events that were sampled: the last second, its milliseconds, and the most ever.",
			"RESET [<event> ...]", "    Removes samples, of all events by default, and returns of how many events.",
		)),
		entry("latency|doctor", "server", 2, admin, (*conn).latencyDoctor),
		entry("latency|histogram", "server", -2, admin, (*conn).latencyHistogram),
		entry("latency|history", "server", 3, admin, (*conn).latencyHistory),
		entry("latency|latest", "server", 2, admin, (*conn).latencyLatest),
		entry("latency|reset", "server", -2, admin, (*conn).latencyReset),
	}
}

func (c *conn) latencyHistory(_ *command.Command, args [][]byte) error {
	m := &c.server.latency
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.events[string(args[2])]
	if e == nil {
		c.out.Array(0)
		return nil
	}
	c.out.Array(len(e.samples))
	for _, s := range e.samples {
		c.out.Array(2)
		c.out.Int(s.second)
		c.out.Int(s.ms)
	}
	return nil
}

func (c *conn) latencyLatest(*command.Command, [][]byte) error {
	m := &c.server.latency
	m.mu.Lock()
	defer m.mu.Unlock()
	c.out.Array(len(m.events))
	for _, name := range slices.Sorted(maps.Keys(m.events)) {
		e := m.events[name]
		last := e.samples[len(e.samples)-1]
		c.out.Array(4)
		c.out.BulkString(name)
		c.out.Int(last.second)
		c.out.Int(last.ms)
		c.out.Int(e.max)
	}
	return nil
}

func (c *conn) latencyReset(_ *command.Command, args [][]byte) error {
	m := &c.server.latency
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.events)
	if len(args) == 2 {
		clear(m.events)
	}
	for _, name := range args[2:] {
		delete(m.events, string(name))
	}
	c.out.Int(int64(before - len(m.events)))
	return nil
}

func (c *conn) latencyDoctor(*command.Command, [][]byte) error {
	threshold := c.server.config.latencyThreshold.Load()
	m := &c.server.latency
	m.mu.Lock()
	defer m.mu.Unlock()
	var text strings.Builder
	switch {
	case threshold == 0:
		text.WriteString("Events are not watched: CONFIG SET latency-monitor-threshold says from how many milliseconds on they are.\n")
	case len(m.events) == 0:
		fmt.Fprintf(&text, "Nothing that is watched took %d ms or longer.\n", threshold)
	}
	for _, name := range slices.Sorted(maps.Keys(m.events)) {
		e := m.events[name]
		sum := int64(0)
		for _, s := range e.samples {
			sum += s.ms
		}
		fmt.Fprintf(&text, "%s: in %d seconds, %d ms on average, %d ms at most.\n", name, len(e.samples), sum/int64(len(e.samples)), e.max)
	}
	text.WriteString("INFO latencystats tells percentiles by command, SLOWLOG GET what took long.\n")
	c.out.Verbatim("txt", text.String())
	return nil
}

// latencyHistogram replies with how many calls took at most so many microseconds. Commands that are not known or were
// not called are left out.
func (c *conn) latencyHistogram(_ *command.Command, args [][]byte) error {
	asked := c.server.shared.Table.Numbered()
	if len(args) > 2 {
		asked = nil
		for _, name := range args[2:] {
			if cmd := c.named(name); cmd != nil {
				asked = append(append(asked, cmd), subcommands(cmd)...)
			}
		}
	}
	var called []*command.Command
	var figures []commandFigures
	for _, cmd := range asked {
		if f := c.server.stats.figures(cmd); f.calls > 0 {
			called, figures = append(called, cmd), append(figures, f)
		}
	}
	c.out.Map(len(called))
	for i, cmd := range called {
		f := &figures[i]
		c.out.BulkString(cmd.Name)
		c.out.Map(2)
		c.out.BulkString("calls")
		c.out.Int(int64(f.calls)) //nolint:gosec // it is a count
		c.out.BulkString("histogram_usec")
		used := 0
		for _, n := range f.took {
			if n > 0 {
				used++
			}
		}
		c.out.Map(used)
		sum := uint64(0)
		for b, n := range f.took {
			if sum += n; n > 0 {
				c.out.Int(1 << b)
				c.out.Int(int64(sum)) //nolint:gosec // it is a count
			}
		}
	}
	return nil
}
