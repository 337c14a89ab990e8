package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"
	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/server"

	"github.com/spf13/cobra"
)

// Commands for nodes that run, which they ask over the port of their clients.

const defaultAddr = "127.0.0.1:6379"

func newStatusCommand() *cobra.Command {
	var (
		n       nodeFlags
		asJSON  bool
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what nodes that run are and have",
		Long: `Asks the nodes at --address, and the one that leads, what they are: a line each, and what is wrong with them. The lag is
how much longer ago it was released what a node has than what the leader has. The exit code is 1 if a node does not answer, is damaged,
has no room on its disk, or if none leads.`,
		Example: `  godwit status
  godwit status --address 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003 --json`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := n.read(); err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			all := n.askAll(ctx, timeout)
			var err error
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			} else {
				err = writeStatus(cmd.OutOrStdout(), all)
			}
			for _, s := range all {
				err = errors.Join(err, s.wrong())
			}
			return failed(err)
		},
	}
	n.declare(cmd.Flags(), defaultAddr)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long a node may take")
	return cmd
}

// nodeStatus is what a node has said.
type nodeStatus struct {
	Address string         `json:"address"`
	Error   string         `json:"error,omitempty"` // why it has said nothing
	Status  *server.Status `json:"status,omitempty"`
	// LagMillis is how far it is behind the leader, if that was asked too.
	LagMillis *int64 `json:"lag_ms,omitempty"`
}

// askAll asks all nodes at once, so that one that does not answer keeps nobody from being asked, and then
// those of whom they say that they lead.
func (n *nodeFlags) askAll(ctx context.Context, timeout time.Duration) []nodeStatus {
	var all []nodeStatus
	for addrs := strings.Split(n.addr, ","); len(addrs) > 0; {
		from := len(all)
		for _, addr := range addrs {
			all = append(all, nodeStatus{Address: addr})
		}
		var asked sync.WaitGroup
		for i := from; i < len(all); i++ {
			asked.Go(func() { n.ask(ctx, timeout, &all[i]) })
		}
		asked.Wait()
		addrs = nil
		for _, s := range all[from:] {
			if s.Status == nil || s.Status.LeaderAt == "" || s.Status.Role == server.RoleLeader || slices.Contains(addrs, s.Status.LeaderAt) {
				continue
			}
			if !slices.ContainsFunc(all, func(x nodeStatus) bool { return x.Address == s.Status.LeaderAt }) {
				addrs = append(addrs, s.Status.LeaderAt)
			}
		}
	}
	for _, lead := range all {
		if lead.Status == nil || lead.Status.Role != server.RoleLeader {
			continue
		}
		for i := range all {
			if s := all[i].Status; s != nil {
				all[i].LagMillis = s.LagMillis(lead.Status.ReleasedAt)
			}
		}
	}
	return all
}

// ask asks a node.
func (n *nodeFlags) ask(ctx context.Context, timeout time.Duration, s *nodeStatus) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := n.dial(ctx, s.Address)
	var status server.Status
	if err == nil {
		defer c.Close()
		status, err = c.Status(ctx)
	}
	if err != nil {
		s.Error = err.Error()
		return
	}
	s.Status = &status
}

// wrong says what an operator has to look at; nil if there is nothing.
func (s *nodeStatus) wrong() error {
	var why []string
	note := func(is bool, what string) {
		if is {
			why = append(why, what)
		}
	}
	if note(s.Error != "", s.Error); s.Status != nil {
		note(s.Status.Damaged != "", "a part of the log is damaged: "+s.Status.Damaged)
		note(s.Status.DiskFull, "the disk is full")
		note(s.Status.LogFailed != "", "the log has failed: "+s.Status.LogFailed)
		note(s.Status.Refused != "", "connections are refused: "+s.Status.Refused)
		note(s.Status.Role != server.RoleAlone && s.Status.Leader == 0, "no leader is known")
	}
	if why == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", s.Address, strings.Join(why, "; "))
}

func writeStatus(out io.Writer, all []nodeStatus) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tNODE\tROLE\tEPOCH\tLEADER\tMEMBERS\tLEARNERS\tCLIENTS\tRECORDS\tMEMORY\tLAG")
	list := func(ids any) string { return strings.Trim(fmt.Sprint(ids), "[]") }
	for _, s := range all {
		if s.Status == nil {
			fmt.Fprintf(w, "%s\t-\tno answer\n", s.Address)
			continue
		}
		lag := "-"
		if s.LagMillis != nil {
			lag = fmt.Sprintf("%d ms", *s.LagMillis)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\t%s\t%d\t%d\t%d MiB\t%s\n", s.Address, s.Status.Node, s.Status.Role, s.Status.Epoch, s.Status.Leader,
			list(s.Status.Members), list(s.Status.Learners), s.Status.Clients, s.Status.Records, s.Status.MemoryBytes>>20, lag)
	}
	return w.Flush()
}

func newMembersCommand() *cobra.Command {
	var n nodeFlags
	cmd := &cobra.Command{
		Use:   "members",
		Short: "Change the members of a shard that runs",
		Long:  "Any node can be asked: the one that leads does it. godwit status shows the members.",
	}
	n.declare(cmd.PersistentFlags(), defaultAddr)
	sub := func(use, short string, args int) {
		name, _, _ := strings.Cut(use, " ")
		cmd.AddCommand(&cobra.Command{
			Use: use, Short: short, Args: exactly(args),
			RunE: func(cmd *cobra.Command, args []string) error {
				if _, err := parseNode(args[0]); err != nil {
					return usageError(err)
				}
				if err := n.read(); err != nil {
					return err
				}
				ctx, stop := interruptible(cmd)
				defer stop()
				c, err := n.dial(ctx, n.addr)
				if err != nil {
					return failed(err)
				}
				defer c.Close()
				_, err = c.Do(ctx, append([]string{"GODWIT", "MEMBERS", name}, args...)...)
				return failed(err)
			},
		})
	}
	sub("add NODE HOST:PORT", "Make a node a member, which runs with --join; HOST:PORT is where the nodes find it", 2)
	sub("remove NODE", "Make a node no member any more", 1)
	sub("transfer NODE", "Make a member the leader", 1)
	return cmd
}

// backup writes a backup of a node that runs to a file, or to the standard output.
func (n *nodeFlags) backup(ctx context.Context, out io.Writer, file string) error {
	c, err := n.dial(ctx, n.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	read := func(ctx context.Context, w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<20)
		v, err := c.Do(ctx, "GODWIT", "BACKUP")
		for ; err == nil && v.Kind == resp.KindBulk; v, err = c.Next(ctx) {
			if _, err := buffered.Write(v.Bytes); err != nil {
				return err
			}
		}
		return errors.Join(err, buffered.Flush())
	}
	if file == "-" {
		return read(ctx, out)
	}
	return shell.BackupFile(ctx, read, file)
}
