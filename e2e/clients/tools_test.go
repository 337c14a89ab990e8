package clients

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool runs a program and returns what it prints.
func tool(t *testing.T, dir, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, name), args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// at returns the arguments that send redis-cli and redis-benchmark to the server.
func (s *server) at(t *testing.T, args ...string) []string {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"-h", host, "-p", port}, args...)
}

func TestRedisCLI(t *testing.T) {
	s := start(t)
	cli := func(input string, args ...string) string {
		t.Helper()
		return tool(t, "", input, "redis-cli", s.at(t, append([]string{"--no-auth-warning"}, args...)...)...)
	}
	got := cli("MULTI\nSET a 1\nINCR a\nEXEC\nGET a\n")
	want(t, got, nil, "OK\nQUEUED\nQUEUED\nOK\n2\n2\n")
	var commands strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&commands, "SET piped:%d %d\r\n", i, i)
	}
	if out := cli(commands.String(), "--pipe"); !strings.Contains(out, "errors: 0, replies: 1000") {
		t.Errorf("--pipe: %s", out)
	}
	if n := len(strings.Fields(cli("", "--scan", "--pattern", "piped:*"))); n != 1000 {
		t.Errorf("--scan found %d keys", n)
	}
	cli("", "RPUSH", "big", "a", "b", "c")
	if out := cli("", "--bigkeys"); !strings.Contains(out, "Sampled 1002 keys") || !strings.Contains(out, `"big"' has 3 items`) {
		t.Errorf("--bigkeys: %s", out)
	}
	got = cli("", "-3", "HGETALL", "absent")
	want(t, strings.TrimSpace(got), nil, "")
	if out := cli("", "-x", "NOSUCHCOMMAND"); !strings.Contains(out, "ERR unknown command") {
		t.Errorf("an unknown command: %s", out)
	}
}

func TestRedisBenchmark(t *testing.T) {
	s := start(t)
	const kinds = "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset"
	out := tool(t, "", "", "redis-benchmark", s.at(t, "-t", kinds, "-n", "1000", "-P", "16", "-c", "10", "--csv")...)
	if strings.Contains(out, "Error") {
		t.Errorf("redis-benchmark: %s", out)
	}
	for _, kind := range strings.Split(kinds, ",") {
		if !strings.Contains(out, `"`+strings.ToUpper(kind)) {
			t.Errorf("redis-benchmark says nothing of %s: %s", kind, out)
		}
	}
}

// TestNode runs what programs in JavaScript do, in node/workload.mjs: without
// kills, and counting through one.
func TestNode(t *testing.T) {
	program(t, "node")
	dir := nodePackage(t)
	s := start(t)
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range []string{"ioredis", "redis"} {
		t.Run(library, func(t *testing.T) {
			out := tool(t, dir, "", "node", "workload.mjs", library, host, port)
			if !strings.HasSuffix(out, "ok\n") {
				t.Errorf("%s", out)
			}
		})
		t.Run(library+"/failover", func(t *testing.T) {
			if !s.canFail() {
				t.Log("there is no -fault")
				return
			}
			cmd := exec.CommandContext(t.Context(), "node", "workload.mjs", library, host, port, "count")
			cmd.Dir = dir
			said, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, len("half\n"))
			if _, err := said.Read(line); err != nil || string(line) != "half\n" {
				t.Fatalf("it says %q, %v", line, err)
			}
			s.fault(t)
			if err := cmd.Wait(); err != nil {
				t.Errorf("counting through a kill: %v", err)
			}
		})
	}
}

// nodePackage returns a folder with the libraries installed. It is in the user's
// cache folder, and its name tells which they are.
func nodePackage(t *testing.T) string {
	t.Helper()
	npm := program(t, "npm")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile("node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "godwit-e2e", fmt.Sprintf("node-%x", sha256.Sum256(lock)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json", "workload.mjs"} {
		data, err := os.ReadFile(filepath.Join("node", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// npm writes this file last.
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); errors.Is(err, fs.ErrNotExist) {
		tool(t, dir, "", npm, "ci", "--ignore-scripts")
	}
	return dir
}
