package registers

import (
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/history"
)

// On random histories, most of them with unknown outcomes, the verdict is that
// of the history as it is.
func TestDecidedKeepsTheVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	verdicts := map[bool]int{}
	for range 5000 {
		var txns []history.Txn
		var written []history.Value
		clock := make([]history.Time, 3)
		for i := range 3 + rng.IntN(6) {
			client := rng.IntN(len(clock))
			start := clock[client] + history.Time(1+rng.IntN(8))
			end := start + history.Time(1+rng.IntN(8))
			clock[client] = end
			txn := history.Txn{Client: history.ClientID(client), Outcome: history.OK, Invoke: start, Complete: end}
			op := history.Op{Kind: history.OpWrite, Key: 1, Value: history.Value(i + 1)}
			if rng.IntN(2) == 0 {
				op = history.Op{Kind: history.OpRead, Key: 1}
				if len(written) > 0 && rng.IntN(5) > 0 {
					op.Found, op.Value = true, written[rng.IntN(len(written))]
				}
			} else {
				written = append(written, op.Value)
				if rng.IntN(2) == 0 {
					txn.Outcome = history.Unknown
				}
			}
			txn.Ops = []history.Op{op}
			txns = append(txns, txn)
		}
		check := func(h *history.History) bool {
			result, err := history.CheckLinearizable(h, history.LinearOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return len(result.Anomalies) == 0
		}
		want := check(&history.History{Workload: history.Registers, Txns: txns})
		if got := check(decided(txns)); got != want {
			t.Fatalf("linearizable: %v, want %v: %+v", got, want, txns)
		}
		verdicts[want]++
	}
	if verdicts[true] < 500 || verdicts[false] < 500 {
		t.Errorf("verdicts %v prove little", verdicts)
	}
}
