package realslow

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// yield makes a process run only while nobody else wants the processor, or ends that.
// A thread that begins meanwhile does as the one that began it.
func yield(p *os.Process, on bool) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.Pid))
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		attr, err := unix.SchedGetAttr(id, 0)
		if err == nil {
			if attr.Policy = unix.SCHED_NORMAL; on {
				attr.Policy = unix.SCHED_IDLE
			}
			err = unix.SchedSetAttr(id, attr, 0)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // the thread has ended
			return err
		}
	}
	return nil
}

// sleep waits in a call of the system, as a disk makes who syncs wait. The runtime's
// own timers round what is left of a millisecond up to a whole one.
func sleep(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for left.Nano() > 0 && errors.Is(unix.Nanosleep(&left, &left), unix.EINTR) {
	}
}
