// Package child starts processes that take orders and report, as JSON values a line each
// on their standard input and output, and kills, stops and joins them.
//
// A child ends when its standard input does, so none outlives the process that has started
// it, unless it is stopped just then.
package child

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Process is a child.
type Process struct {
	cmd  *exec.Cmd
	in   sync.Mutex // so that orders are whole
	tell *json.Encoder
	hang func() error // ends the standard input
	said lastLines
	done chan struct{}
	reap func() error
}

// Start starts a process. report is called by one goroutine with each report, and then, once,
// with why there are no more of them.
func Start[R any](cmd *exec.Cmd, report func(p *Process, r R, received time.Time, end error)) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	p.reap = sync.OnceValue(cmd.Wait)
	cmd.Stderr = &p.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.tell, p.hang = json.NewEncoder(in), in.Close
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		defer close(p.done)
		reports := json.NewDecoder(out)
		for {
			var r R
			err := reports.Decode(&r)
			if errors.Is(err, io.EOF) {
				_ = p.reap() // so that all is there that it has said
			}
			report(p, r, time.Now(), err)
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

// Order tells the process something.
func (p *Process) Order(order any) error {
	p.in.Lock()
	defer p.in.Unlock()
	if err := p.tell.Encode(order); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Said())
	}
	return nil
}

// Kill ends the process as a power loss would, but for what the system holds for it. It may
// have ended by itself.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Dismiss ends the process's standard input, so that it ends in its own way.
func (p *Process) Dismiss() { _ = p.hang() } // it may be gone

// Pause stops the process where it is, and Resume lets it go on.
func (p *Process) Pause() error { return pauseProcess(p.cmd.Process) }

// Resume is the end of a Pause.
func (p *Process) Resume() error { return resumeProcess(p.cmd.Process) }

// Done is closed when nothing more is reported.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process, after Done, and returns how it has ended.
func (p *Process) Wait() error {
	<-p.done
	return p.reap()
}

// Said returns the end of what the process has written to its standard error.
func (p *Process) Said() string { return p.said.String() }

// lastLinesMax is how much of what a process has written is kept.
const lastLinesMax = 16 << 10

// lastLines keeps the end of what is written to it.
type lastLines struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *lastLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	if over := len(l.text) - lastLinesMax; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(b), nil
}

// String returns what is kept.
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.text))
}
