package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/history"
)

const (
	// listClients append to lists and read them; what they saw is checked for
	// strict serializability over all runs of a folder.
	listClients = 6
	// listsAtOnce is how many lists are in use; after listTurns transactions of a
	// client the next ones are, so that lists stay short.
	listsAtOnce = 6
	listTurns   = 40
	// listStride separates the lists of one run from those of the next.
	listStride = 1 << 20
)

// listTable returns the table that holds a list.
func (f *fixture) listTable(k history.Key) *godwit.Table { return f.lists[k%2] }

func listKey(k history.Key) []byte { return binary.BigEndian.AppendUint64(nil, uint64(k)) }

// readList returns a list as a transaction sees it.
func (f *fixture) readList(tx *godwit.Tx, k history.Key) ([]history.Value, error) {
	value, err := tx.Get(f.listTable(k), listKey(k))
	if err != nil && !errors.Is(err, godwit.ErrNotFound) {
		return nil, err
	}
	return parseList(value), nil
}

// parseList reads a stored list: 8 bytes an element.
func parseList(value []byte) []history.Value {
	var list []history.Value
	for ; len(value) >= 8; value = value[8:] {
		list = append(list, history.Value(binary.BigEndian.Uint64(value)))
	}
	return list
}

// processStart is when this process read the machine's clock.
var processStart = time.Now()

// now is a time that all processes of a test agree on. Within a process it never
// goes back; of processes one after the other, the machine's clock is expected
// not to be set back meanwhile.
func now() history.Time {
	return history.Time(processStart.UnixNano() + time.Since(processStart).Nanoseconds())
}

// historyClient gives each client of each run a name of its own: what was in
// flight when a process was killed is over, as far as its client can know.
func historyClient(run uint64, client int) history.ClientID {
	return history.ClientID(run*(listClients+1) + uint64(client))
}

// appendToLists runs random transactions on lists and reports each before it
// begins, with what it will write, and after it ended, with what it read.
func (f *fixture) appendToLists(ctx context.Context, c config, r *reporter, client int) error {
	rng := rand.New(rand.NewPCG(c.Seed, uint64(writers+client)))
	id := historyClient(c.Run, client)
	value := history.Value(uint64(id) << 32)
	for n := uint64(0); ctx.Err() == nil; n++ {
		base := history.Key(c.Run*listStride + n/listTurns*listsAtOnce)
		var plan []history.Op
		for range 1 + rng.IntN(4) {
			k := base + history.Key(rng.IntN(listsAtOnce))
			if rng.IntN(2) == 0 {
				value++
				plan = append(plan, history.Op{Kind: history.OpAppend, Key: k, Value: value})
			} else {
				plan = append(plan, history.Op{Kind: history.OpList, Key: k})
			}
		}
		txn := history.Txn{Client: id, Outcome: history.Unknown, Invoke: now()}
		for _, op := range plan {
			if op.Kind == history.OpAppend {
				txn.Ops = append(txn.Ops, op)
			}
		}
		r.send(message{Kind: began, Client: client, Txn: &txn})
		err := f.db.Update(ctx, func(tx *godwit.Tx) (err error) {
			txn.Ops, err = f.runListOps(tx, plan)
			return err
		})
		if ending(ctx, err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list client %d: %w", client, err)
		}
		txn.Outcome, txn.Complete = history.OK, now()
		r.send(message{Kind: ended, Client: client, Txn: &txn})
	}
	return nil
}

// runListOps executes a plan and returns it with what was read.
func (f *fixture) runListOps(tx *godwit.Tx, plan []history.Op) ([]history.Op, error) {
	ops := make([]history.Op, 0, len(plan))
	for _, op := range plan {
		list, err := f.readList(tx, op.Key)
		if err != nil {
			return nil, err
		}
		runtime.Gosched() // lets the others in between: they all begin at one release
		if op.Kind == history.OpList {
			op.List = list
			ops = append(ops, op)
			continue
		}
		var stored []byte
		for _, v := range append(list, op.Value) {
			stored = binary.BigEndian.AppendUint64(stored, uint64(v))
		}
		if err := tx.Put(f.listTable(op.Key), listKey(op.Key), stored); err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// readLists reads all lists in one transaction and reports it: what is there
// after a kill is part of the history.
func (f *fixture) readLists(c config, r *reporter) error {
	txn := history.Txn{Client: historyClient(c.Run, listClients), Outcome: history.OK, Invoke: now()}
	err := f.db.View(context.Background(), func(tx *godwit.Tx) error {
		txn.Ops = nil
		for k, value := range tx.Scan(f.lists[0], godwit.Range{}) {
			key := history.Key(binary.BigEndian.Uint64(k))
			txn.Ops = append(txn.Ops, history.Op{Kind: history.OpList, Key: key, List: parseList(value)})
			// The neighbor is in the other table, which cannot be scanned.
			neighbor, err := f.readList(tx, key+1)
			if err != nil {
				return err
			}
			txn.Ops = append(txn.Ops, history.Op{Kind: history.OpList, Key: key + 1, List: neighbor})
		}
		return tx.Err()
	})
	if err != nil {
		return fmt.Errorf("read all lists: %w", err)
	}
	txn.Complete = now()
	r.send(message{Kind: ended, Client: listClients, Txn: &txn})
	return nil
}
