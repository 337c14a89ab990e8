package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/plot"

	"github.com/spf13/cobra"
)

func newCompareCommand() *cobra.Command {
	var picture string
	cmd := &cobra.Command{
		Use:   "compare FILE...",
		Short: "Show results of --json beside each other, as ratios to the first",
		Long: `Prints the results that bench --json wrote beside each other, as ratios to the
first, and draws them with --plot. Only results of one machine compare.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(errors.New("no files to compare"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var (
				results []*bench.Result
				names   []string
			)
			for _, file := range args {
				r, err := bench.ReadResult(file)
				if err != nil {
					return usageError(err)
				}
				results = append(results, r)
				names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
			}
			warnOfMachines(cmd, results, names)
			err := bench.WriteComparison(cmd.OutOrStdout(), results, names)
			if picture != "" {
				err = errors.Join(err, plot.Compare(results, names, picture))
			}
			return failed(err)
		},
	}
	cmd.Flags().StringVar(&picture, "plot", "", "draw the comparison: files of this name with .svg and .png")
	return cmd
}

// warnOfMachines says which results are from another machine than the first.
func warnOfMachines(cmd *cobra.Command, results []*bench.Result, names []string) {
	first := results[0].Machine
	for i, r := range results {
		m := r.Machine
		if m.CPU != first.CPU || m.Cores != first.Cores || m.GOMAXPROCS != first.GOMAXPROCS || m.OS != first.OS {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s ran on another machine or with another GOMAXPROCS than %s\n", names[i], names[0])
		}
	}
}
