package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/godwitotel"
)

// traceEndTimeout is how long what is left of traces may take to be sent at the end.
const traceEndTimeout = 5 * time.Second

// tracing are traces of transactions, and where they are sent.
type tracing struct {
	url   string // none if it is empty
	share float64
}

// start returns what follows transactions, and what ends that; nil if none is followed.
func (o *tracing) start(ctx context.Context, node uint32, log *slog.Logger) (_ *godwitotel.Tracer, stop func(), err error) {
	if o.url == "" {
		return nil, func() {}, nil
	}
	if u, err := url.Parse(o.url); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, nil, fmt.Errorf("--trace is %q, not http://HOST:PORT or https://HOST:PORT", o.url)
	}
	if o.share < 0 || o.share > 1 {
		return nil, nil, fmt.Errorf("--trace-share is %v, not 0 to 1", o.share)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.url))
	if err != nil {
		return nil, nil, fmt.Errorf("--trace: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "godwit"), attribute.String("service.version", bench.ThisBuild().Version), attribute.Int64("service.instance.id", int64(node)),
	)))
	return godwitotel.New(provider, o.share), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceEndTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last traces are lost", "error", err)
		}
	}, nil
}
