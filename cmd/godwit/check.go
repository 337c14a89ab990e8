package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/godwitdb/godwit"

	"github.com/spf13/cobra"
)

func newCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Verify all that a data folder holds",
		Long: `Reads everything that is stored in the data folder DIR, a database's or a
replica's, which must not be open, and reports all that is wrong with it.
Checksums cover all but the unused space in the log's files. Nothing is changed,
and nothing needs to be writable; the folder cannot be opened meanwhile.

Exit codes: 0 if nothing is wrong, 1 if something is, 2 if DIR cannot be
checked: it is in use, holds no database or cannot be read.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			report, err := godwit.Check(ctx, args[0])
			if err != nil {
				return usageError(err)
			}
			if asJSON {
				err = writeCheckJSON(cmd.OutOrStdout(), args[0], report)
			} else {
				err = writeCheckText(cmd.OutOrStdout(), args[0], report)
			}
			if err != nil {
				return failed(err)
			}
			if len(report.Problems) > 0 {
				return &codedError{code: exitFailed} // the report says it all
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// checkJSON is a report as JSON. Names and meanings of fields do not change.
type checkJSON struct {
	Dir               string        `json:"dir"`
	OK                bool          `json:"ok"`
	ID                string        `json:"id,omitempty"`
	CleanlyClosed     bool          `json:"cleanly_closed"`
	Checkpoint        bool          `json:"checkpoint"`
	CheckpointRecords int64         `json:"checkpoint_records"`
	CheckpointBytes   int64         `json:"checkpoint_bytes"`
	LogSegments       int           `json:"log_segments"`
	LogTransactions   int64         `json:"log_transactions"`
	LogBytes          int64         `json:"log_bytes"`
	Replica           *replicaJSON  `json:"replica,omitempty"`
	Problems          []problemJSON `json:"problems"`
}

// replicaJSON is there if the folder is a replica's.
type replicaJSON struct {
	Node       uint32 `json:"node"`
	Cluster    string `json:"cluster"`
	Epoch      uint64 `json:"epoch"`
	Vote       uint32 `json:"vote"`
	Recovering bool   `json:"recovering"`
}

// problemJSON is one problem. File and Offset are there if it is in one place.
type problemJSON struct {
	File   string `json:"file,omitempty"`
	Offset *int64 `json:"offset,omitempty"`
	Reason string `json:"reason"`
}

func writeCheckJSON(w io.Writer, dir string, r *godwit.CheckReport) error {
	out := checkJSON{
		Dir:               dir,
		OK:                len(r.Problems) == 0,
		ID:                databaseID(r),
		CleanlyClosed:     r.Clean,
		Checkpoint:        r.Checkpoint,
		CheckpointRecords: r.CheckpointRecords,
		CheckpointBytes:   r.CheckpointBytes,
		LogSegments:       r.LogSegments,
		LogTransactions:   r.LogTransactions,
		LogBytes:          r.LogBytes,
		Problems:          []problemJSON{},
	}
	if x := r.Replica; x != nil {
		out.Replica = &replicaJSON{x.Node, fmt.Sprintf("%x", x.Cluster), x.Epoch, x.Vote, x.Recovering}
	}
	for _, err := range r.Problems {
		p := problemJSON{Reason: err.Error()}
		var damage *godwit.CorruptionError
		if errors.As(err, &damage) {
			p = problemJSON{File: damage.File, Offset: &damage.Offset, Reason: damage.Reason}
		}
		out.Problems = append(out.Problems, p)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// databaseID is the id of an embedded database, which makes it the first node of a cluster; "" if it is none.
func databaseID(r *godwit.CheckReport) string {
	if r.Replica != nil || r.ID == (godwit.ClusterID{}) {
		return ""
	}
	return r.ID.String()
}

func writeCheckText(w io.Writer, dir string, r *godwit.CheckReport) error {
	text := ""
	line := func(format string, args ...any) { text += fmt.Sprintf(format+"\n", args...) }
	if id := databaseID(r); id != "" {
		line("database    %s", id)
	}
	if r.Checkpoint {
		line("checkpoint  %d records, %d bytes", r.CheckpointRecords, r.CheckpointBytes)
	} else {
		line("checkpoint  none")
	}
	line("log         %d transactions, %d bytes in %d segments", r.LogTransactions, r.LogBytes, r.LogSegments)
	switch {
	case r.Replica != nil:
		line("replica     node %d of cluster %x, epoch %d, vote %d", r.Replica.Node, r.Replica.Cluster, r.Replica.Epoch, r.Replica.Vote)
		if r.Replica.Recovering {
			line("state       has lost a part of its log, and does not vote before it has caught up with a leader")
		}
	case r.Clean:
		line("state       closed")
	case r.LogSegments == 0 && len(r.Problems) == 0: // restored, or never written to
		line("state       nothing to recover, the log has not begun")
	default:
		line("state       not closed, will be recovered when it is opened")
	}
	for _, err := range r.Problems {
		var damage *godwit.CorruptionError
		if errors.As(err, &damage) {
			line("problem     %s, offset %d: %s", damage.File, damage.Offset, damage.Reason)
		} else {
			line("problem     %v", err)
		}
	}
	if n := len(r.Problems); n > 0 {
		line("%s: problems found: %d", dir, n)
	} else {
		line("%s: ok", dir)
	}
	_, err := io.WriteString(w, text)
	return err
}
