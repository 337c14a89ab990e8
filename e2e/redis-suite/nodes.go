package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// startLimit is how long nodes may take until one of them leads, stopLimit until they have ended.
	startLimit = time.Minute
	stopLimit  = 30 * time.Second
	askEvery   = 50 * time.Millisecond
	// electionTimeout is so long that a busy machine does not change the lead: what the suite tests is not that.
	electionTimeout = 5 * time.Second
	// memoryMiB is the limit of each node's data.
	memoryMiB = 2048
)

// nodes are processes of Godwit that a run is against: one, or the replicas of a shard.
type nodes struct {
	dir   string
	ports []string // of clients
	cmds  []*exec.Cmd
	ended chan struct{} // when one has ended, whatever for
	// ending says that they are told to.
	ending atomic.Bool
}

// startNodes builds Godwit, or takes the binary, and starts so many nodes of it with data that is thrown away.
func startNodes(ctx context.Context, n int, binary string) (_ *nodes, err error) {
	dir, err := os.MkdirTemp("", "redis-suite-")
	if err != nil {
		return nil, err
	}
	s := &nodes{dir: dir, ended: make(chan struct{}, n)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if binary == "" {
		binary = filepath.Join(dir, "godwit")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/godwitdb/godwit/cmd/godwit")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(build.Args, " "), err, out)
		}
	}
	free, err := freePorts(ctx, 2*n)
	if err != nil {
		return nil, err
	}
	s.ports = free[:n]
	var peers []string
	for i, port := range free[n:] {
		peers = append(peers, fmt.Sprintf("%d=127.0.0.1:%s", i+1, port))
	}
	for i, port := range s.ports {
		args := []string{"serve", "--dir", filepath.Join(dir, strconv.Itoa(i+1)), "--listen", "127.0.0.1:" + port, "--durability", "disk", "--memory", strconv.Itoa(memoryMiB)}
		if n > 1 {
			args = append(args, "--cluster", "00112233445566778899aabbccddeeff", "--node", strconv.Itoa(i+1), "--peers", strings.Join(peers, ","), "--cluster-secret", "redis-suite", "--election-timeout", electionTimeout.String())
		}
		if err := s.start(binary, args, filepath.Join(dir, fmt.Sprintf("%d.log", i+1))); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// start starts a node that ends with this process's word only.
func (s *nodes) start(binary string, args []string, log string) error {
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, args...) //nolint:noctx // stop ends it
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return errors.Join(err, out.Close())
	}
	s.cmds = append(s.cmds, cmd)
	go func() {
		_ = cmd.Wait() // that it ended is what matters
		_ = out.Close()
		s.ended <- struct{}{}
	}()
	return nil
}

// freePorts returns ports of this machine that nobody uses now.
func freePorts(ctx context.Context, n int) (ports []string, err error) {
	var config net.ListenConfig
	for range n {
		l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// leader returns the port of the node that leads, once one does.
func (s *nodes) leader(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		for _, port := range s.ports {
			if leads(ctx, port) {
				return port, nil
			}
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return "", fmt.Errorf("a node ended: %s", s.logs())
		case <-ctx.Done():
			return "", fmt.Errorf("no node leads: %w: %s", ctx.Err(), s.logs())
		}
	}
}

// leads asks a node whether it leads, or is alone, and carries out commands: one that has just won may still refuse them.
func leads(ctx context.Context, port string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(startLimit)); err != nil {
		return false
	}
	if _, err := io.WriteString(conn, "DBSIZE\r\nROLE\r\n"); err != nil {
		return false
	}
	in := bufio.NewReader(conn)
	for range 4 { // :0, *3, $6, master
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "-") { // before any node leads, the reply is an error, which has one line
			return false
		}
		if strings.TrimSpace(line) == "master" {
			return true
		}
	}
	return false
}

// crashed tells whether a node has ended that should not have.
func (s *nodes) crashed() bool { return len(s.ended) > 0 && !s.ending.Load() }

// logs returns the last lines of what each node has logged.
func (s *nodes) logs() string {
	const linesMax = 20
	var all strings.Builder
	for i := range s.cmds {
		data, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("%d.log", i+1)))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		fmt.Fprintf(&all, "\nnode %d:\n%s", i+1, strings.Join(lines[max(len(lines)-linesMax, 0):], "\n"))
	}
	return all.String()
}

// stop ends the nodes and deletes what they have.
func (s *nodes) stop() error {
	s.ending.Store(true)
	left := len(s.cmds) - len(s.ended)
	for _, cmd := range s.cmds {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	}
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	for left > 0 {
		select {
		case <-s.ended:
			left--
			continue
		case <-timer.C:
		}
		for _, cmd := range s.cmds {
			_ = cmd.Process.Kill()
		}
		return fmt.Errorf("nodes did not end within %s", stopLimit)
	}
	return os.RemoveAll(s.dir)
}
