//go:build !linux

package realslow

import (
	"errors"
	"os"
	"time"
)

// yield makes a process run only while nobody else wants the processor, or ends that.
func yield(*os.Process, bool) error { return errors.ErrUnsupported }

func sleep(d time.Duration) { time.Sleep(d) }
