package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServeSettings: the command line goes before the environment, and that before the file.
func TestServeSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "godwit.toml")
	if err := os.WriteFile(file, []byte("listen = \"a:1\"\nlog-level = \"warn\"\nmemory = 100\npeers = [\"1=a:1\", \"2=b:2\"]\nredirect = true\nsync-interval = \"7ms\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODWIT_CONFIG", file)
	t.Setenv("GODWIT_LISTEN", "b:2")
	t.Setenv("GODWIT_LOG_LEVEL", "error")
	t.Setenv("GODWIT_CLUSTER_SECRET", "s3cret")
	out, _ := succeed(t, "serve", "--listen", "c:3", "--print-config")
	for _, want := range []string{"listen = 'c:3'\n", "log-level = 'error'\n", "memory = 100\n", "peers = ['1=a:1', '2=b:2']\n", "redirect = true\n", "sync-interval = '7ms'\n", "# cluster-secret is not shown\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "s3cret") {
		t.Error("the secret is shown")
	}

	// What is printed is a file that gives the same.
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, _ := succeed(t, "serve", "--listen", "c:3", "--print-config"); again != out {
		t.Errorf("from what was printed came\n%s", again)
	}
}

func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, "godwit.toml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct {
		file string
		args []string
		want string
	}{
		{file: "lsten = 'a:1'", want: `there is no setting "lsten"; is it listen?`},
		{file: "colour = 'blue'", want: `there is no setting "colour"; godwit serve --help lists them`},
		{file: "config = 'other'", want: `there is no setting "config"`},
		{file: "listen = 'a:1", want: "godwit.toml:1:"},
		{file: "memory = 'much'", want: "memory: "},
		{file: "memory = 1.5", want: "memory: "},
		{file: "listen = ['a:1']", want: "listen: it is one value, not a list"},
		{file: "peers = [1]", want: "peers: 1 is no string"},
		{args: []string{"--config", filepath.Join(dir, "missing")}, want: "missing"},
		{args: []string{"--durability", "paper"}, want: "--durability is"},
		{args: []string{"--log-level", "loud"}, want: "--log-level is"},
		{args: []string{"--log-format", "xml"}, want: "--log-format is"},
		{args: []string{"--memory", "1"}, want: "MemoryLimit"},
		{args: []string{"--node", "1"}, want: "--cluster: "},
		{args: []string{"--join"}, want: "--join is of no use without --node"},
		{args: []string{"--node", "1", "--cluster", strings.Repeat("0a", 16), "--peers", "x=y"}, want: `--peers: "x=y" is not NODE=HOST:PORT`},
		{args: []string{"--node", "1", "--cluster", strings.Repeat("0a", 16), "--peers", "1=a:1", "--node-tls-ca", "ca.pem"}, want: "are given together"},
		{args: []string{"--trace", "collector:4318"}, want: "--trace is"},
		{args: []string{"--trace", "http://127.0.0.1:1", "--trace-share", "2"}, want: "--trace-share is 2"},
		{args: []string{"--memory", "64", "--listen", "nowhere"}, want: "nowhere"},
		{args: []string{"--memory", "64", "--listen", "127.0.0.1:0", "--admin", "nowhere"}, want: "--admin: "},
		{args: []string{"--memory", "64", "--listen", "0.0.0.0:0"}, want: "--listen 0.0.0.0:0 lets others in"},
		{args: []string{"--memory", "64", "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"}, want: "--admin 0.0.0.0:0 lets others in"},
	} {
		args := append([]string{"serve", "--dir", filepath.Join(dir, "data")}, c.args...)
		if c.file != "" {
			args = append(args, "--config", file(c.file))
		}
		if code, out, errs := execute(t, args...); code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%v %q: exit code %d, want %q\n%s%s", c.args, c.file, code, c.want, out, errs)
		}
	}
}

// TestServeCompletion: shells offer the values of settings that have few.
func TestServeCompletion(t *testing.T) {
	for setting, want := range map[string]string{"durability": "disk\nbackground\nmemory\n", "log-level": "debug\ninfo\nwarn\nerror\n", "log-format": "text\njson\n"} {
		if out, _ := succeed(t, "__complete", "serve", "--"+setting, ""); !strings.HasPrefix(out, want) {
			t.Errorf("--%s is completed to\n%s", setting, out)
		}
	}
}

func TestServeHelp(t *testing.T) {
	out, _ := succeed(t, "serve", "--help")
	for _, want := range []string{"Server:\n      --dir string", "Data:\n", "Replicas:\n", "Exit codes:"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "with-parent") {
		t.Errorf("shown is what is for us only:\n%s", out)
	}
}

// TestServeLogsInJSON: a line has addresses and times as people write them.
func TestServeLogsInJSON(t *testing.T) {
	var out strings.Builder
	log, err := (&serveConfig{logLevel: "info", logFormat: "json"}).logger(&out)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("x", "listen", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6379}, "took", 13*time.Millisecond, "error", errors.New("no"), "n", 3)
	if want := `"msg":"x","listen":"127.0.0.1:6379","took":"13ms","error":"no","n":3}`; !strings.Contains(out.String(), want) {
		t.Errorf("%s has no %s", out.String(), want)
	}
}
