package benchcluster

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/internal/child"
	"github.com/godwitdb/godwit/internal/env"
)

// process is a member's process, seen by the parent. One goroutine uses it.
type process struct {
	*child.Process
	id    env.NodeID
	ended bool // or about to: what it reports does not count
	over  bool // nothing more is reported
}

// event is something that a process has reported, or its end.
type event struct {
	from     *process
	received time.Time
	Report
	ended error // not nil if there are no more reports
}

// spawn starts a member's process, whose reports go to events.
func spawn(id env.NodeID, cmd *exec.Cmd, events chan<- event) (p *process, err error) {
	p = &process{id: id}
	p.Process, err = child.Start(cmd, func(_ *child.Process, r Report, received time.Time, end error) {
		events <- event{from: p, received: received, Report: r, ended: end}
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// String says whose process it is.
func (p *process) String() string {
	if p.id == clientsNode {
		return "the clients' process"
	}
	return fmt.Sprint("member ", p.id)
}

// order tells the process something.
func (p *process) order(o Order) error {
	if err := p.Order(o); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}

// kill ends the process, whose reports somebody still takes.
func (p *process) kill() {
	if !p.ended {
		p.ended = true
		p.Kill()
	}
}

// join waits for the end of a process that was killed, and takes its reports meanwhile.
func (p *process) join(events <-chan event) {
	for {
		select {
		case <-events:
			continue
		case <-p.Done():
		}
		_ = p.Wait() // which says only that it was killed
		return
	}
}
