package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	// formatVersion is the version of the files that Encode writes.
	formatVersion = 1
	// lineBytesMax bounds what Decode holds in memory of a line, one
	// transaction, before it knows that the line is sound.
	lineBytesMax = 64 << 20
)

// header is the first line of a file.
type header struct {
	Format   string `json:"format"`
	Version  int    `json:"version"`
	Workload string `json:"workload"`
}

const formatName = "godwit-history"

// txnLine is a line of a file: one transaction.
type txnLine struct {
	Client   ClientID `json:"client"`
	Outcome  string   `json:"outcome"`
	Invoke   Time     `json:"invoke"`
	Complete Time     `json:"complete"`
	Ops      []opLine `json:"ops"`
}

// opLine is an operation. Fields that its kind does not use are left out.
type opLine struct {
	Op    string     `json:"op"`
	Key   Key        `json:"key"`
	To    *Key       `json:"to,omitempty"`
	Value *Value     `json:"value,omitempty"` // of a read: left out if nothing was found
	List  []Value    `json:"list,omitempty"`
	Pairs [][]uint64 `json:"pairs,omitempty"`
}

// Encode writes h as JSON lines: a header, then a transaction a line. Decode
// reads it back.
func (h *History) Encode(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	if err := enc.Encode(header{formatName, formatVersion, h.Workload.String()}); err != nil {
		return err
	}
	for i := range h.Txns {
		t := &h.Txns[i]
		line := txnLine{t.Client, t.Outcome.String(), t.Invoke, t.Complete, make([]opLine, len(t.Ops))}
		for j := range t.Ops {
			line.Ops[j] = encodeOp(&t.Ops[j])
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func encodeOp(op *Op) opLine {
	line := opLine{Op: op.Kind.name(), Key: op.Key}
	switch op.Kind {
	case OpAppend, OpWrite:
		line.Value = &op.Value
	case OpList:
		line.List = op.List
	case OpRead:
		if op.Found {
			line.Value = &op.Value
		}
	case OpRange:
		line.To = &op.To
		for _, p := range op.Pairs {
			line.Pairs = append(line.Pairs, []uint64{uint64(p.Key), uint64(p.Value)})
		}
	}
	return line
}

// Decode reads a history that Encode wrote. The error wraps ErrMalformed and
// names the line if the input is not one, or breaks a rule of Validate.
func Decode(r io.Reader) (*History, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, lineBytesMax)
	h, number := &History{}, 0
	for in.Scan() {
		number++
		if err := h.decodeLine(in.Bytes(), number == 1); err != nil {
			return nil, malformed("line %d: %v", number, err)
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, malformed("line %d: longer than %d bytes", number+1, lineBytesMax)
	case err != nil:
		return nil, err
	case number == 0:
		return nil, malformed("no header")
	}
	if err := h.Validate(); err != nil {
		return nil, err
	}
	return h, nil
}

// decodeLine adds what a line says to h.
func (h *History) decodeLine(text []byte, first bool) error {
	if first {
		var head header
		if err := strict(text, &head); err != nil {
			return err
		}
		if head.Format != formatName || head.Version != formatVersion {
			return fmt.Errorf("format %q of version %d, not %q of version %d", head.Format, head.Version, formatName, formatVersion)
		}
		for w := Lists; w <= Sets; w++ {
			if w.String() == head.Workload {
				h.Workload = w
				return nil
			}
		}
		return fmt.Errorf("unknown workload %q", head.Workload)
	}
	var line txnLine
	if err := strict(text, &line); err != nil {
		return err
	}
	t := Txn{Client: line.Client, Invoke: line.Invoke, Complete: line.Complete}
	for o := OK; o <= Unknown; o++ {
		if o.String() == line.Outcome {
			t.Outcome = o
		}
	}
	if t.Outcome == 0 {
		return fmt.Errorf("unknown outcome %q", line.Outcome)
	}
	for i := range line.Ops {
		op, err := decodeOp(&line.Ops[i])
		if err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		t.Ops = append(t.Ops, op)
	}
	h.Txns = append(h.Txns, t)
	return nil
}

func decodeOp(line *opLine) (Op, error) {
	op := Op{Key: line.Key}
	for k := OpAppend; k <= OpRange; k++ {
		if k.name() == line.Op {
			op.Kind = k
		}
	}
	fits := line.List == nil || op.Kind == OpList
	fits = fits && (line.Pairs == nil || op.Kind == OpRange) && (line.To != nil) == (op.Kind == OpRange)
	switch op.Kind {
	case OpAppend, OpWrite:
		fits = fits && line.Value != nil
	case OpRead:
		op.Found = line.Value != nil
	case OpList, OpDelete, OpRange:
		fits = fits && line.Value == nil
	default:
		return op, fmt.Errorf("unknown operation %q", line.Op)
	}
	if !fits {
		return op, fmt.Errorf("fields that do not make a %q", line.Op)
	}
	if line.Value != nil {
		op.Value = *line.Value
	}
	if line.To != nil {
		op.To = *line.To
	}
	if len(line.List) > 0 {
		op.List = line.List
	}
	for _, p := range line.Pairs {
		if len(p) != 2 {
			return op, fmt.Errorf("%d numbers in a pair", len(p))
		}
		op.Pairs = append(op.Pairs, Pair{Key(p[0]), Value(p[1])})
	}
	return op, nil
}

// strict decodes exactly one JSON value into v, without unknown fields.
func strict(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// name returns the operation's name in files.
func (k OpKind) name() string {
	switch k {
	case OpAppend:
		return "append"
	case OpList:
		return "list"
	case OpWrite:
		return "write"
	case OpDelete:
		return "delete"
	case OpRead:
		return "read"
	case OpRange:
		return "range"
	}
	return ""
}
