package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newCLICommand() *cobra.Command {
	var (
		commands []string
		format   string
		open     openFlags
	)
	cmd := &cobra.Command{
		Use:   "cli DIR",
		Short: "A shell on a data folder: read, write, transactions by hand",
		Long: `Opens the database in DIR, makes it if there is none, and runs commands on it:
those given with -e, else those on standard input, which may be a terminal.

Commands that are not typed at a terminal stop at the first that fails, and the
exit code is 1. help, as a command, lists the commands.`,
		Example: `  godwit cli data
  godwit cli data -e 'create t' -e 'put t k v' -e 'scan t'
  godwit cli data < script`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			printed, err := shell.ParseFormat(format)
			if err != nil {
				return usageError(err)
			}
			db, err := godwit.Open(args[0], open.options())
			if err != nil {
				return usageError(err)
			}
			err = cli(cmd, db, args[0], commands, printed)
			return failed(errors.Join(err, db.Close()))
		},
	}
	cmd.Flags().StringArrayVarP(&commands, "execute", "e", nil, "run this command; may be given several times")
	cmd.Flags().StringVar(&format, "format", shell.Quoted.String(), "how keys and values are printed: quoted, hex or raw")
	open.declare(cmd)
	return cmd
}

// cli runs the commands of -e or else of the command's input.
func cli(cmd *cobra.Command, db *godwit.DB, dir string, commands []string, format shell.Format) error {
	in, typed := cmd.InOrStdin().(*os.File)
	out, shown := cmd.OutOrStdout().(*os.File)
	if commands == nil && typed && shown && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd())) {
		s := shell.New(store{db}, out)
		s.Format = format
		banner := fmt.Sprintf("%s\n%s: %d tables. help lists the commands, exit leaves.", version(), dir, len(db.Tables()))
		return s.Interact(cmd.Context(), in, out, banner)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	buffered := bufio.NewWriter(cmd.OutOrStdout())
	s := shell.New(store{db}, buffered)
	s.Format = format
	s.Flush = func() { _ = buffered.Flush() } // the last one returns the first error
	var err error
	if commands != nil {
		err = s.Run(ctx, "-e", strings.NewReader(strings.Join(commands, "\n")))
	} else {
		err = s.Run(ctx, "standard input", cmd.InOrStdin())
	}
	return errors.Join(err, buffered.Flush())
}

// openFlags are the flags of commands that open a database.
type openFlags struct{ memoryMiB int64 }

func (o *openFlags) declare(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&o.memoryMiB, "memory", 0, "limit of the data's memory in MiB; default three quarters of the machine's")
}

func (o *openFlags) options() *godwit.Options {
	return &godwit.Options{MemoryLimit: mebibytes(o.memoryMiB)}
}

// mebibytes returns n MiB in bytes. Options.Validate refuses what is too many.
func mebibytes(n int64) int64 { return min(n, math.MaxInt64>>20) << 20 }
