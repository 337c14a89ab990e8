//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"
)

// testCollector takes traces as they come over the network.
type testCollector struct {
	mu    sync.Mutex
	spans []*spans.Span
	wrong []error
}

func (c *testCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err == nil && r.URL.Path != "/v1/traces" {
		err = fmt.Errorf("traces are sent to %s", r.URL.Path)
	}
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// TestTraces: a node sends the lives of its transactions, in their order, to a collector.
func TestTraces(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), nodesTimeout)
	defer cancel()
	var got testCollector
	at := httptest.NewServer(&got)
	defer at.Close()
	dir, addrs := t.TempDir(), freeAddrs(t, 2)
	p := startProcess(t, ctx, "serve", "--with-parent", "--dir", filepath.Join(dir, "data"), "--memory", "64", "--listen", addrs[0], "--log-format", "json",
		"--node", "1", "--cluster", "0123456789abcdef0123456789abcdef", "--peers", "1="+addrs[1], "--trace", at.URL, "--trace-share", "1")
	p.await(t, "serving")
	go p.drain()
	c, err := remote.Dial(ctx, addrs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 20 {
		if _, err := c.Do(ctx, "INCR", "visits"); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	for _, err := range got.wrong {
		t.Error(err)
	}
	parts := map[string]map[string]*spans.Span{} // of transactions, by name
	transactions := 0
	for _, s := range got.spans {
		if s.GetName() == "transaction" {
			transactions++
			continue
		}
		of := string(s.GetParentSpanId())
		if parts[of] == nil {
			parts[of] = map[string]*spans.Span{}
		}
		parts[of][s.GetName()] = s
	}
	if transactions < 20 {
		t.Errorf("%d transactions are traced", transactions)
	}
	whole := 0
	for _, of := range parts {
		execute, durable, release := of["execute"], of["durable"], of["release"]
		if execute == nil || durable == nil || release == nil {
			continue // it has only read
		}
		whole++
		if execute.GetEndTimeUnixNano() != durable.GetStartTimeUnixNano() || durable.GetEndTimeUnixNano() != release.GetStartTimeUnixNano() || release.GetStartTimeUnixNano() > release.GetEndTimeUnixNano() {
			t.Errorf("the parts do not follow one another: %v", of)
		}
	}
	if whole < 20 {
		t.Errorf("%d transactions were executed, durable and released", whole)
	}
}
