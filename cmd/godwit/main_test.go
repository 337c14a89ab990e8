package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/shell"
	"github.com/godwitdb/godwit/cmd/godwit/internal/shell/shelltest"
)

// The shell's transcripts hold for a real database too.
func TestTranscripts(t *testing.T) {
	shelltest.Run(t, func(t *testing.T) shell.Store {
		db, err := godwit.Open(filepath.Join(t.TempDir(), "data"), testOptions())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return store{db}
	})
}

func testOptions() *godwit.Options {
	return &godwit.Options{MemoryLimit: 64 << 20, LogSegmentBytes: 1 << 20}
}

// command runs a command line and returns what it printed and its exit code.
func command(t *testing.T, in string, args ...string) (out, errs string, code int) {
	t.Helper()
	if len(args) > 0 && (args[0] == "cli" || args[0] == "backup") {
		// A race build takes the memory at once.
		args = append(slices.Clone(args), "--memory=64")
	}
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(in), &o, &e)
	return o.String(), e.String(), code
}

// expect runs a command line and demands its exit code and its output.
func expect(t *testing.T, in string, args []string, wantCode int, wantOut, wantErrs string) {
	t.Helper()
	out, errs, code := command(t, in, args...)
	if code != wantCode || out != wantOut || errs != wantErrs {
		t.Errorf("godwit %s: exit code %d, want %d\noutput %q\n  want %q\nerrors %q\n  want %q",
			strings.Join(args, " "), code, wantCode, out, wantOut, errs, wantErrs)
	}
}

func TestCLI(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	expect(t, "", []string{"cli", dir, "-e", "create t", "-e", "put t k v"}, exitOK, "", "")
	expect(t, "", []string{"cli", dir, "-e", "get t k"}, exitOK, "\"v\"\n", "")
	expect(t, "", []string{"cli", dir, "--format", "hex", "-e", "get t k"}, exitOK, "0x76\n", "")
	expect(t, "", []string{"cli", dir, "--format", "octal", "-e", "get t k"}, exitUsage, "", "godwit: unknown format \"octal\": it is one of quoted, hex, raw\n")
	expect(t, "", []string{"cli", dir, "-e", "get t nothing", "-e", "put t k w"}, exitFailed, "", "godwit: -e, line 1: key \"nothing\" does not exist\n")
	expect(t, "get t k\nbegin\nput t k w\n", []string{"cli", dir}, exitFailed, "\"v\"\n", "godwit: without commit, rolled back: t1\n")
	expect(t, "begin\nput t k w\ncommit\nget t k\n", []string{"cli", dir}, exitOK, "\"w\"\n", "")
	expect(t, "scan t\nnonsense\n", []string{"cli", dir}, exitFailed, "\"k\" \"w\"\n", "godwit: standard input, line 2: unknown command \"nonsense\"; help lists them\n")
	expect(t, "", []string{"cli"}, exitUsage, "", "godwit: 0 arguments given, usage: godwit cli DIR [flags]\n")
	expect(t, "", []string{"cli", dir, "--nonsense"}, exitUsage, "", "godwit: unknown flag: --nonsense\n")
	expect(t, "", []string{"nonsense"}, exitUsage, "", "godwit: unknown command \"nonsense\" for \"godwit\"\n")

	out, _, code := command(t, "", "cli", dir, "-e", "stats")
	for _, want := range []string{"Records ", "Log.SyncP99 ", "Checkpoint.Created ", "MemoryLimitBytes "} {
		if !strings.Contains(out, want) {
			t.Errorf("stats do not show %s:\n%s", want, out)
		}
	}
	if code != exitOK {
		t.Errorf("stats: exit code %d", code)
	}
}

