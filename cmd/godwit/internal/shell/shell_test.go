package shell_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"
	"github.com/godwitdb/godwit/cmd/godwit/internal/shell/shelltest"
)

func TestTranscripts(t *testing.T) {
	shelltest.Run(t, func(*testing.T) shell.Store { return newFake() })
}

func TestRun(t *testing.T) {
	tests := []struct {
		name, script, out, err string
		keeps                  string // the value of k in t afterwards
	}{
		{"to the end", "create t\nput t k 1\n\n# a comment\nget t k", "\"1\"\n", "", "1"},
		{"to exit", "create t\nput t k 1\nexit\nput t k 2", "", "", "1"},
		{"to the first error", "create t\nput t k 1\nget t nothing\nput t k 2", "", `script, line 3: key "nothing" does not exist`, "1"},
		{"with an open transaction", "create t\nput t k 1\nbegin x\nput t k 2", "", "without commit, rolled back: x", "1"},
		{"exit in a transaction", "create t\nput t k 1\nbegin x\nput t k 2\nexit", "", "without commit, rolled back: x", "1"},
		{"an error in a transaction", "create t\nput t k 1\nbegin x\nput t k 2\nput t", "", "script, line 5: usage: put TABLE KEY VALUE [KEY VALUE...]", "1"},
		{"an open snapshot", "create t\nput t k 1\nsnapshot", "", "", "1"},
		{"a reader that is open", "create t\nput t k 1\nbegin readonly", "", "", "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store := newFake()
			var out bytes.Buffer
			err := shell.New(store, &out).Run(t.Context(), "script", strings.NewReader(test.script))
			if got := message(err); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
			if out.String() != test.out {
				t.Errorf("printed %q, want %q", out.String(), test.out)
			}
			if got := store.now["t"]["k"]; got != test.keeps {
				t.Errorf("k is %q, want %q", got, test.keeps)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRunReportsWhatItCannotRead(t *testing.T) {
	broken := errors.New("broken pipe")
	script := io.MultiReader(strings.NewReader("create t\n"), errorReader{broken})
	err := shell.New(newFake(), io.Discard).Run(t.Context(), "script", script)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

// A script that does not go on is given up when its context ends.
func TestRunIsInterrupted(t *testing.T) {
	in, typing := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	store := newFake()
	result := make(chan error)
	go func() { result <- shell.New(store, io.Discard).Run(ctx, "script", in) }()
	for _, line := range []string{"create t\n", "begin\n", "put t k v\n"} {
		if _, err := io.WriteString(typing, line); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got, there := store.now["t"]["k"]; there {
		t.Errorf("the open transaction was applied: %q", got)
	}
	if err := typing.Close(); err != nil {
		t.Fatal(err)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// An error of the database at the start of a transaction is the command's.
func TestBeginFails(t *testing.T) {
	store := newFake()
	store.failWith = errors.New("the log failed")
	s := shell.New(store, io.Discard)
	if err := s.Execute(t.Context(), "begin"); !errors.Is(err, store.failWith) {
		t.Errorf("begin returned %v", err)
	}
	if err := s.Execute(t.Context(), "commit"); err == nil || !strings.Contains(err.Error(), "no transaction is open") {
		t.Errorf("commit returned %v", err)
	}
}

// A transaction that cannot start yet is given up with its command.
func TestBeginIsInterrupted(t *testing.T) {
	store := newFake()
	store.blocked = true
	s := shell.New(store, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Execute(ctx, "begin") }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("begin returned %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestScanIsInterrupted(t *testing.T) {
	store := newFake()
	store.now["t"] = map[string]string{}
	for i := range 10_000 {
		store.now["t"][string(rune(i))] = ""
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelAfter{rows: 1000, cancel: cancel}
	err := shell.New(store, out).Execute(ctx, "scan t")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("scan returned %v", err)
	}
	if out.seen < 1000 || out.seen > 2000 {
		t.Errorf("scan printed %d rows; it was to stop soon after 1000", out.seen)
	}
}

// cancelAfter cancels once that many rows were written to it.
type cancelAfter struct {
	rows, seen int
	cancel     func()
}

func (c *cancelAfter) Write(p []byte) (int, error) {
	if c.seen++; c.seen == c.rows {
		c.cancel()
	}
	return len(p), nil
}

func TestBackupAndRestore(t *testing.T) {
	store := newFake()
	s := shell.New(store, io.Discard)
	dir := t.TempDir()
	file := filepath.Join(dir, "b")
	run := func(line, want string) {
		t.Helper()
		if got := message(s.Execute(t.Context(), line)); got != want {
			t.Errorf("%s: error %q, want %q", line, got, want)
		}
	}
	run("backup '"+file+"'", "")
	if got, err := os.ReadFile(file); err != nil || string(got) != store.backup {
		t.Errorf("the backup holds %q, %v", got, err)
	}
	run("backup '"+file+"'", file+" exists already")
	run("restore '"+file+"' folder", "")
	if got := store.restored["folder"]; got != store.backup {
		t.Errorf("restore read %q", got)
	}
	run("checkpoint", "")
	run("checkpoint now", "usage: checkpoint")
	run("backup", "usage: backup FILE")
	run("restore x", "usage: restore FILE DIR")
	run("stats all", "usage: stats")

	// One that fails leaves nothing behind.
	failed := errors.New("read error")
	err := shell.BackupFile(t.Context(), func(_ context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return failed
	}, filepath.Join(dir, "c"))
	if !errors.Is(err, failed) {
		t.Errorf("a failed backup returned %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "b" {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	var out bytes.Buffer
	s := shell.New(newFake(), &out)
	if err := s.Execute(t.Context(), "help"); err != nil {
		t.Fatal(err)
	}
	names := 0
	for line := range strings.Lines(out.String()) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "   ") {
			continue // not a command, or more about one
		}
		names++
		out.Reset()
		if err := s.Execute(t.Context(), "help "+name); err != nil || !strings.HasPrefix(out.String(), name) {
			t.Errorf("help %s: %q, %v", name, out.String(), err)
		}
	}
	if names < 20 {
		t.Errorf("help names %d commands", names)
	}
}

func TestStats(t *testing.T) {
	var out bytes.Buffer
	s := shell.New(newFake(), &out)
	for _, line := range []string{"create t", "put t k v", "stats"} {
		if err := s.Execute(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(out.String(), "transactions ") || !strings.HasSuffix(out.String(), " 1\n") {
		t.Errorf("stats printed %q", out.String())
	}
}
