package console

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// requestBytesMax bounds the body of a request.
const requestBytesMax = 1 << 20

// Options configure a Console.
type Options struct {
	// Logger gets what operators should know. Default: nothing is logged.
	Logger *slog.Logger
	// Open lets in everybody from everywhere while the server asks nobody for a password. Default: this machine only.
	Open bool
}

// Console is the handler of a node's pages. Close must follow.
type Console struct {
	source   Source
	log      *slog.Logger
	open     bool
	handler  http.Handler
	sampler  *sampler
	sessions sessions

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New returns the console of a node.
func New(source Source, o Options) *Console {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Console{source: source, log: o.Logger, open: o.Open, sampler: newSampler(source)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.sessions.init()
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is there, or this would not have been built
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("POST /api/login", c.login)
	mux.HandleFunc("POST /api/logout", c.logout)
	mux.Handle("GET /api/session", c.withSession(c.whoAmI))
	mux.Handle("GET /api/live", c.withSession(c.live))
	mux.Handle("GET /api/keys", c.withSession(c.keys))
	mux.Handle("GET /api/key", c.withSession(c.key))
	mux.Handle("POST /api/run", c.withSession(c.run))
	c.handler = guard(mux)
	c.wg.Go(func() { c.sampler.run(c.ctx) })
	return c
}

// Close ends what the console does. Requests that come later fail.
func (c *Console) Close() {
	c.stop()
	c.wg.Wait()
	c.sessions.close()
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// policy is what the page may load: its own files.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard refuses what comes from other sites, and tells browsers to do so.
func guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, requestBytesMax)
		next.ServeHTTP(w, r)
	})
}

// answer sends a value as JSON.
func (c *Console) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		c.log.Debug("a console has gone", "error", err)
	}
}

// refuse answers with an error, in a sentence for the user.
func (c *Console) refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(map[string]string{"error": message}); err != nil {
		c.log.Debug("a console has gone", "error", err)
	}
}

// until returns a context of a request that ends with the console too, after a time at the latest.
func (c *Console) until(r *http.Request, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
