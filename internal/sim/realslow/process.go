package realslow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/godwitdb/godwit/internal/env"
)

// process is a member's process, seen from outside. One goroutine uses it.
type process struct {
	id      env.NodeID
	cmd     *exec.Cmd
	orders  *json.Encoder
	reports *json.Decoder
	errs    strings.Builder
	ended   bool
}

// spawn starts a member's process.
func spawn(id env.NodeID, cmd *exec.Cmd) (*process, error) {
	p := &process{id: id, cmd: cmd}
	cmd.Stderr = &p.errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.orders, p.reports = json.NewEncoder(in), json.NewDecoder(out)
	return p, cmd.Start()
}

// ask gives an order and returns the report that answers it.
func (p *process) ask(o order) (report, error) {
	if err := p.orders.Encode(o); err != nil {
		return report{}, fmt.Errorf("realslow: member %d: %w\n%s", p.id, err, p.errs.String())
	}
	return p.report()
}

func (p *process) report() (report, error) {
	var r report
	err := p.reports.Decode(&r)
	if errors.Is(err, io.EOF) {
		p.kill() // so that all that it said is there
	}
	if err == nil && r.Err != "" {
		err = errors.New(r.Err)
	}
	if err != nil {
		return r, fmt.Errorf("realslow: member %d: %w\n%s", p.id, err, p.errs.String())
	}
	return r, nil
}

// kill ends the process, if it has not ended, and waits for that.
func (p *process) kill() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.cmd.Process.Kill() // it may have ended by itself
	_ = p.cmd.Wait()         // which says only that it was killed
}
