package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/script"
)

func newTestScripts() *Scripts {
	return NewScripts(slog.New(slog.DiscardHandler), DefaultScriptBusy, DefaultScriptTimeMax)
}

// A script is ended when the memory has grown by too much since it was first looked at.
func TestScriptsMemory(t *testing.T) {
	s := newTestScripts()
	p, err := s.compile([]byte("while true do redis.call('x') end"))
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan struct{})
	ended := make(chan error)
	go func() {
		first := true
		_, err := s.run(context.Background(), p, nil, nil, script.Env{Call: func([][]byte) (script.Value, error) {
			if first {
				first = false
				close(running)
			}
			return script.Value{}, nil
		}})
		ended <- err
	}()
	<-running
	for _, heap := range []uint64{100, 50, 50 + ScriptHeapBytes} {
		s.watch(func() uint64 { return heap })
		select {
		case err := <-ended:
			t.Fatalf("ended with %d bytes: %v", heap, err)
		default:
		}
	}
	s.watch(func() uint64 { return 51 + ScriptHeapBytes })
	if err := <-ended; !errors.Is(err, ErrScriptMemory) {
		t.Error(err)
	}
}

func TestScriptsCacheIsBounded(t *testing.T) {
	s := newTestScripts()
	var shas []string
	const n = 70
	for i := range n {
		p, err := s.compile(fmt.Appendf(nil, "return %d --%s", i, strings.Repeat("x", 1<<16)))
		if err != nil {
			t.Fatal(err)
		}
		shas = append(shas, p.SHA)
		if s.find(shas[0]) == nil {
			t.Fatalf("after %d scripts the first, which is in use, is forgotten", i)
		}
	}
	if s.find(shas[1]) != nil || s.find(shas[n-1]) == nil {
		t.Error("not what was used last is kept")
	}
	if s.mu.bytes > ScriptCacheBytes {
		t.Errorf("%d bytes", s.mu.bytes)
	}
	s.flush()
	if s.find(shas[n-1]) != nil || s.mu.bytes != 0 {
		t.Error("not all are forgotten")
	}
}

// What a command writes, a script gets, and what it returns, the client gets.
func TestScriptValue(t *testing.T) {
	for _, proto := range []int{2, 3} {
		w := resp.Writer{Proto: proto}
		w.Array(8)
		w.Int(-5)
		w.Bulk([]byte("a\r\nb"))
		w.SimpleString("fine")
		w.Null()
		w.Double(1.5)
		w.Array(2)
		w.Error("ERR no")
		w.NullArray()
		w.Set(1)
		w.BulkString("member")
		w.Map(1)
		w.Verbatim("txt", "x")
		w.BigNumber("123456789012345678901234567890")
		v, rest := decodeValue(w.Bytes())
		if len(rest) != 0 {
			t.Errorf("RESP%d: %q is left", proto, rest)
		}
		again := resp.Writer{Proto: proto}
		appendValue(&again, v)
		want := strings.Replace(string(w.Bytes()), "*-1\r\n", "$-1\r\n", 1)
		if string(again.Bytes()) != want {
			t.Errorf("RESP%d:\n got %q\nwant %q", proto, again.Bytes(), want)
		}
	}
}
