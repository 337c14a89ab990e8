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

// Run executes the commands of a script, one a line, up to the first that fails
// or until ctx ends. name stands for the script in errors. It closes the shell;
// a transaction that is open at the end is an error.
func (s *Shell) Run(ctx context.Context, name string, script io.Reader) error {
	number := 0
	failed := s.eachLine(ctx, script, func(line string) error {
		number++
		return s.Execute(ctx, line)
	})
	closed := s.Close()
	switch {
	case failed == nil, errors.Is(failed, errQuit):
		return closed
	case errors.Is(failed, errUnread):
		number++
	}
	return fmt.Errorf("%s, line %d: %w", name, number, failed)
}

// errUnread is in the errors of lines that could not be read.
var errUnread = errors.New("cannot be read")

// eachLine calls f for each line until it fails, or until ctx ends, also while
// a line is waited for: then a goroutine stays behind with the read.
func (s *Shell) eachLine(ctx context.Context, script io.Reader, f func(string) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lines := make(chan string)
	unread := make(chan error, 1)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(script)
		scanner.Buffer(nil, lineBytesMax)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				unread <- nil
				return
			}
		}
		err := scanner.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("longer than %d bytes", lineBytesMax)
		}
		unread <- err
	}()
	// next is false when there is no line, for the reason that it returns.
	next := func() (line string, ok bool, err error) {
		select {
		case line, ok = <-lines:
		default:
			if s.Flush != nil {
				s.Flush()
			}
			select {
			case line, ok = <-lines:
			case <-ctx.Done():
				return "", false, ctx.Err()
			}
		}
		if ok {
			return line, true, nil
		}
		if err := <-unread; err != nil {
			return "", false, fmt.Errorf("%w: %w", errUnread, err)
		}
		return "", false, ctx.Err()
	}
	for {
		line, ok, err := next()
		if !ok {
			return err
		}
		if err := f(line); err != nil {
			return err
		}
	}
}
