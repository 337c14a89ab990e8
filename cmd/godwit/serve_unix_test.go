//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"
	"github.com/godwitdb/godwit/internal/server"
)

var failovers = flag.Int("failovers", 2, "how often TestFailover kills the leader")

// nodesTimeout is how long a test with processes may take.
const nodesTimeout = 5 * time.Minute

// testNodes are three replicas, each a process that serves.
type testNodes struct {
	t     *testing.T
	ctx   context.Context
	addrs []string // of clients
	args  [][]string
	nodes []*testProcess // nil: it does not run
}

// testProcess is `godwit serve` as a process.
type testProcess struct {
	cmd   *exec.Cmd
	log   *bufio.Scanner
	input io.Closer // its end is that of the process
}

func startNodes(t *testing.T, more ...string) *testNodes {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), nodesTimeout)
	t.Cleanup(cancel)
	n := &testNodes{t: t, ctx: ctx, addrs: freeAddrs(t, 3), nodes: make([]*testProcess, 3)}
	var peers []string
	for i, addr := range freeAddrs(t, 3) {
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, addr))
	}
	dir, id := t.TempDir(), godwit.NewClusterID()
	for i := range n.nodes {
		n.args = append(n.args, append([]string{
			"serve", "--with-parent", "--dir", filepath.Join(dir, fmt.Sprint(i+1)), "--memory", "64", "--listen", n.addrs[i], "--log-format", "json",
			"--node", fmt.Sprint(i + 1), "--cluster", id.String(), "--cluster-secret", "s", "--peers", strings.Join(peers, ","),
		}, more...))
		n.nodes[i] = startProcess(t, ctx, n.args[i]...)
	}
	for _, p := range n.nodes {
		p.await(t, "serving")
	}
	return n
}

