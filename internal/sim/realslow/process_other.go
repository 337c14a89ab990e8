//go:build !unix

package realslow

import (
	"errors"
	"os"
	"time"
)

// processorTime is not known: a share of a processor is no bound here.
func processorTime() time.Duration { return 0 }

func pause(*os.Process) error  { return errors.ErrUnsupported }
func resume(*os.Process) error { return errors.ErrUnsupported }
