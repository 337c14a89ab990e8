package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"
)

//go:embed hooks.tcl
var hooks string

// suiteArgs are the options of the suite that scores are compared with.
var suiteArgs = []string{
	"--singledb", "--ignore-encoding", "--ignore-digest",
	"--tags", "-needs:debug -needs:repl -needs:save -needs:config-maxmemory -needs:pfdebug -slow",
}

// attemptsMax bounds how often a file is run again to skip one more test that hangs.
const attemptsMax = 10

// The outcomes of a file.
const (
	through = "through" // it ran to its end
	aborted = "aborted" // an error that was no failed assertion ended it
	hung    = "hung"    // a test, or all of it, took longer than its limit
	lost    = "lost"    // the server or the suite could not be reached
	notRun  = "not run" // there was no time for it, or no server any more
)

// score is what came of one file of tests.
type score struct {
	File    string  `json:"file"`
	OK      int     `json:"ok"`
	Failed  int     `json:"failed"`
	Ignored int     `json:"ignored"`
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	// At and Error tell which test ended the file early, and why.
	At    string `json:"at,omitempty"`
	Error string `json:"error,omitempty"`
	// Failures are the messages of failed tests.
	Failures []string `json:"failures,omitempty"`
	// Hung are tests that were skipped since they hung in an earlier attempt.
	Hung []string `json:"hung,omitempty"`
	// Refused are commands that the suite asked around tests and the server refused.
	Refused []string `json:"refused,omitempty"`
}

// runner runs files of the suite.
type runner struct {
	dir        string // of the suite
	host, port string
	keepGoing  bool
	testLimit  time.Duration
	fileLimit  time.Duration
}

// units returns the names of all files of tests.
func (r *runner) units(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "tclsh", "tests/test_helper.tcl", "--list-tests")
	cmd.Dir = r.dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return strings.Fields(string(out)), nil
}

// run returns the score of a file. If it is to keep going, tests that hang are
// skipped in further attempts.
func (r *runner) run(ctx context.Context, file string) score {
	var skip []string
	for {
		s := score{File: file, Hung: skip, Outcome: lost}
		began := time.Now()
		err := r.flush(ctx)
		if err == nil {
			err = r.attempt(ctx, &s)
		}
		if err != nil {
			s.Error = err.Error()
		}
		s.Seconds = time.Since(began).Seconds()
		if !r.keepGoing || s.Outcome != hung || s.At == "" || len(skip) == attemptsMax {
			return s
		}
		skip = append(skip, s.At)
	}
}

// attempt runs a file once and adds up its score.
func (r *runner) attempt(ctx context.Context, s *score) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return err
	}
	args := append([]string{"tests/test_helper.tcl", "--host", r.host, "--port", r.port}, suiteArgs...)
	if r.keepGoing {
		args = append(args, "--durable")
	}
	for _, name := range s.Hung {
		args = append(args, "--skiptest", name)
	}
	ctx, cancel := context.WithTimeout(ctx, r.fileLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "tclsh", append(args, "--client", port)...)
	cmd.Dir = r.dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()       // what it did is in the events
		_ = listener.Close() // nobody will come any more
		close(ended)
	}()
	conn, err := listener.Accept()
	if err == nil {
		err = r.follow(conn, s)
		_ = conn.Close()
	}
	cancel()
	<-ended
	if err != nil {
		s.Outcome, s.Error = aborted, firstLine(said.String())
		if s.Error == "" {
			s.Error = err.Error()
		}
	}
	return nil
}

// follow has the process at conn run the file of s, and counts what it reports.
func (r *runner) follow(conn net.Conn, s *score) error {
	in := bufio.NewReader(conn)
	hooked := false
	end := time.Now().Add(r.fileLimit)
	for {
		limit := time.Now().Add(r.testLimit)
		if limit.After(end) {
			limit = end
		}
		if err := conn.SetReadDeadline(limit); err != nil {
			return err
		}
		packet, err := readPacket(in)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			s.Outcome = hung
			return nil
		}
		if err != nil {
			return err
		}
		if len(packet) < 2 {
			return fmt.Errorf("the suite said %q", packet)
		}
		switch status, data := packet[0], packet[1]; status {
		case "ready":
			err = writePacket(conn, "run_code", formatList("hooks", "hooks", hooks))
		case "done":
			if hooked {
				s.Outcome, s.At = through, ""
				return nil
			}
			hooked = true
			err = writePacket(conn, "run", s.File)
		case "testing":
			s.At = data
		case "ok":
			s.OK++
			s.At = ""
		case "err":
			s.Failed++
			s.At = ""
			s.Failures = append(s.Failures, data)
		case "ignore":
			s.Ignored++
		case "refused":
			s.Refused = append(s.Refused, data)
		case "exception":
			s.Outcome, s.Error = aborted, firstLine(strings.TrimPrefix(data, "Executing test client: "))
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// flush deletes what the tests before have left.
func (r *runner) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.testLimit)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(r.host, r.port))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(r.testLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(conn, "*1\r\n$8\r\nFLUSHALL\r\n"); err != nil {
		return err
	}
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if reply = strings.TrimSpace(reply); reply != "+OK" {
		return fmt.Errorf("FLUSHALL: %s", reply)
	}
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
