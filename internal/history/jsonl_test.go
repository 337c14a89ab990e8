package history

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func encoded(t testing.TB, h *History) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := h.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEncodeIsReadable(t *testing.T) {
	h := transcript(t, Sets, `
		c1 0..10 ok: a=nil a:=18446744073709551615 b-
		c2 5..20 unknown: [a,f){a:1 b:2} a=7`)
	want := `{"format":"godwit-history","version":1,"workload":"sets"}
{"client":1,"outcome":"ok","invoke":0,"complete":10,"ops":[{"op":"read","key":1},{"op":"write","key":1,"value":18446744073709551615},{"op":"delete","key":2}]}
{"client":2,"outcome":"unknown","invoke":5,"complete":20,"ops":[{"op":"range","key":1,"to":6,"pairs":[[1,1],[2,2]]},{"op":"read","key":1,"value":7}]}
`
	if got := string(encoded(t, h)); got != want {
		t.Errorf("encoded\n%s\nwant\n%s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, w := range []Workload{Lists, Registers, Sets} {
		for seed := range uint64(50) {
			h := newGenerator(seed, w).history()
			back, err := Decode(bytes.NewReader(encoded(t, h)))
			if err != nil {
				t.Fatal(err)
			}
			if a, b := normal(h), normal(back); !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d: %s came back as another history", seed, w)
			}
		}
	}
}

// normal returns h with empty slices as nil.
func normal(h *History) *History {
	out := &History{Workload: h.Workload}
	for _, t := range h.Txns {
		t.Ops = append([]Op(nil), t.Ops...)
		for i := range t.Ops {
			op := &t.Ops[i]
			op.List, op.Pairs = append([]Value(nil), op.List...), append([]Pair(nil), op.Pairs...)
			if op.Kind == OpDelete || op.Kind == OpRange || op.Kind == OpList {
				op.Value = 0
			}
		}
		out.Txns = append(out.Txns, t)
	}
	return out
}

const goodHeader = `{"format":"godwit-history","version":1,"workload":"lists"}` + "\n"

func TestDecodeRejects(t *testing.T) {
	txn := func(ops string) string {
		return goodHeader + `{"client":1,"outcome":"ok","invoke":0,"complete":1,"ops":[` + ops + `]}`
	}
	for _, tt := range []struct{ name, text, says string }{
		{"nothing", "", "no header"},
		{"no JSON", "history", "line 1"},
		{"other format", `{"format":"x","version":1,"workload":"lists"}`, "format"},
		{"later version", `{"format":"godwit-history","version":2,"workload":"lists"}`, "version 2"},
		{"workload", `{"format":"godwit-history","version":1,"workload":"queues"}`, "queues"},
		{"outcome", goodHeader + `{"client":1,"outcome":"maybe","invoke":0,"complete":1,"ops":[]}`, "maybe"},
		{"unknown field", goodHeader + `{"client":1,"outcome":"ok","invoke":0,"complete":1,"ops":[],"note":1}`, "note"},
		{"cut short", goodHeader + `{"client":1,"outcome":"ok","invoke":0,"complete":1,"ops":[`, "line 2"},
		{"two values", goodHeader + `{"client":1,"outcome":"ok","invoke":0,"complete":1,"ops":[]} {}`, "more than one"},
		{"operation", txn(`{"op":"pop","key":1}`), "pop"},
		{"append without a value", txn(`{"op":"append","key":1}`), "append"},
		{"append with a list", txn(`{"op":"append","key":1,"value":1,"list":[1]}`), "append"},
		{"range without an end", txn(`{"op":"range","key":1}`), "range"},
		{"pair of three", strings.Replace(txn(`{"op":"range","key":1,"to":2,"pairs":[[1,2,3]]}`), "lists", "sets", 1), "3 numbers"},
		{"range backwards", strings.Replace(txn(`{"op":"range","key":3,"to":2}`), "lists", "sets", 1), "down to"},
		{"wrong workload", txn(`{"op":"write","key":1,"value":1}`), "in a history of lists"},
		{"value too large", txn(`{"op":"append","key":1,"value":18446744073709551616}`), "line 2"},
		{"same value twice", txn(`{"op":"append","key":1,"value":1},{"op":"append","key":1,"value":1}`), "both write 1 to key 1"},
		{"ends before it begins", goodHeader + `{"client":1,"outcome":"ok","invoke":2,"complete":1,"ops":[]}`, "before"},
		{"two at a time", txn(``) + "\n" + `{"client":1,"outcome":"ok","invoke":0,"complete":1,"ops":[]}`, "another transaction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := Decode(strings.NewReader(tt.text))
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.says) || h != nil {
				t.Errorf("got %v, %v; want an error with %q", h, err, tt.says)
			}
		})
	}
	for _, check := range []func(*History, Options) (Result, error){CheckRegisters, CheckSets} {
		if _, err := check(&History{Workload: Lists}, Options{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("a history of lists as another: %v", err)
		}
	}
}

// FuzzDecode decodes anything, and checks what it gets: no panic, and what is
// decoded survives another round.
func FuzzDecode(f *testing.F) {
	for _, e := range examples() {
		f.Add(encoded(f, transcript(f, e.w, e.text)))
	}
	f.Add([]byte(goodHeader))
	f.Add([]byte(goodHeader + `{"client":1,"outcome":"ok","invoke":0,"complete":1,"ops":[{"op":"list","key":1,"list":[]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := Decode(bytes.NewReader(text))
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		for c := StrictSerializable; c <= Serializable; c++ {
			first, err := Check(h, Options{Consistency: c})
			if err != nil {
				t.Fatal(err)
			}
			if again, _ := Check(h, Options{Consistency: c}); !reflect.DeepEqual(first, again) {
				t.Fatal("checked twice, with different results")
			}
		}
		if h.Workload != Lists && len(h.Txns) <= 8 {
			strict, _ := Check(h, Options{})
			linear, err := CheckLinearizable(h, LinearOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if strict.OK() && !linear.OK() && strict.Unresolved == 0 && !blind(h) {
				t.Fatalf("strictly serializable, but %s", linear.String())
			}
		}
		back, err := Decode(bytes.NewReader(encoded(t, h)))
		if err != nil || !reflect.DeepEqual(h, back) {
			t.Fatalf("came back as another history: %v", err)
		}
	})
}

// blind tells whether the order of the versions of some key may not be known: a
// transaction writes it without having read it.
func blind(h *History) bool {
	for i := range h.Txns {
		read := map[Key]bool{}
		for _, op := range h.Txns[i].Ops {
			switch op.Kind {
			case OpRead:
				read[op.Key] = true
			case OpWrite, OpDelete:
				if !read[op.Key] {
					return true
				}
			}
		}
	}
	return false
}
