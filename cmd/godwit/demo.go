package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/godwitdb/godwit/cmd/godwit/demo"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newDemoCommand() *cobra.Command {
	var (
		o         demo.Options
		memoryMiB int64
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A replicated shard on this machine, to try: kill its leader on a key press",
		Long: `Starts three replicas as processes of their own, with real sockets and disks, and tells where Redis clients
connect. Keys, or lines on the standard input: k kills the leader as kill -9 does, r restarts what is dead, q or
Ctrl-C ends all. Nothing listens beyond this machine.`,
		Example: `  godwit demo
  godwit demo --dir demo-data --port 7001`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Port < 0 || o.Port > 65_533 {
				return usageError(fmt.Errorf("--port is %d, not 0 to 65533", o.Port))
			}
			o.Serve = []string{"--memory", fmt.Sprint(memoryMiB)}
			return failed(runDemo(cmd, o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "where the replicas have their folders, which are kept; default a temporary folder")
	f.IntVar(&o.Port, "port", 0, "where clients of the first node connect, those of the others behind it; default 7001 if it is free")
	f.Int64Var(&memoryMiB, "memory", 1024, "limit of each replica's data in MiB")
	return cmd
}

func runDemo(cmd *cobra.Command, o demo.Options) (err error) {
	ctx, stop := interruptible(cmd)
	defer stop()
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	o.Command = func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(ctx), binary, args...) // it is asked to end, not killed
	}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "godwit-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	}
	o.Keys, o.Out, o.LineEnd = cmd.InOrStdin(), cmd.OutOrStdout(), "\n"
	out, shown := o.Out.(*os.File)
	o.Live = shown && term.IsTerminal(int(out.Fd()))
	if in, typed := o.Keys.(*os.File); typed && term.IsTerminal(int(in.Fd())) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }()
		o.LineEnd = "\r\n"
	}
	return demo.Run(ctx, o)
}