// freeAddrs returns addresses where nobody listens.
func freeAddrs(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func startProcess(t *testing.T, ctx context.Context, args ...string) *testProcess { //nolint:revive // t is first in tests
	t.Helper()
	p := &testProcess{cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	input, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.input, p.log = input, bufio.NewScanner(out)
	return p
}

// await reads the log up to a message.
func (p *testProcess) await(t *testing.T, message string) {
	t.Helper()
	var seen []string
	for p.log.Scan() {
		var line struct{ Msg string }
		seen = append(seen, p.log.Text())
		if err := json.Unmarshal(p.log.Bytes(), &line); err == nil && line.Msg == message {
			return
		}
	}
	t.Fatalf("the log has no %q:\n%s", message, strings.Join(seen, "\n"))
}

// drain reads the rest of the log, so that nobody waits for room.
func (p *testProcess) drain() {
	for p.log.Scan() {
	}
}

// leader waits for a node that leads, as another says that is asked.
func (n *testNodes) leader() int {
	n.t.Helper()
	for n.ctx.Err() == nil {
		for i, p := range n.nodes {
			if p == nil {
				continue
			}
			if s, err := remote.Status(n.ctx, n.addrs[i]); err == nil && s.Role == server.RoleLeader {
				return i
			}
		}
	}
	n.t.Fatal("nobody leads")
	return 0
}

// set writes through a connection until that is acknowledged.
func (n *testNodes) set(c *remote.Node, value string) {
	n.t.Helper()
	for {
		_, err := c.Do(n.ctx, "SET", "k", value)
		if err == nil {
			return
		}
		switch code, _, _ := strings.Cut(err.Error(), " "); code {
		case "UNCERTAIN", "CLUSTERDOWN", "NOTLEADER", "LOADING":
		default:
			n.t.Fatal(err)
		}
	}
}

// TestFailover kills the leader again and again, and measures how long a client of another node waits for its next write.
func TestFailover(t *testing.T) {
	n := startNodes(t)
	var waits []time.Duration
	for kill := range *failovers {
		lead := n.leader()
		follower := (lead + 1) % len(n.nodes)
		c, err := remote.Dial(n.ctx, n.addrs[follower], nil)
		if err != nil {
			t.Fatal(err)
		}
		n.set(c, fmt.Sprint("before ", kill))
		killed := n.nodes[lead]
		n.nodes[lead] = nil
		began := time.Now()
		if err := killed.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		n.set(c, fmt.Sprint("after ", kill))
		waits = append(waits, time.Since(began))
		killed.drain()
		_ = killed.cmd.Wait() // it was killed
		c.Close()
		n.nodes[lead] = startProcess(t, n.ctx, n.args[lead]...)
		n.nodes[lead].await(t, "serving")
		c, err = remote.Dial(n.ctx, n.addrs[lead], nil)
		if err != nil {
			t.Fatal(err)
		}
		n.set(c, "back")
		if v, err := c.Do(n.ctx, "GET", "k"); err != nil || string(v.Bytes) != "back" {
			t.Errorf("read %q, %v", v.Bytes, err)
		}
		c.Close()
	}
	slices.Sort(waits)
	t.Logf("%d kills: a client of a follower waited %v at the median, %v at the 99th percentile, %v at most", len(waits), waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1])
}

// TestTerminate: a node that is told to end hands the lead over, answers, and ends well; clients of the others
// notice nothing.
func TestTerminate(t *testing.T) {
	n := startNodes(t)
	lead := n.leader()
	c, err := remote.Dial(n.ctx, n.addrs[(lead+1)%3], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n.set(c, "1")
	ended := make(chan error, 1)
	p := n.nodes[lead]
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.nodes[lead] = nil
	go func() {
		p.drain()
		ended <- p.cmd.Wait()
	}()
	for done := false; !done; {
		select {
		case err := <-ended:
			if done = true; err != nil {
				t.Errorf("the node ended with %v", err)
			}
		default:
			if _, err := c.Do(n.ctx, "INCR", "count"); err != nil {
				t.Fatalf("while the leader ends: %v", err)
			}
		}
	}
	if next := n.leader(); next == lead {
		t.Errorf("node %d leads, which has ended", next+1)
	}

	// The others are asked by the commands of an operator, and one of them is copied.
	var all []nodeStatus
	live := n.addrs[(lead+1)%3] + "," + n.addrs[(lead+2)%3]
	out, _ := succeed(t, "status", "--json", "--address", live)
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 2 || all[0].Status == nil || all[0].LagMillis == nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, _ := succeed(t, "status", "--address", live); !strings.Contains(out, "leader") || !strings.Contains(out, "follower") {
		t.Errorf("%s", out)
	}
	if code, out, errs := execute(t, "status", "--address", n.addrs[lead]); code != exitFailed || !strings.Contains(out, "no answer") || errs == "" {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	// One that accepts and says nothing keeps nobody from being asked.
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if code, out, _ := execute(t, "status", "--address", silent.Addr().String()+","+live); code != exitFailed || strings.Count(out, "no answer") != 1 || !strings.Contains(out, "leader") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	succeed(t, "members", "transfer", fmt.Sprint((lead+2)%3+1), "--address", n.addrs[(lead+1)%3])
	if got := n.leader(); got != (lead+2)%3 {
		t.Errorf("node %d leads", got+1)
	}
	file := filepath.Join(t.TempDir(), "backup")
	succeed(t, "backup", "--address", n.addrs[(lead+1)%3], file)
	n.grow(file)
}

// grow makes the first node of a new cluster of a backup, as docs/operations.md tells.
func (n *testNodes) grow(file string) {
	n.t.Helper()
	dir := filepath.Join(n.t.TempDir(), "new")
	succeed(n.t, "restore", file, dir)
	out, _ := succeed(n.t, "check", dir)
	_, after, _ := strings.Cut(out, "database")
	id := strings.Fields(after)[0]
	addrs := freeAddrs(n.t, 2)
	p := startProcess(n.t, n.ctx, "serve", "--with-parent", "--dir", dir, "--memory", "64", "--listen", addrs[0], "--log-format", "json",
		"--node", "1", "--cluster", id, "--peers", "1="+addrs[1])
	p.await(n.t, "serving")
	c, err := remote.Dial(n.ctx, addrs[0], nil)
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	if v, err := c.Do(n.ctx, "GET", "k"); err != nil || string(v.Bytes) != "1" {
		n.t.Errorf("the copy has %q, %v", v.Bytes, err)
	}
	if err := p.input.Close(); err != nil {
		n.t.Error(err)
	}
	p.drain()
	var ended *exec.ExitError
	if err := p.cmd.Wait(); errors.As(err, &ended) {
		n.t.Error(err)
	}
}
