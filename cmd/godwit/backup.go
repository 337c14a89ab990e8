package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"

	"github.com/spf13/cobra"
)

func newBackupCommand() *cobra.Command {
	var (
		open openFlags
		node nodeFlags
	)
	cmd := &cobra.Command{
		Use:   "backup [DIR] FILE",
		Short: "Write a consistent copy of the data in DIR, or of a node that runs, to a new file",
		Long: `Writes a consistent copy of all data in DIR, or with --address of a node that runs and goes on meanwhile, to FILE,
which must not exist and is there only once it is whole and on disk. A FILE of - is standard output.`,
		Example: `  godwit backup data file
  godwit backup --address 127.0.0.1:6379 file`,
		Args: func(cmd *cobra.Command, args []string) error {
			if node.addr != "" {
				return exactly(1)(cmd, args)
			}
			return exactly(2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if node.addr != "" {
				if err := node.read(); err != nil {
					return err
				}
				ctx, stop := interruptible(cmd)
				defer stop()
				return failed(node.backup(ctx, cmd.OutOrStdout(), args[0]))
			}
			dir, file := args[0], args[1]
			db, err := openExisting(dir, open.options())
			if err != nil {
				return usageError(err)
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			if file == "-" {
				err = db.Backup(ctx, cmd.OutOrStdout())
			} else {
				err = shell.BackupFile(ctx, db.Backup, file)
			}
			return failed(errors.Join(err, db.Close()))
		},
	}
	open.declare(cmd)
	node.declare(cmd.Flags(), "")
	return cmd
}

func newRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE DIR",
		Short: "Make a new data folder from a backup",
		Long: `Makes the data folder DIR, which must not exist or be empty, from the backup in
FILE. A FILE of - is standard input.`,
		Args: exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, dir := args[0], args[1]
			ctx, stop := interruptible(cmd)
			defer stop()
			if file == "-" {
				return failed(godwit.Restore(ctx, dir, cmd.InOrStdin()))
			}
			return failed(shell.RestoreFile(ctx, godwit.Restore, file, dir))
		},
	}
}

// openExisting opens the database in dir and, unlike Open, makes none.
func openExisting(dir string, opts *godwit.Options) (*godwit.DB, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s is empty: there is no database in it", dir)
	}
	return godwit.Open(dir, opts)
}
