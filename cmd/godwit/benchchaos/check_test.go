package benchchaos

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/quorum"
)

func newChecks(t *testing.T) (*checks, *clientOf) {
	t.Helper()
	x := &clients{}
	x.seen.clear()
	return &checks{c: &cluster{config: Config{Dir: t.TempDir()}}, x: x}, &clientOf{clients: x, id: 1}
}

func TestCounterIsWhatItCanBe(t *testing.T) {
	for _, c := range []struct {
		n     uint64
		wrong bool
	}{{4, true}, {5, false}, {7, false}, {8, true}} {
		_, x := newChecks(t)
		x.certain, x.maybe = 5, 2
		if x.counted(c.n); (len(x.wrong) > 0) != c.wrong {
			t.Errorf("%d of 5 and perhaps 2 more: %q", c.n, x.wrong)
		}
	}
}

func TestBankLosesNothing(t *testing.T) {
	for _, missing := range []uint64{0, 1} {
		_, x := newChecks(t)
		done := 0
		x.audit(context.Background(), func(context.Context, []byte) (procedure.Answer, error) {
			r := make(benchnode.Results, accounts)
			for i := range r {
				r[i] = binary.BigEndian.AppendUint64(nil, 0)
			}
			r[0], r[1] = binary.BigEndian.AppendUint64(nil, 50), binary.BigEndian.AppendUint64(nil, -(50+missing))
			return procedure.Answer{Bytes: quorum.Encode(nil, &r)}, nil
		}, &done)
		if (len(x.wrong) > 0) != (missing > 0) || done != 1 {
			t.Errorf("%d is missing: %q, %d audits", missing, x.wrong, done)
		}
	}
}

// TestHistoriesAreJudged: a lost write, a stale read of a register, and of a snapshot that is
// torn, are each found; without them there is nothing to find.
func TestHistoriesAreJudged(t *testing.T) {
	txn := func(at int, ops ...history.Op) history.Txn {
		return history.Txn{Client: history.ClientID(at), Outcome: history.OK, Invoke: history.Time(10 * at), Complete: history.Time(10*at + 5), Ops: ops}
	}
	appends := func(k history.Key, v history.Value) history.Op {
		return history.Op{Kind: history.OpAppend, Key: k, Value: v}
	}
	list := func(k history.Key, v ...history.Value) history.Op {
		return history.Op{Kind: history.OpList, Key: k, List: v}
	}
	writes := func(v history.Value) history.Op { return history.Op{Kind: history.OpWrite, Key: 1, Value: v} }
	reads := func(v history.Value) history.Op {
		return history.Op{Kind: history.OpRead, Key: 1, Found: true, Value: v}
	}
	both := txn(1, appends(1, 1), appends(2, 2))
	for _, c := range []struct {
		name                        string
		lists, snapshots, registers []history.Txn
		wrong                       string
	}{
		{"nothing", []history.Txn{both, txn(2, list(1, 1), list(2, 2))}, []history.Txn{both, txn(2, list(1), list(2))}, []history.Txn{txn(1, writes(1)), txn(2, reads(1))}, ""},
		{"a lost write", []history.Txn{txn(1, appends(1, 1)), txn(2, list(1, 1)), txn(3, list(1))}, nil, nil, "lists: "},
		{"a torn snapshot", nil, []history.Txn{both, txn(2, list(1, 1), list(2)), txn(3, list(1, 1), list(2, 2))}, nil, "snapshots: "},
		{"a stale register", nil, nil, []history.Txn{txn(1, writes(1)), txn(2, writes(2)), txn(3, reads(1))}, "registers: "},
	} {
		k, x := newChecks(t)
		x.seen.lists.Txns, x.seen.snapshots.Txns, x.seen.registers.Txns = c.lists, c.snapshots, c.registers
		wrong, err := k.judge()
		if text := strings.Join(wrong, "\n"); err != nil || (c.wrong == "") != (text == "") || !strings.Contains(text, c.wrong) || (c.wrong != "") != strings.Contains(text, ".jsonl") {
			t.Errorf("%s: %v %q", c.name, err, wrong)
		}
	}
}

func TestOutcomes(t *testing.T) {
	_, x := newChecks(t)
	for _, c := range []struct {
		err  error
		want history.Outcome
	}{{nil, history.OK}, {procedure.ErrOutcomeUnknown, history.Unknown}, {context.DeadlineExceeded, history.Failed}} {
		if got := x.outcome(procedure.Answer{}, c.err, new(int)); got != c.want || len(x.wrong) > 0 {
			t.Errorf("%v is %v, want %v; %q", c.err, got, c.want, x.wrong)
		}
	}
	if x.outcome(procedure.Answer{}, &procedure.RejectedError{Reason: "corrupt"}, new(int)); len(x.wrong) != 1 {
		t.Errorf("a transaction that was rejected: %q", x.wrong)
	}
}

func TestResult(t *testing.T) {
	r := newResult(Config{Memory: true})
	if r.verdict() != nil {
		t.Error(r.verdict())
	}
	for i := range 100 {
		r.add(Kill, true, time.Duration(i+1)*time.Millisecond, time.Second)
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil || !strings.Contains(b.String(), "p50 50.0ms, p99 99.0ms") || !strings.Contains(b.String(), "nothing lost") {
		t.Errorf("%v\n%s", err, b.String())
	}
	r.Unfinished = "interrupted"
	b.Reset()
	if err := r.Write(&b); err != nil || strings.Contains(b.String(), "nothing lost") {
		t.Errorf("%v\n%s", err, b.String())
	}
	r.Wrong, r.Unfinished = []string{"something"}, ""
	b.Reset()
	if err := r.Write(&b); err != nil || strings.Contains(b.String(), "nothing lost") || !errors.Is(r.verdict(), ErrAnomaly) {
		t.Errorf("%v %v\n%s", err, r.verdict(), b.String())
	}
}
