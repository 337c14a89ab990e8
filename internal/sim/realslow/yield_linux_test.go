package realslow

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// All threads of a process that yields run only while nobody else wants the processor,
// and afterwards they are what they were.
func TestYield(t *testing.T) {
	p, err := spawn(1, short(t, raftProtocol()).Command(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	if _, err := p.ask(order{}); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		err := yield(p.cmd.Process, on)
		if !on && errors.Is(err, unix.EPERM) {
			return // who may not raise a priority cannot end it
		}
		if err != nil {
			t.Fatal(err)
		}
		want := uint32(unix.SCHED_NORMAL)
		if on {
			want = unix.SCHED_IDLE
		}
		for id, policy := range policies(t, p.cmd.Process.Pid) {
			if policy != want {
				t.Errorf("yields: %t; thread %d has policy %d, not %d", on, id, policy, want)
			}
		}
	}
}

// policies returns by which rules each thread of a process is scheduled.
func policies(t *testing.T, pid int) map[int]uint32 {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]uint32{}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		attr, err := unix.SchedGetAttr(id, 0)
		if err != nil {
			t.Fatal(err)
		}
		all[id] = attr.Policy
	}
	return all
}
