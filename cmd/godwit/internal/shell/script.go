package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// lineBytesMax is the longest line of a script: a value of 64 MiB whose every
// byte is written as four ("\x00"), its key and table beside it.
const lineBytesMax = 4*64<<20 + 64<<10

// Run executes the commands of a script, one a line, up to the first that
// fails. name stands for the script in errors. It closes the shell; a
// transaction that is open at the end is an error.
func (s *Shell) Run(ctx context.Context, name string, script io.Reader) error {
	lines := bufio.NewScanner(script)
	lines.Buffer(nil, lineBytesMax)
	number := 0
	var failed error
	for failed == nil && lines.Scan() {
		number++
		failed = s.Execute(ctx, lines.Text())
		if errors.Is(failed, errQuit) {
			return s.Close()
		}
	}
	if failed == nil {
		number++
		failed = lines.Err()
		if errors.Is(failed, bufio.ErrTooLong) {
			failed = fmt.Errorf("longer than %d bytes", lineBytesMax)
		}
	}
	closed := s.Close()
	if failed != nil {
		return fmt.Errorf("%s, line %d: %w", name, number, failed)
	}
	return closed
}
