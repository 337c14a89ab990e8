package main

import (
	"fmt"
	"runtime"

	"github.com/godwitdb/godwit/bench"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return failed(err)
		},
	}
}

// version describes the build: the version, the commit, Go and the machine.
func version() string {
	b := bench.ThisBuild()
	commit := b.Commit[:min(12, len(b.Commit))]
	if b.Modified {
		commit += " and changes"
	}
	return fmt.Sprintf("godwit %s, commit %s, %s, %s/%s", b.Version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
