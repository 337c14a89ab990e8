//go:build unix

package child

import (
	"os"
	"syscall"
)

// pauseProcess stops a process where it is, resumeProcess lets it go on.
func pauseProcess(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resumeProcess(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
