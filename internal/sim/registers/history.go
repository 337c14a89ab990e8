package registers

import (
	"fmt"
	"maps"
	"slices"

	"github.com/godwitdb/godwit/internal/history"
)

// Check demands that what the clients saw is linearizable. What they have not heard of
// yet may have been carried out.
func (c *Clients) Check() error {
	txns := slices.Clone(c.history.Txns)
	for _, client := range slices.Sorted(maps.Keys(c.underWay)) {
		txns = c.underWay[client].note(txns, nil, false, false)
	}
	h := decided(txns)
	result, err := history.CheckLinearizable(h, history.LinearOptions{})
	if err != nil {
		return err
	}
	if len(result.Anomalies) > 0 {
		return fmt.Errorf("not linearizable: %v", result.Anomalies[0])
	}
	return nil
}

// decidedFrom is the first name of the clients that decided makes up.
const decidedFrom = 1 << 30

// decided returns a history that is linearizable exactly if the one of txns is,
// and much quicker to check: in it no outcome is unknown. Each value is written
// once. A write of unknown outcome whose value nobody has read can be left out,
// because it can come last. One that was read has happened before the first such
// read was over.
func decided(txns []history.Txn) *history.History {
	type write struct {
		key   history.Key
		value history.Value
	}
	read := map[write]history.Time{} // when the first read was over
	for i := range txns {
		op := &txns[i].Ops[0]
		if op.Kind != history.OpRead || !op.Found {
			continue
		}
		w := write{op.Key, op.Value}
		if at, ok := read[w]; !ok || txns[i].Complete < at {
			read[w] = txns[i].Complete
		}
	}
	h := &history.History{Workload: history.Registers}
	for i, txn := range txns {
		if txn.Outcome == history.Unknown {
			at, ok := read[write{txn.Ops[0].Key, txn.Ops[0].Value}]
			if !ok {
				continue
			}
			if at > txn.Invoke {
				// Its client has gone on meanwhile.
				txn.Outcome, txn.Complete, txn.Client = history.OK, at, history.ClientID(decidedFrom+i)
			}
		}
		h.Txns = append(h.Txns, txn)
	}
	return h
}
