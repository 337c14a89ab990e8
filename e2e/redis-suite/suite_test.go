package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestListsReadBack(t *testing.T) {
	for _, words := range [][]string{
		{}, {""}, {"ok", "SET and GET an item", "12"}, {"{", "}", "a}b{", `back\slash\`, "\"quoted\"", "$x[y];#"},
		{"several\nlines\twith\rblanks", " ", "\x00\xff"}, {hooks},
	} {
		got, err := parseList(formatList(words...))
		if err != nil || !slices.Equal(got, words) {
			t.Errorf("%q was read as %q, %v", words, got, err)
		}
	}
}

// As Tcl writes them.
func TestListsOfTcl(t *testing.T) {
	for text, want := range map[string][]string{
		`ok {SET and GET an item} 0`:     {"ok", "SET and GET an item", "0"},
		`ignore {a: {b}} {}`:             {"ignore", "a: {b}", ""},
		`err a\ \{\nb "c d" {e \{ f}`:    {"err", "a {\nb", "c d", `e \{ f`},
		"exception {two\nlines} {x\\\\}": {"exception", "two\nlines", `x\\`},
	} {
		if got, err := parseList(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q was read as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"{", "{a", `"a`, `a\`, "a {b"} {
		if got, err := parseList(text); err == nil {
			t.Errorf("%q was read as %q", text, got)
		}
	}
}

func TestNewlinesInPackets(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("11\r\nok {a\r\nb\r} 0ok"))
	if words, err := readPacket(in); err != nil || !slices.Equal(words, []string{"ok", "a\nb\r", "0"}) {
		t.Errorf("it was read as %q, %v", words, err)
	}
}

func FuzzPackets(f *testing.F) {
	f.Add([]byte("8\nok {a b}"))
	f.Add([]byte("99999999999\n"))
	f.Add([]byte("-1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		words, err := readPacket(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := writePacket(&b, words...); err != nil {
			t.Fatal(err)
		}
		if again, err := readPacket(bufio.NewReader(&b)); err != nil || !slices.Equal(again, words) {
			t.Errorf("%q was read back as %q, %v", words, again, err)
		}
	})
}

// follow runs a runner against packets that a suite would send.
func follow(t *testing.T, limit time.Duration, packets ...[]string) score {
	t.Helper()
	here, there := net.Pipe()
	defer func() { _ = here.Close() }()
	go func() {
		in := bufio.NewReader(there)
		for _, p := range packets {
			if err := writePacket(there, p...); err != nil {
				return
			}
			if p[0] == "ready" || p[0] == "done" {
				if _, err := readPacket(in); err != nil {
					return
				}
			}
		}
	}()
	r := runner{testLimit: limit, fileLimit: time.Minute}
	s := score{File: "unit/x"}
	if err := r.follow(here, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScoreOfAFile(t *testing.T) {
	began := [][]string{{"ready", "1", "0"}, {"done", "hooks", "0"}, {"testing", "first", "0"}, {"ok", "first", "3"}, {"ignore", "second: tag", "0"}, {"testing", "third", "0"}}
	s := follow(t, time.Minute, append(began, []string{"err", "third in unit/x", "0"}, []string{"refused", "function flush: ERR", "0"}, []string{"done", "unit/x", "0"})...)
	if s.OK != 1 || s.Failed != 1 || s.Ignored != 1 || s.Outcome != through || len(s.Refused) != 1 {
		t.Errorf("a file that ran through has the score %+v", s)
	}
	s = follow(t, time.Minute, append(began, []string{"exception", "Executing test client: ERR unknown command.\nat line 3", "0"})...)
	if s.OK != 1 || s.Outcome != aborted || s.At != "third" || s.Error != "ERR unknown command." {
		t.Errorf("a file that was aborted has the score %+v", s)
	}
	s = follow(t, time.Millisecond, began...)
	if s.Outcome != hung {
		t.Errorf("a file with a test that hangs has the score %+v", s)
	}
}

// TestWhoLeads has nodes that leave the connection open behind their reply.
func TestWhoLeads(t *testing.T) {
	for reply, want := range map[string]bool{
		":0\r\n*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n":                                      true,
		":0\r\n*5\r\n$5\r\nslave\r\n$0\r\n\r\n:0\r\n$7\r\nconnect\r\n:0\r\n":            false,
		"-CLUSTERDOWN no replica leads\r\n*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n":           false,
		"-LOADING no node has led\r\n-LOADING no node has led since it was started\r\n": false,
	} {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := io.WriteString(conn, reply); err == nil {
				_, _ = io.Copy(io.Discard, conn) // until it is hung up
			}
			_ = conn.Close()
		}()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if got := leads(t.Context(), port); got != want {
			t.Errorf("%q says %v", reply, got)
		}
		_ = l.Close()
	}
}

func TestSourceListsOfTheMachine(t *testing.T) {
	etc, parts := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(etc, "sources.list.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sources.list":             "# packages\ndeb http://mirror.example/debian bookworm main\n",
		"sources.list.d/x.sources": "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n",
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := sourceLists(etc, parts); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"sources.list": "\ndeb-src http://", "x.sources": "Types: deb-src\n"} {
		data, err := os.ReadFile(filepath.Join(parts, name))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s is %q, %v", name, data, err)
		}
	}
}

func TestBar(t *testing.T) {
	files := []score{{Outcome: through}, {Outcome: aborted}}
	for _, c := range []struct {
		r    report
		fits bool
	}{
		{report{OK: 10, Files: files}, true},
		{report{OK: 9, Files: files}, false},
		{report{OK: 10, Files: files, Hung: 1}, false},
		{report{OK: 10, Files: files, Crashed: true}, false},
		{report{OK: 10, Files: append([]score{{Outcome: notRun}}, files...)}, false},
	} {
		if err := c.r.reaches(10); (err == nil) != c.fits {
			t.Errorf("%+v reaches the bar: %v", c.r, err)
		}
	}
}
