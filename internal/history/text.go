package history

import (
	"fmt"
	"strconv"
	"strings"
)

// How much of a list, a range or a transaction an explanation shows.
const (
	shownValuesMax = 8
	shownOpsMax    = 12
)

// String returns the workload's name as histories in files have it.
func (w Workload) String() string {
	switch w {
	case Lists:
		return "lists"
	case Registers:
		return "registers"
	case Sets:
		return "sets"
	}
	return "workload " + strconv.Itoa(int(w))
}

// String returns the outcome's name as histories in files have it.
func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case Failed:
		return "fail"
	case Unknown:
		return "unknown"
	}
	return "outcome " + strconv.Itoa(int(o))
}

// String returns the operation in words, long lists cut to their ends.
func (op *Op) String() string {
	switch op.Kind {
	case OpAppend:
		return fmt.Sprintf("append(%d, %d)", op.Key, op.Value)
	case OpList:
		return fmt.Sprintf("read(%d) = %s", op.Key, listText(op.List))
	case OpWrite:
		return fmt.Sprintf("write(%d, %d)", op.Key, op.Value)
	case OpDelete:
		return fmt.Sprintf("delete(%d)", op.Key)
	case OpRead:
		if !op.Found {
			return fmt.Sprintf("read(%d) = nil", op.Key)
		}
		return fmt.Sprintf("read(%d) = %d", op.Key, op.Value)
	case OpRange:
		return fmt.Sprintf("range(%d, %d) = %s", op.Key, op.To, pairsText(op.Pairs))
	}
	return "operation " + strconv.Itoa(int(op.Kind))
}

// listText shows the last values of a list: it is there that lists differ.
func listText(list []Value) string {
	var b strings.Builder
	b.WriteByte('[')
	if cut := len(list) - shownValuesMax; cut > 0 {
		fmt.Fprintf(&b, "%d values, ", cut)
		list = list[cut:]
	}
	for i, v := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatUint(uint64(v), 10))
	}
	b.WriteByte(']')
	return b.String()
}

func pairsText(pairs []Pair) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, p := range pairs {
		if i == shownValuesMax {
			fmt.Fprintf(&b, " and %d more", len(pairs)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d:%d", p.Key, p.Value)
	}
	b.WriteByte('}')
	return b.String()
}

// describe returns a transaction in one line, with the operations on the given
// keys only, and how many others there are.
func (h *History) describe(id TxnID, keys []Key) string {
	t := &h.Txns[id]
	var b strings.Builder
	fmt.Fprintf(&b, "T%d (client %d, %s, %d..%d):", id, t.Client, t.Outcome, t.Invoke, t.Complete)
	shown := 0
	for i := range t.Ops {
		if shown == shownOpsMax {
			break
		}
		if !t.Ops[i].touches(keys) {
			continue
		}
		if shown > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(t.Ops[i].String())
		shown++
	}
	if rest := len(t.Ops) - shown; rest > 0 {
		fmt.Fprintf(&b, " and %d more", rest)
	}
	return b.String()
}

// touches tells whether op reads or writes one of keys.
func (op *Op) touches(keys []Key) bool {
	for _, k := range keys {
		if op.Key == k || op.Kind == OpRange && op.Key <= k && k < op.To {
			return true
		}
	}
	return false
}
