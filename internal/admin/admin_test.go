package admin

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/godwitprom"
	"github.com/godwitdb/godwit/internal/console"
	"github.com/godwitdb/godwit/internal/server"
)

func TestAdmin(t *testing.T) {
	metrics := godwitprom.New("test")
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	metrics.Watch(db)
	s, err := server.New(server.Options{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(clients) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		metrics.Watch(nil)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", clients.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "SET a 1\r\nGET a\r\nGET a\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, len("+OK\r\n$1\r\n1\r\n$1\r\n1\r\n"))); err != nil {
		t.Fatal(err)
	}

	pages := console.New(s, console.Options{Open: true})
	defer pages.Close()
	handler, err := newHandler(Options{Server: s, Database: metrics, Logger: slog.New(slog.DiscardHandler)}, pages)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n", "/debug/pprof/cmdline": "admin"} {
		if code, body := get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	code, body := get("/metrics")
	if code != http.StatusOK {
		t.Errorf("/metrics: %d", code)
	}
	for _, want := range []string{
		`godwit_server_commands_total{command="get"} 2`, `godwit_server_commands_total{command="set"} 1`, "godwit_server_released_total 3", "godwit_server_command_seconds_count 3",
		`godwit_server_role{role="alone"} 1`, `godwit_server_role{role="leader"} 0`, "godwit_server_clients ", "godwit_server_ready 1", "godwit_server_watermark_seconds 1.", `godwit_transactions_committed_total{db="test"}`, "go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	known(t, body)
}

// metricName is what a name of ours looks like in what is beside the code.
var metricName = regexp.MustCompile(`\bgodwit_[a-z_]+`)

// known demands that the dashboard and the alerts know only metrics that there are.
func known(t *testing.T, metrics string) {
	t.Helper()
	for _, file := range []string{"grafana.json", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		names := metricName.FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s has no metric", file)
		}
		for _, name := range names {
			if !strings.Contains(metrics, "\n"+name+"{") && !strings.Contains(metrics, "\n"+name+" ") {
				t.Errorf("%s has %s, which nobody counts", file, name)
			}
		}
	}
}

func TestUnready(t *testing.T) {
	for want, s := range map[string]server.Status{
		"":                          {Role: server.RoleFollower, LeaderAt: "a:1"},
		"no leader is known":        {Role: server.RoleFollower},
		"the node is learner":       {Role: server.RoleLearner, LeaderAt: "a:1"},
		"the log has failed: why":   {Role: server.RoleLeader, LogFailed: "why"},
		"the node is being stopped": {Role: server.RoleLeader, Draining: true},
	} {
		if got := unready(s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}
