// Package godwitotel shows the lives of a Godwit database's transactions to OpenTelemetry.
//
//	db, err := godwit.Open(dir, &godwit.Options{Tracer: godwitotel.New(provider, 0.01)})
//
// A transaction is a span "transaction", below that of its caller's context if there is one, with a span for each part
// of its life: "execute", from its beginning until it has executed and others see it; "durable", until its own record is durable; and
// "release", until nothing can undo it, which is when its caller hears of it.
package godwitotel

import (
	"context"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/godwitdb/godwit"
)

// Attributes of the span of a transaction.
const (
	// TimestampKey is its place in the serial order.
	TimestampKey = attribute.Key("godwit.timestamp")
	// AttemptsKey is how often it was run: more than once after conflicts.
	AttemptsKey = attribute.Key("godwit.attempts")
)

// Tracer is the godwit.Tracer of a database.
type Tracer struct {
	tracer trace.Tracer
	share  float64
}

// New returns a tracer whose spans provider makes: for all transactions with a parent that is sampled, none with one that is not,
// and for this share, from 0 to 1, of those without a parent.
func New(provider trace.TracerProvider, share float64) *Tracer {
	return &Tracer{provider.Tracer("github.com/godwitdb/godwit/godwitotel"), share}
}

// Follow implements godwit.Tracer.
func (t *Tracer) Follow(ctx context.Context) godwit.Life {
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() {
		if !parent.IsSampled() {
			return nil
		}
	} else if rand.Float64() >= t.share { //nolint:gosec // it is no secret
		return nil
	}
	began := time.Now()
	ctx, span := t.tracer.Start(ctx, "transaction", trace.WithTimestamp(began))
	if !span.IsRecording() {
		return nil
	}
	return &life{ctx: ctx, tracer: t.tracer, span: span, began: began}
}

// life is the span of a transaction. Those of its parts are made at the end, when they are known.
type life struct {
	ctx    context.Context // of the span
	tracer trace.Tracer
	span   trace.Span

	began, executed, durable time.Time // zero if it has not come to that
}

// Executed implements godwit.Life.
func (l *life) Executed(at godwit.Timestamp, attempts int) {
	l.executed, l.durable = time.Now(), time.Time{}
	l.span.SetAttributes(TimestampKey.Int64(int64(at)), AttemptsKey.Int(attempts)) //nolint:gosec // it is below 2^63
}

// Durable implements godwit.Life.
func (l *life) Durable() { l.durable = time.Now() }

// Released implements godwit.Life.
func (l *life) Released(err error) {
	end, last := time.Now(), l.began
	part := func(name string, until time.Time) {
		if until.IsZero() {
			return
		}
		_, span := l.tracer.Start(l.ctx, name, trace.WithTimestamp(last))
		span.End(trace.WithTimestamp(until))
		last = until
	}
	part("execute", l.executed)
	part("durable", l.durable)
	if err == nil {
		part("release", end)
	} else {
		l.span.RecordError(err, trace.WithTimestamp(end))
		l.span.SetStatus(codes.Error, err.Error())
	}
	l.span.End(trace.WithTimestamp(end))
}

var _ godwit.Tracer = (*Tracer)(nil)