// A program that reads what a line has printed before it sends the next is not
// kept waiting.
func TestCLIAnswersEachLine(t *testing.T) {
	lines, in := io.Pipe()
	out, printed := io.Pipe()
	ended := make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		code := run(ctx, []string{"cli", filepath.Join(t.TempDir(), "data"), "--memory=64"}, lines, printed, printed)
		_ = printed.Close()
		ended <- code
	}()
	if _, err := io.WriteString(in, "create t\nput t k v\n"); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(out)
	for range 3 {
		if _, err := io.WriteString(in, "get t k\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := answers.ReadString('\n'); answer != "\"v\"\n" {
			t.Fatalf("answer %q, %v", answer, err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		out, _, code := command(t, "", arg)
		if code != exitOK || !strings.HasPrefix(out, "godwit ") || !strings.Contains(out, ", go1.") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %q, exit code %d", arg, out, code)
		}
	}
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	data, file, copied := filepath.Join(dir, "data"), filepath.Join(dir, "backup"), filepath.Join(dir, "copy")
	expect(t, "", []string{"cli", data, "-e", "create t", "-e", "create h hashed", "-e", "put t a 1 b 2", "-e", "put h c 3"}, exitOK, "", "")
	expect(t, "", []string{"backup", data, file}, exitOK, "", "")
	expect(t, "", []string{"backup", data, file}, exitFailed, "", "godwit: "+file+" exists already\n")
	expect(t, "", []string{"restore", file, copied}, exitOK, "", "")
	out, errs, code := command(t, "", "check", copied)
	if code != exitOK || !strings.Contains(out, "nothing to recover") || strings.Contains(out, "not closed") {
		t.Errorf("check of what was restored: exit code %d, %s%s", code, out, errs)
	}
	expect(t, "", []string{"cli", copied, "-e", "tables", "-e", "scan t", "-e", "get h c"}, exitOK, "\"h\" hashed\n\"t\" ordered\n\"a\" \"1\"\n\"b\" \"2\"\n\"3\"\n", "")
	if _, errs, code := command(t, "", "restore", file, copied); code != exitFailed || !strings.Contains(errs, copied) {
		t.Errorf("restore over a database: exit code %d, %s", code, errs)
	}

	// Through standard output and input.
	out, _, code = command(t, "", "backup", data, "-")
	if code != exitOK {
		t.Fatalf("backup to standard output: exit code %d", code)
	}
	piped := filepath.Join(dir, "piped")
	expect(t, out, []string{"restore", "-", piped}, exitOK, "", "")
	expect(t, "", []string{"cli", piped, "-e", "count t"}, exitOK, "2\n", "")
	if _, _, code := command(t, out[:len(out)-1], "restore", "-", filepath.Join(dir, "cut")); code != exitFailed {
		t.Errorf("restore of half a backup: exit code %d", code)
	}

	// No command but cli makes a database.
	for _, missing := range []string{filepath.Join(dir, "missing"), t.TempDir()} {
		if _, errs, code := command(t, "", "backup", missing, filepath.Join(dir, "b")); code != exitUsage || errs == "" {
			t.Errorf("backup of nothing: exit code %d, %q", code, errs)
		}
	}
	expectMissing(t, filepath.Join(dir, "b"))
	expectMissing(t, filepath.Join(dir, "missing"))
}

func expectMissing(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("%s: %v", name, err)
	}
}

func TestCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	expect(t, "", []string{"cli", dir, "-e", "create t", "-e", "put t k v", "-e", "checkpoint", "-e", "put t k w"}, exitOK, "", "")
	out, errs, code := command(t, "", "check", dir)
	if code != exitOK || errs != "" || !strings.HasSuffix(out, dir+": ok\n") || !strings.Contains(out, "state       closed\n") {
		t.Errorf("of a sound folder: exit code %d, %s\n%s", code, errs, out)
	}

	// A flipped bit in the middle of the checkpoint.
	parts, err := filepath.Glob(filepath.Join(dir, "checkpoint", "*", "*"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("no parts of a checkpoint: %v, %v", parts, err)
	}
	part := parts[0]
	content, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(part, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = command(t, "", "check", dir)
	if code != exitFailed || errs != "" || !strings.Contains(out, "problem     "+part+", offset ") || !strings.Contains(out, dir+": problems found: ") {
		t.Errorf("of a damaged folder: exit code %d, %s\n%s", code, errs, out)
	}
	out, errs, code = command(t, "", "check", "--json", dir)
	var report checkJSON
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitFailed || errs != "" {
		t.Fatalf("as JSON: exit code %d, %s, %v\n%s", code, errs, err, out)
	}
	if report.OK || len(report.Problems) == 0 || report.Problems[0].File != part || report.Problems[0].Offset == nil || report.Problems[0].Reason == "" {
		t.Errorf("as JSON: %+v", report)
	}
	if _, errs, code := command(t, "", "cli", dir, "-e", "tables"); code != exitUsage || !strings.Contains(errs, part) {
		t.Errorf("a damaged folder was opened: exit code %d, %s", code, errs)
	}

	// What cannot be checked.
	for _, args := range [][]string{{"check", filepath.Join(dir, "missing")}, {"check", t.TempDir()}, {"check"}} {
		if out, errs, code := command(t, "", args...); code != exitUsage || errs == "" || out != "" {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, errs)
		}
	}
	expectMissing(t, filepath.Join(dir, "missing"))
}

func TestFolderInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	db, err := godwit.Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"cli", dir, "-e", "tables"}, {"check", dir}, {"backup", dir, filepath.Join(t.TempDir(), "b")}} {
		if _, errs, code := command(t, "", args...); code != exitUsage || !strings.Contains(errs, "in use") {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := command(t, "", "check", dir); code != exitOK {
		t.Errorf("check after Close: exit code %d, %s", code, errs)
	}
}

func TestFlatten(t *testing.T) {
	type inner struct {
		When    time.Time
		Latency time.Duration
		Failed  error
	}
	figures := struct {
		Count uint64
		Inner inner
		Other inner
	}{7, inner{}, inner{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Second, errors.New("broken")}}
	got := fmt.Sprint(flatten("", reflect.ValueOf(figures)))
	want := "[{Count 7} {Inner.When never} {Inner.Latency 0s} {Inner.Failed none} {Other.When 2026-01-02T03:04:05Z} {Other.Latency 1s} {Other.Failed broken}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
