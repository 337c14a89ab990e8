//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"
)

// demoTimeout is how long a test of a demo may take.
const demoTimeout = 60 * time.Second

// testDemo is a demo in this process whose replicas are processes of their own.
type testDemo struct {
	t     *testing.T
	keys  io.Writer
	out   *bufio.Scanner
	ended chan int
	addrs []string // of the nodes, in their order
}

// startDemo starts a demo and waits until it serves.
func startDemo(t *testing.T, dir string) *testDemo {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), demoTimeout)
	t.Cleanup(cancel)
	in, keys := io.Pipe()
	out, printed := io.Pipe()
	d := &testDemo{t: t, keys: keys, out: bufio.NewScanner(out), ended: make(chan int, 1)}
	go func() {
		code := run(ctx, []string{"demo", "--dir", dir, "--memory", "64"}, in, printed, printed)
		_ = printed.Close()
		d.ended <- code
	}()
	for range 3 {
		d.addrs = append(d.addrs, "127.0.0.1:"+d.await(`redis-cli -p (\d+)$`))
	}
	d.await("leads")
	return d
}

// await reads up to a line that matches, and returns what its parentheses hold.
func (d *testDemo) await(pattern string) string {
	d.t.Helper()
	re := regexp.MustCompile(pattern)
	var seen []string
	for d.out.Scan() {
		seen = append(seen, d.out.Text())
		if m := re.FindStringSubmatch(d.out.Text()); m != nil {
			return m[len(m)-1]
		}
	}
	d.t.Fatalf("no %q in\n%s", pattern, strings.Join(seen, "\n"))
	return ""
}

func (d *testDemo) press(key string) {
	d.t.Helper()
	if _, err := io.WriteString(d.keys, key); err != nil {
		d.t.Fatal(err)
	}
}

// ask has a node execute a command.
func (d *testDemo) ask(node int, args ...string) string {
	d.t.Helper()
	n, err := remote.Dial(d.t.Context(), d.addrs[node-1], nil)
	if err != nil {
		d.t.Fatal(err)
	}
	defer n.Close()
	v, err := n.Do(d.t.Context(), args...)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(v.Bytes)
}

// quit ends the demo.
func (d *testDemo) quit() {
	d.t.Helper()
	d.press("q")
	d.await("stopping")
	if d.out.Scan() {
		d.t.Errorf("the end: %s", d.out.Text())
	}
	if code := <-d.ended; code != exitOK {
		d.t.Errorf("exit code %d", code)
	}
}

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	d := startDemo(t, dir)
	d.ask(1, "SET", "k", "v")
	d.press("k")
	d.await("which led, is killed")
	d.await(`has its next answer after \d+ ms`)
	d.await("leads")
	d.press("r")
	d.await(`node (\d) is started`)
	d.quit()

	d = startDemo(t, dir)
	if v := d.ask(2, "GET", "k"); v != "v" {
		t.Errorf("after a restart the value is %q", v)
	}
	d.quit()
}

func TestDemoRefuses(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := execute(t, "demo", "--dir", file); code != exitFailed || !strings.Contains(errs, "not a directory") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	for _, args := range [][]string{{"--port", "65534"}, {"--port", "-1"}, {"extra"}} {
		if code, out, errs := execute(t, append([]string{"demo"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}

// TestDemoLeavesNobody: the replicas end with the demo, however that ends.
func TestDemoLeavesNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), demoTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "demo", "--dir", t.TempDir(), "--memory", "64")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &testDemo{t: t, out: bufio.NewScanner(out)}
	var nodes []*remote.Node
	for range 3 {
		n, err := remote.Dial(ctx, "127.0.0.1:"+d.await(`redis-cli -p (\d+)$`), nil)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	d.await("leads")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for _, n := range nodes {
		if v, err := n.Next(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("a node is still there: %v, %v", v, err)
		}
		n.Close()
	}
}
