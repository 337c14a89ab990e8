package quorum

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const killedEnv = "GODWIT_QUORUM_TEST_KILLED"

// serveUntilKilled is the other process of TestKilledProcessIsNoticed.
func serveUntilKilled(t *testing.T) {
	r, stop := Start(2)
	defer stop()
	err := r.Run(t.Context(), "serve", func(context.Context) error {
		tcp, err := ListenTCP(r, map[NodeID]string{2: "127.0.0.1:0"})
		if err != nil {
			return err
		}
		e := NewEndpoint(r, tcp, Options{}, nil)
		echoMethod().Handle(e, func(context.Context, NodeID, *echoReq) (*echoResp, error) { return &echoResp{}, nil })
		e.Listen()
		fmt.Printf("ADDR %s\n", tcp.Addr())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

// A process that is killed is noticed at once, though nothing was under way to it:
// its system closes its connections.
func TestKilledProcessIsNoticed(t *testing.T) {
	if os.Getenv(killedEnv) != "" {
		serveUntilKilled(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), killedEnv+"=1")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it was killed, and says so
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "ADDR ")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}
	r, stop := Start(1)
	defer stop()
	err = r.Run(t.Context(), "watch", func(ctx context.Context) error {
		tcp, err := ListenTCP(r, map[NodeID]string{1: "", 2: addr})
		if err != nil {
			return err
		}
		e := NewEndpoint(r, tcp, Options{}, nil)
		defer e.Close()
		if _, err := echoMethod().Call(ctx, e, 2, &echoReq{}); err != nil {
			return err
		}
		lost := e.Lost(2)
		began := r.host.Elapsed()
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		if err := WaitFor(ctx, lost, 10*time.Second); err != nil {
			return err
		}
		t.Logf("noticed %v after kill -9", r.host.Elapsed()-began)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
