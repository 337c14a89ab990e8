package history

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// transcript parses a history of one transaction a line:
//
//	c1 0..10 ok: x+1 y? z?1,2      append to x, read lists y (empty) and z
//	c2 5..20 fail: x:=1 y=2 z=nil  write x, read y and z
//	c2 5..20 unknown: x- [a,f){b:1 c:2}   delete x, read a range
//
// Keys are single letters, 'a' is 1.
func transcript(t testing.TB, w Workload, text string) *History {
	t.Helper()
	h := &History{Workload: w}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		head, ops, ok := strings.Cut(line, ":")
		var outcome string
		txn := Txn{}
		if n, err := fmt.Sscanf(head, "c%d %d..%d %s", &txn.Client, &txn.Invoke, &txn.Complete, &outcome); !ok || n != 4 {
			t.Fatalf("%q: %v", line, err)
		}
		for o := OK; o <= Unknown; o++ {
			if o.String() == outcome {
				txn.Outcome = o
			}
		}
		for i, word := range words(ops) {
			op, err := parseOp(word)
			if err != nil {
				t.Fatalf("%q: operation %d: %v", line, i, err)
			}
			txn.Ops = append(txn.Ops, op)
		}
		h.Txns = append(h.Txns, txn)
	}
	return h
}

// words splits at spaces outside of braces.
func words(text string) []string {
	inside := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '{' || r == '}' {
			inside = r == '{'
		}
		return r == ' ' && !inside
	})
}

func letter(s string) (Key, error) {
	if len(s) != 1 || s[0] < 'a' || s[0] > 'z' {
		return 0, fmt.Errorf("%q is no key", s)
	}
	return Key(s[0]-'a') + 1, nil
}

func number(s string) (Value, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	return Value(n), err
}

func parseOp(word string) (op Op, err error) {
	if word[0] == '[' {
		return parseRange(word)
	}
	if op.Key, err = letter(word[:1]); err != nil {
		return op, err
	}
	switch rest := word[1:]; {
	case strings.HasPrefix(rest, "+"):
		op.Kind = OpAppend
		op.Value, err = number(rest[1:])
	case strings.HasPrefix(rest, ":="):
		op.Kind = OpWrite
		op.Value, err = number(rest[2:])
	case rest == "-":
		op.Kind = OpDelete
	case rest == "=nil":
		op.Kind = OpRead
	case strings.HasPrefix(rest, "="):
		op.Kind, op.Found = OpRead, true
		op.Value, err = number(rest[1:])
	case strings.HasPrefix(rest, "?"):
		op.Kind = OpList
		for _, s := range strings.FieldsFunc(rest[1:], func(r rune) bool { return r == ',' }) {
			v, err := number(s)
			if err != nil {
				return op, err
			}
			op.List = append(op.List, v)
		}
	default:
		err = fmt.Errorf("%q", word)
	}
	return op, err
}

// parseRange parses [a,f){b:1 c:2}.
func parseRange(word string) (op Op, err error) {
	if len(word) < 7 || word[5] != '{' || word[len(word)-1] != '}' {
		return op, fmt.Errorf("%q", word)
	}
	op.Kind = OpRange
	if op.Key, err = letter(word[1:2]); err != nil {
		return op, err
	}
	if op.To, err = letter(word[3:4]); err != nil {
		return op, err
	}
	for _, pair := range strings.Fields(word[6 : len(word)-1]) {
		k, v, _ := strings.Cut(pair, ":")
		key, err := letter(k)
		if err != nil {
			return op, err
		}
		value, err := number(v)
		if err != nil {
			return op, err
		}
		op.Pairs = append(op.Pairs, Pair{key, value})
	}
	return op, nil
}
