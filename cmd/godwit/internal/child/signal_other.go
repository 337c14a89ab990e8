//go:build !unix

package child

import (
	"errors"
	"os"
)

// pauseProcess and resumeProcess are for systems that can stop a process.
func pauseProcess(*os.Process) error  { return errors.ErrUnsupported }
func resumeProcess(*os.Process) error { return errors.ErrUnsupported }
