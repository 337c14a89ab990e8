package server

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/resp"
)

func TestLatencyMonitor(t *testing.T) {
	c := dial(t, newTestServer(t, nil))
	c.answers("OK", "CONFIG", "SET", "latency-monitor-threshold", "1")
	c.answers("1", "EVAL", "local x = 0 for i = 1, 300000 do x = x + i end return 1", "0")
	c.send("LATENCY", "LATEST")
	if got := c.receive(); !strings.HasPrefix(got, `[["command" `) {
		t.Errorf("after a script that took long, LATENCY LATEST replies %s", got)
	}
	c.send("LATENCY", "HISTORY", "command")
	if got := c.receive(); strings.Count(got, "[") < 2 {
		t.Errorf("LATENCY HISTORY replies %s", got)
	}
	c.send("LATENCY", "DOCTOR")
	if got := c.receive(); !strings.Contains(got, "command: in ") {
		t.Errorf("LATENCY DOCTOR replies %s", got)
	}
	c.answers("1", "LATENCY", "RESET", "command")
	c.answers("[]", "LATENCY", "HISTORY", "command")
}

func TestLatencySamples(t *testing.T) {
	m := latencyMonitor{events: map[string]*latencyEvent{}}
	m.add("e", latencySample{1, 5})
	m.add("e", latencySample{1, 9})
	m.add("e", latencySample{1, 7})
	if e := m.events["e"]; len(e.samples) != 1 || e.samples[0].ms != 9 || e.max != 9 {
		t.Errorf("samples of one second became %+v", e)
	}
	for second := range int64(2 * latencySamplesMax) {
		m.add("e", latencySample{second + 2, 1})
	}
	if e := m.events["e"]; len(e.samples) != latencySamplesMax || e.samples[latencySamplesMax-1].second != 2*latencySamplesMax+1 || e.max != 9 {
		t.Errorf("%d samples are kept, of at most %d ms", len(e.samples), e.max)
	}
}

func TestLatencyHistogramCounts(t *testing.T) {
	c := dial(t, newTestServer(t, nil))
	c.answers("OK", "SET", "a", "1")
	c.answers("OK", "SET", "b", "1")
	c.answers("1", "CLIENT", "ID")
	c.send("LATENCY", "HISTOGRAM", "nosuch", "set", "client")
	got := c.receive()
	for _, want := range []string{`["set" ["calls" 2 "histogram_usec" [`, `"client|id" ["calls" 1 "histogram_usec" [`} {
		if !strings.Contains(got, want) {
			t.Errorf("LATENCY HISTOGRAM replies %s, without %s", got, want)
		}
	}
}

func TestIdleClientsAreDisconnected(t *testing.T) {
	addr := newTestServer(t, nil)
	waits, subscriber, idle := dial(t, addr), dial(t, addr), dial(t, addr)
	waits.send("BLPOP", "list", "0")
	subscriber.answers(`["subscribe" "channel" 1]`, "SUBSCRIBE", "channel")
	idle.answers("OK", "CONFIG", "SET", "timeout", "1")
	if _, err := resp.ReadReply(idle.in, resp.ReplyLimits{}); !errors.Is(err, io.EOF) {
		t.Fatalf("an idle client got %v", err)
	}
	other := dial(t, addr)
	other.answers("OK", "CONFIG", "SET", "timeout", "0")
	subscriber.answers(`["unsubscribe" "channel" 0]`, "UNSUBSCRIBE", "channel")
	other.answers("1", "RPUSH", "list", "item")
	if got := waits.receive(); got != `["list" "item"]` {
		t.Errorf("a client that waited longer than others may be idle got %s", got)
	}
	waits.answers("PONG", "PING")
}
