package godwitotel_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/godwitotel"
)

// TestTracer: a transaction is a span with one for each part of its life, one after the other.
func TestTracer(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	db, err := godwit.Open(t.TempDir(), &godwit.Options{MemoryLimit: 64 << 20, Tracer: godwitotel.New(provider, 0)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	table, err := db.CreateTable(t.Context(), "t", godwit.Ordered)
	if err != nil {
		t.Fatal(err)
	}
	put := func(tx *godwit.Tx) error { return tx.Put(table, []byte("k"), []byte("v")) }
	if err := db.Update(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("no share is to be followed, and %d spans are there", len(got))
	}
	ctx, parent := provider.Tracer("test").Start(t.Context(), "caller")
	if err := db.Update(ctx, put); err != nil {
		t.Fatal(err)
	}
	expect(t, spans, parent, "execute", "durable", "release")
	p, err := db.UpdateAsync(ctx, put)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	expect(t, spans, parent, "execute", "durable", "release")
	read := func(tx *godwit.Tx) error { _, err := tx.Get(table, []byte("k")); return err }
	if err := db.Update(ctx, read); err != nil {
		t.Fatal(err)
	}
	expect(t, spans, parent, "execute", "release")
	mine := errors.New("mine")
	if err := db.Update(ctx, func(*godwit.Tx) error { return mine }); !errors.Is(err, mine) {
		t.Fatal(err)
	}
	if root := expect(t, spans, parent); root.Status.Code != codes.Error || root.Status.Description != "mine" {
		t.Errorf("the span of one that failed says %v", root.Status)
	}
	unsampled := trace.ContextWithSpanContext(context.Background(), parent.SpanContext().WithTraceFlags(0))
	if err := db.Update(unsampled, put); err != nil {
		t.Fatal(err)
	}
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("below a span that is not sampled are %d", len(got))
	}
}

// expect demands the span of one transaction with these parts, and forgets them.
func expect(t *testing.T, spans *tracetest.InMemoryExporter, parent trace.Span, parts ...string) tracetest.SpanStub {
	t.Helper()
	got := spans.GetSpans()
	spans.Reset()
	if len(got) != len(parts)+1 {
		t.Fatalf("%d spans, want the transaction's and %q", len(got), parts)
	}
	root := got[len(got)-1]
	if root.Name != "transaction" || root.Parent.SpanID() != parent.SpanContext().SpanID() {
		t.Errorf("the last span is %s below %v", root.Name, root.Parent.SpanID())
	}
	var names []string
	at := root.StartTime
	for _, s := range got[:len(got)-1] {
		names = append(names, s.Name)
		if s.Parent.SpanID() != root.SpanContext.SpanID() || !s.StartTime.Equal(at) || s.EndTime.Before(at) || s.EndTime.After(root.EndTime) {
			t.Errorf("%s is from %v to %v, that of the transaction from %v to %v", s.Name, s.StartTime, s.EndTime, root.StartTime, root.EndTime)
		}
		at = s.EndTime
	}
	if !slices.Equal(names, parts) {
		t.Errorf("the parts are %q, want %q", names, parts)
	}
	return root
}
