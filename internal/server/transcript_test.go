package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/resp"
)

// newTestServer serves an empty database that is only in memory, and returns its address.
func newTestServer(t *testing.T, change func(*Options)) string {
	t.Helper()
	_, addr := startServer(t, change)
	return addr
}

// startServer is newTestServer with the server.
func startServer(t *testing.T, change func(*Options)) (*Server, string) {
	t.Helper()
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{DB: db}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

// testClient is a client that sends a request and waits for its reply.
type testClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *testClient {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &testClient{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (c *testClient) send(args ...string) {
	c.t.Helper()
	raw := make([][]byte, len(args))
	for i, a := range args {
		raw[i] = []byte(a)
	}
	if _, err := c.conn.Write(resp.AppendCommand(nil, raw...)); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next reply as text (see show).
func (c *testClient) receive() string {
	c.t.Helper()
	v, err := resp.ReadReply(c.in, resp.ReplyLimits{})
	if err != nil {
		c.t.Fatal(err)
	}
	return show(v)
}

// show writes a reply as transcripts have it: simple strings as they are, bulk strings quoted, numbers plain, errors
// after an exclamation mark.
func show(v resp.Value) string {
	list := func(open, end string) string {
		var parts []string
		for _, e := range v.Elems {
			parts = append(parts, show(e))
		}
		return open + strings.Join(parts, " ") + end
	}
	switch v.Kind {
	case resp.KindNull:
		return "nil"
	case resp.KindNullArray:
		return "nil[]"
	case resp.KindError, resp.KindBulkError:
		return "!" + string(v.Bytes)
	case resp.KindInt:
		return strconv.FormatInt(v.Int, 10)
	case resp.KindBulk:
		return strconv.Quote(string(v.Bytes))
	case resp.KindDouble:
		return fmt.Sprintf(",%v", v.Float)
	case resp.KindBool:
		return fmt.Sprintf("#%v", v.Int == 1)
	case resp.KindVerbatim:
		return v.Format + ":" + strconv.Quote(string(v.Bytes))
	case resp.KindArray:
		return list("[", "]")
	case resp.KindMap:
		return list("%[", "]")
	case resp.KindSet:
		return list("~[", "]")
	case resp.KindPush:
		return list(">[", "]")
	}
	return string(v.Bytes)
}

// TestTranscripts plays the files of testdata, each with a server of its own. A line "> SET a 1" is a request of
// the client without a name, "b> GET a" one of client b, with Go's or no quotes around words; the line below is the reply. Below
// "b~ BLPOP l 0" there is none: it comes with a later line "b<", the reply below that. Lines that begin with # are comments.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, file, strings.Split(string(text), "\n"), newTestServer(t, nil))
		})
	}
}

func play(t *testing.T, file string, lines []string, addr string) {
	t.Helper()
	clients := map[string]*testClient{}
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.IndexAny(line, "><~")
		if at < 0 {
			t.Fatalf("%s:%d: %q is no request", file, i+1, line)
		}
		name := line[:at]
		if clients[name] == nil {
			clients[name] = dial(t, addr)
		}
		if line[at] != '<' {
			clients[name].send(words(t, line[at+1:])...)
		}
		if line[at] == '~' {
			continue
		}
		if i+1 >= len(lines) {
			t.Fatalf("%s:%d: the reply is missing", file, i+1)
		}
		i++
		if got, want := strings.TrimSpace(clients[name].receive()), strings.TrimSpace(lines[i]); got != want {
			t.Errorf("%s:%d: %s\n got %s\nwant %s", file, i, line, got, want)
		}
	}
}

// words splits a request. A word in double quotes has Go's escapes.
func words(t *testing.T, s string) (words []string) {
	t.Helper()
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' {
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				t.Fatalf("%s: %v", s, err)
			}
			word, _ := strconv.Unquote(quoted)
			words, s = append(words, word), s[len(quoted):]
			continue
		}
		word, rest, _ := strings.Cut(s, " ")
		words, s = append(words, word), rest
	}
	return words
}
