package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startLimit is how long a system may take until it serves, and stopLimit until it has ended.
	startLimit = 30 * time.Second
	stopLimit  = 20 * time.Second
	// poll is how often it is asked.
	poll = 20 * time.Millisecond
	// clockTick is the unit of processor time in /proc, the same on all Linux systems.
	clockTick = 10 * time.Millisecond
)

// process is a server that runs.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

// start starts a server in dir, with what it says in a file beside its data.
func start(dir, name string, args ...string) (*process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := &process{log: filepath.Join(dir, "output"), exited: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(name, args...) //nolint:noctx // stop ends it, in its own way
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended does not matter
		close(p.exited)
	}()
	return p, nil
}

// await waits until ready says yes.
func (p *process) await(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for !ready(ctx) {
		select {
		case <-p.exited:
			return fmt.Errorf("%s has ended: %s", p.cmd.Path, p.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %s", p.cmd.Path, p.said())
		case <-time.After(poll):
		}
	}
	return nil
}

// said returns the end of what the server said.
func (p *process) said() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1000):])
}

// stop ends the server.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// cpu returns the processor time that the server has used.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may have spaces; the times are the 12th and 13th fields behind it.
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, errors.New("servers: /proc/PID/stat is not as expected")
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// resident returns the memory that the server occupies, in bytes.
func (p *process) resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, errors.New("servers: /proc/PID/statm is not as expected")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// freeAddress returns an address on this machine that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// freeAddresses returns n of them.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var all []string
	for range n {
		a, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // it is ours
	return port
}
