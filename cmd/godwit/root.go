package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// newRoot returns the command that has all others below it.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "godwit",
		Short:         "A strictly serializable, in-memory-first key-value database",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(
		newVersionCommand(),
		newCheckCommand(),
		newCLICommand(),
		newBackupCommand(),
		newRestoreCommand(),
		newBenchCommand(),
		newSimCommand(),
		newServeCommand(),
		newDemoCommand(),
		newStatusCommand(),
		newMembersCommand(),
	)
	return root
}

// run executes a command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var coded *codedError
	switch {
	case !errors.As(err, &coded):
		// What cobra itself refuses, such as an unknown command.
		coded = &codedError{err: err, code: exitUsage}
	case coded.err == nil:
		return coded.code
	}
	fmt.Fprintln(errs, "godwit:", strings.TrimPrefix(coded.Error(), "godwit: "))
	return coded.code
}

// codedError is an error with the exit code that it means. A nil err has been
// reported already.
type codedError struct {
	err  error
	code int
}

func (e *codedError) Error() string { return fmt.Sprint(e.err) }
func (e *codedError) Unwrap() error { return e.err }

// usageError says that the command line is wrong or names what cannot be
// opened.
func usageError(err error) error { return &codedError{err: err, code: exitUsage} }

// failed says that the work itself went wrong. It returns nil for nil.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &codedError{err: err, code: exitFailed}
}

// exactly demands n arguments.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError(fmt.Errorf("%d arguments given, usage: %s", len(args), cmd.UseLine()))
		}
		return nil
	}
}

// interruptible returns a context that ends with the command's or when the
// process is asked to end.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}
