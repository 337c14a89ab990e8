package script

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// With -redis, the results in testdata/redis.txt are taken from a Redis 7.0,
// whose database is emptied before each script.
var redisAddr = flag.String("redis", "", "address of a Redis 7.0 to take the expected results from")

const resultsFile = "testdata/redis.txt"

// TestAsRedis runs scripts whose results a real Redis has given. The file has a
// script, "=> " and its result, an empty line, and so on.
func TestAsRedis(t *testing.T) {
	cases := readCases(t)
	if *redisAddr != "" {
		takeResults(t, cases)
	}
	var pool Pool
	for _, tc := range cases {
		prog, err := Compile([]byte(tc.script))
		var got string
		if err != nil {
			got = "-" + err.Error()
		} else {
			db := newFakeRedis()
			v, err := pool.Run(context.Background(), prog, [][]byte{[]byte("k1"), []byte("k2")}, [][]byte{[]byte("a1"), []byte("a\x00\xff2")}, db.env())
			if err != nil {
				t.Errorf("%s\n%v", tc.script, err)
				continue
			}
			got = render(v)
		}
		if got != tc.want {
			t.Errorf("\n%s\n got %s\nwant %s", tc.script, got, tc.want)
		}
	}
}

type redisCase struct{ script, want string }

func readCases(t *testing.T) (cases []*redisCase) {
	data, err := os.ReadFile(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		script, want, _ := strings.Cut(block, "\n=> ")
		cases = append(cases, &redisCase{script, want})
	}
	return cases
}

func takeResults(t *testing.T, cases []*redisCase) {
	conn, err := net.Dial("tcp", *redisAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	command := func(args ...string) string {
		var b bytes.Buffer
		fmt.Fprintf(&b, "*%d\r\n", len(args))
		for _, arg := range args {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
		}
		if _, err := conn.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		return render(readReply(t, r))
	}
	command("HELLO", "3")
	var out strings.Builder
	for _, tc := range cases {
		command("FLUSHALL")
		command("SCRIPT", "FLUSH")
		tc.want = command("EVAL", tc.script, "2", "k1", "k2", "a1", "a\x00\xff2")
		fmt.Fprintf(&out, "%s\n=> %s\n\n", tc.script, tc.want)
	}
	if err := os.WriteFile(resultsFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readReply(t *testing.T, r *bufio.Reader) Value {
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	kind, rest := line[0], strings.TrimSuffix(line[1:], "\r\n")
	n, _ := strconv.Atoi(rest)
	elems := func(n int) (vs []Value) {
		for range n {
			vs = append(vs, readReply(t, r))
		}
		return vs
	}
	switch kind {
	case '+':
		return Value{Kind: KindStatus, Str: []byte(rest)}
	case '-':
		return Value{Kind: KindError, Str: []byte(rest)}
	case ':':
		return Value{Kind: KindInt, Int: int64(n)}
	case '(':
		return Value{Kind: KindBigNumber, Str: []byte(rest)}
	case ',':
		f, _ := strconv.ParseFloat(rest, 64)
		return Value{Kind: KindDouble, Double: f}
	case '#':
		return Value{Kind: KindBool, Int: int64(strings.Index("ft", rest))}
	case '$', '=':
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		return Value{Kind: map[byte]Kind{'$': KindBulk, '=': KindVerbatim}[kind], Str: b[:n]}
	case '*':
		return Value{Kind: KindArray, Elems: elems(n)}
	case '~':
		return Value{Kind: KindSet, Elems: elems(n)}
	case '%':
		return Value{Kind: KindMap, Elems: elems(2 * n)}
	}
	return Value{}
}

// render writes a reply on one line.
func render(v Value) string {
	list := func(left, right string) string {
		var parts []string
		for _, e := range v.Elems {
			parts = append(parts, render(e))
		}
		return left + strings.Join(parts, " ") + right
	}
	switch v.Kind {
	case KindInt:
		return fmt.Sprintf(":%d", v.Int)
	case KindBulk:
		return strconv.QuoteToASCII(string(v.Str))
	case KindStatus:
		return "+" + string(v.Str)
	case KindError:
		return "-" + string(v.Str)
	case KindArray:
		return list("[", "]")
	case KindDouble:
		return fmt.Sprintf(",%v", v.Double)
	case KindBool:
		return fmt.Sprintf("#%v", v.Int == 1)
	case KindMap:
		return list("%{", "}")
	case KindSet:
		return list("~{", "}")
	case KindBigNumber:
		return "(" + string(v.Str)
	case KindVerbatim:
		return "=" + strconv.QuoteToASCII(string(v.Str))
	}
	return "nil"
}

// fakeRedis knows a few commands.
type fakeRedis struct {
	proto   int
	strings map[string][]byte
	hash    []Value
}

func newFakeRedis() *fakeRedis { return &fakeRedis{proto: 2, strings: map[string][]byte{}} }

func (db *fakeRedis) env() Env {
	return Env{
		Call:     db.call,
		SetProto: func(v int) { db.proto = v },
		ACLCheck: func(args [][]byte) (bool, bool) { return true, string(args[0]) != "nosuch" },
	}
}

func (db *fakeRedis) call(args [][]byte) (Value, error) {
	ok := Value{Kind: KindStatus, Str: []byte("OK")}
	switch strings.ToLower(string(args[0])) {
	case "ping":
		return Value{Kind: KindStatus, Str: []byte("PONG")}, nil
	case "echo":
		return Value{Kind: KindBulk, Str: args[1]}, nil
	case "set":
		db.strings[string(args[1])] = args[2]
		return ok, nil
	case "get":
		v, found := db.strings[string(args[1])]
		if !found {
			return Value{}, nil
		}
		return Value{Kind: KindBulk, Str: v}, nil
	case "incr":
		var n int64
		if v, found := db.strings[string(args[1])]; found {
			if _, err := fmt.Sscan(string(v), &n); err != nil {
				return refusal("ERR value is not an integer or out of range")
			}
		}
		db.strings[string(args[1])] = strconv.AppendInt(nil, n+1, 10)
		return Value{Kind: KindInt, Int: n + 1}, nil
	case "mget":
		v := Value{Kind: KindArray}
		for _, key := range args[1:] {
			one, _ := db.call([][]byte{[]byte("get"), key})
			v.Elems = append(v.Elems, one)
		}
		return v, nil
	case "hset":
		for _, arg := range args[2:] {
			db.hash = append(db.hash, Value{Kind: KindBulk, Str: arg})
		}
		return Value{Kind: KindInt, Int: int64(len(args)-2) / 2}, nil
	case "hgetall":
		if db.proto == 3 {
			return Value{Kind: KindMap, Elems: db.hash}, nil
		}
		return Value{Kind: KindArray, Elems: db.hash}, nil
	case "hget":
		return refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
	}
	return refusal("ERR Unknown Redis command called from script")
}

func refusal(text string) (Value, error) { return errorValue(text), nil }
