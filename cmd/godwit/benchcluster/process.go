package benchcluster

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

// process is a member's process, seen by the parent. One goroutine uses it.
type process struct {
	id     env.NodeID
	life   int // how many this member had before
	cmd    *exec.Cmd
	orders *json.Encoder
	in     io.Closer
	errs   lastLines
	done   chan struct{} // closed when nothing more is reported
	ended  bool          // or about to: what it reports does not count
	over   bool          // nothing more is reported
	reaped sync.Once
}

// event is something that a process has reported, or its end.
type event struct {
	from     *process
	received time.Time
	Report
	ended error // not nil if there are no more reports
}

// spawn starts a member's process, whose reports go to events.
func spawn(id env.NodeID, life int, cmd *exec.Cmd, events chan<- event) (*process, error) {
	p := &process{id: id, life: life, cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.orders = in, json.NewEncoder(in)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		reports := json.NewDecoder(out)
		for {
			var r Report
			err := reports.Decode(&r)
			events <- event{from: p, received: time.Now(), Report: r, ended: err}
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

// order tells the process something.
func (p *process) order(o Order) error {
	if err := p.orders.Encode(o); err != nil {
		return fmt.Errorf("member %d: %w\n%s", p.id, err, p.errs.String())
	}
	return nil
}

// kill ends the process, whose reports somebody still takes.
func (p *process) kill() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.cmd.Process.Kill() // it may have ended by itself
}

// reap takes note of the end of a process that has closed its output.
func (p *process) reap() (err error) {
	p.reaped.Do(func() { err = p.cmd.Wait() })
	return err
}

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

// join waits for the end of a process that was killed, and takes its reports meanwhile.
func (p *process) join(events <-chan event) {
	for {
		select {
		case <-events:
			continue
		case <-p.done:
		}
		_ = p.reap() // which says only that it was killed
		return
	}
}
