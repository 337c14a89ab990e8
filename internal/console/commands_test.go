package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

var testTime = time.Unix(1_800_000_000, 0)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		`SET a 1`:                   {"SET", "a", "1"},
		"  GET\t a  ":               {"GET", "a"},
		`SET "a b" 'c d'`:           {"SET", "a b", "c d"},
		`SET "\x00\xff\n\"\\\q" ""`: {"SET", "\x00\xff\n\"\\q", ""},
		`SET 'it\'s \n' x`:          {"SET", `it's \n`, "x"},
		`SET "\xz" "\x1`:            nil,
		`SET "a"b`:                  nil,
		`SET 'a`:                    nil,
		`SET "\x4" a`:               {"SET", "x4", "a"},
		``:                          {},
	} {
		got, err := words(line)
		if (err != nil) != (want == nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`SET "a\x00" 'b'`)
	f.Fuzz(func(t *testing.T, line string) {
		list, err := words(line)
		if err != nil {
			return
		}
		for _, w := range list { // it can be said again
			again, err := words(quote(w))
			if err != nil || len(again) != 1 || again[0] != w {
				t.Errorf("%q became %q, %v", w, again, err)
			}
		}
	})
}

// quote writes a word so that every byte is an escape.
func quote(w string) string {
	var b strings.Builder
	for i := range len(w) {
		fmt.Fprintf(&b, `\x%02x`, w[i])
	}
	return `"` + b.String() + `"`
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"plain ä\n": "plain ä\n", "a\\b": "a\\b", "\xffa\\": `\xffa\\`, "\x00": `\x00`, "\u202e": `\xe2\x80\xae`} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

type runAnswer struct {
	Ran              []ran
	Outcome, Failure string
	Error            string
}

func runLines(t *testing.T, url, lines string, transaction bool) (a runAnswer) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"Lines": lines, "Transaction": transaction})
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, "POST", url+"/api/run", string(body), nil)
	if err := json.Unmarshal([]byte(got.text), &a); err != nil {
		t.Fatalf("%s: %v", got.text, err)
	}
	return a
}

func TestRun(t *testing.T) {
	s := start(t, &fakeNode{reply: func(_ string, args []string, out *resp.Writer) {
		switch args[0] {
		case "EXEC":
			out.Array(2)
			out.Int(1)
			out.Error("ERR no")
		case "GET":
			out.Null()
		default:
			out.SimpleString("QUEUED")
		}
	}})
	a := runLines(t, s.URL, "# money\nINCR a\n\nINCR 'b'", true)
	if a.Outcome != "done" || len(a.Ran) != 2 || a.Ran[0].Reply.Text != "1" || a.Ran[1].Reply.Kind != "error" || a.Ran[1].Line != "INCR 'b'" {
		t.Errorf("a transaction: %+v", a)
	}
	if a := runLines(t, s.URL, "GET a\nPING", false); len(a.Ran) != 2 || a.Ran[0].Reply.Kind != "null" || a.Ran[1].Reply.Kind != "status" {
		t.Errorf("one by one: %+v", a)
	}
	for _, bad := range []string{"", "# nothing", `GET "a`, strings.Repeat("PING\n", linesMax+1)} {
		if a := runLines(t, s.URL, bad, true); a.Error == "" {
			t.Errorf("%.20q: %+v", bad, a)
		}
	}
}

// A watched key that has changed, and an EXEC that is refused.
func TestRunRefused(t *testing.T) {
	null := true
	s := start(t, &fakeNode{reply: func(_ string, args []string, out *resp.Writer) {
		switch {
		case args[0] == "EXEC" && null:
			out.NullArray()
		case args[0] == "EXEC":
			out.Error("EXECABORT Transaction discarded because of previous errors.")
		case args[0] == "BAD":
			out.Error("ERR unknown command")
		default:
			out.SimpleString("QUEUED")
		}
	}})
	if a := runLines(t, s.URL, "INCR a", true); a.Outcome != "nothing" || len(a.Ran) != 0 {
		t.Errorf("%+v", a)
	}
	null = false
	if a := runLines(t, s.URL, "INCR a\nBAD", true); !strings.HasPrefix(a.Outcome, "EXECABORT") || len(a.Ran) != 2 || a.Ran[1].Reply.Kind != "error" {
		t.Errorf("%+v", a)
	}
}

// The pages of a search go on until there are enough keys, and describe those that are still there.
func TestKeys(t *testing.T) {
	var scans int
	s := start(t, &fakeNode{reply: func(_ string, args []string, out *resp.Writer) {
		switch args[0] {
		case "SCAN":
			scans++
			out.Array(2)
			out.BulkString(map[bool]string{true: "0", false: "17"}[args[1] == "17"])
			out.Array(1)
			out.BulkString(fmt.Sprintf("k\xff%s", args[1]))
		case "TYPE":
			out.SimpleString(map[bool]string{true: "none", false: "hash"}[strings.HasSuffix(args[1], "0")])
		case "PTTL":
			out.Int(1500)
		case "DBSIZE":
			out.Int(2)
		default:
			out.OK()
		}
	}})
	got := ask(t, "GET", s.URL+"/api/keys?match=k*&type=hash", "", nil)
	if want := `{"cursor":"0","keys":[{"key":"a_8xNw","name":"k\\xff17","type":"hash","ttl":1500}],"size":2}`; strings.TrimSpace(got.text) != want || scans != 2 {
		t.Errorf("%d scans, got %s", scans, got.text)
	}
}

func TestErrorsOfTheServerAreShown(t *testing.T) {
	s := start(t, &fakeNode{reply: func(_ string, args []string, out *resp.Writer) {
		if args[0] == "SCAN" {
			out.Error("NOPERM this user has no permissions to run the 'scan' command")
			return
		}
		out.OK()
	}})
	got := ask(t, "GET", s.URL+"/api/keys", "", nil)
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text, "NOPERM") {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := ask(t, "GET", s.URL+"/api/key?key=!", "", nil); got.status != http.StatusBadRequest {
		t.Errorf("a malformed key: %d", got.status)
	}
}
