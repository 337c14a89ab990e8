package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestHistory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state", "history")
	h := openHistory(name)
	for _, line := range []string{"a", "b", "b", "", "  ", "c"} {
		h.Add(line)
	}
	if got := fmt.Sprintf("%d %s %s %s", h.Len(), h.At(0), h.At(1), h.At(2)); got != "3 c b a" {
		t.Errorf("the history is %s", got)
	}
	h.close()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("others may read the history: %v", info.Mode())
	}
	h = openHistory(name)
	for i := range 3 * historyMax {
		h.Add(fmt.Sprint(i))
	}
	if h.Len() != historyMax || h.At(0) != fmt.Sprint(3*historyMax-1) {
		t.Errorf("%d lines, the newest %s", h.Len(), h.At(0))
	}
	h.close()
	h = openHistory(name) // cuts the file
	if h.Len() != historyMax || h.At(historyMax-1) != fmt.Sprint(2*historyMax) {
		t.Errorf("read back %d lines, the oldest %s", h.Len(), h.At(h.Len()-1))
	}
	h.close()
	content, err := os.ReadFile(name)
	if err != nil || strings.Count(string(content), "\n") != historyMax {
		t.Errorf("the file has %d lines, %v", strings.Count(string(content), "\n"), err)
	}
}

// A shell without a place for its history still has one in memory.
func TestHistoryWithoutFile(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", filepath.Join(blocked, "history")} {
		h := openHistory(name)
		h.Add("a")
		if h.Len() != 1 || h.At(0) != "a" {
			t.Errorf("%q: %v", name, h.lines)
		}
		h.close()
	}
}

// tables is a Store that has tables and nothing else.
type tables struct {
	Store
	list []Table
}

func (s tables) Tables() []Table { return s.list }

func TestComplete(t *testing.T) {
	s := New(tables{list: []Table{{Name: "orders"}, {Name: "order-lines"}, {Name: "stock"}}}, io.Discard)
	for _, test := range []struct{ line, want string }{ // | is the cursor
		{"che|", "checkpoint |"},
		{"de|", "delete|"},
		{"delete-|", "delete-range |"},
		{"x|", "x|"},
		{"get st|", "get stock |"},
		{"get ord|", "get order|"},
		{"get st| key", "get stock | key"},
		{"get stock k|", "get stock k|"},
		{"get |", "get |"},
	} {
		line, after, _ := strings.Cut(test.line, "|")
		got, pos, ok := s.complete(line+after, len(line), '\t')
		if !ok || got[:pos]+"|"+got[pos:] != test.want {
			t.Errorf("%s: got %s|%s, %v, want %s", test.line, got[:pos], got[pos:], ok, test.want)
		}
	}
	if _, _, ok := s.complete("che", 3, 'x'); ok {
		t.Error("a letter completes")
	}
}

func TestCommonPrefix(t *testing.T) {
	for want, words := range map[string][]string{
		"ab":  {"abc", "abd", "ab"},
		"":    {"a", "b"},
		"aü":  {"aüx", "aüy"},
		"a":   {"aä", "aü"}, // they share the first byte of their second letter
		"one": {"one"},
	} {
		if got := commonPrefix(words); got != want {
			t.Errorf("%q: got %q, want %q", words, got, want)
		}
	}
}

// ^C clears the line instead of ending the input, wherever a read cuts it.
func TestKillLine(t *testing.T) {
	typed := "get\x03\x03put\x03"
	want := "get\x05\x15\x05\x15put\x05\x15"
	for _, in := range []io.Reader{strings.NewReader(typed), iotest.OneByteReader(strings.NewReader(typed)), iotest.DataErrReader(strings.NewReader(typed))} {
		got, err := io.ReadAll(killLine{in})
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestExecuteInterruptibly(t *testing.T) {
	s := New(nil, &bytes.Buffer{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.executeInterruptibly(ctx, "format raw"); err != nil || s.Format != Raw {
		t.Errorf("got %v, format %v", err, s.Format)
	}
}
