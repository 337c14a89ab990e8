package ycsb

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/godwitdb/godwit/bench"
)

// input is the parameters of a transaction.
type input struct {
	kind       bench.Kind
	op         operation
	numbers    []uint64 // of the records
	field      int      // that is written
	scanLength int

	// The records' keys, which locate makes of their numbers.
	keys     [][]byte
	keyBytes [][keyBytesMax]byte
}

func newInput(perTxn int) input {
	return input{numbers: make([]uint64, perTxn), keys: make([][]byte, perTxn), keyBytes: make([][keyBytesMax]byte, perTxn)}
}

func (in *input) locate(format KeyFormat) {
	for i, n := range in.numbers {
		if format == BinaryKeys { // as appendKey does, without its general form
			binary.BigEndian.PutUint64(in.keyBytes[i][:], n)
			in.keys[i] = in.keyBytes[i][:8]
		} else {
			in.keys[i] = format.appendKey(in.keyBytes[i][:0], n)
		}
	}
}

// terminal draws one session's transactions.
type terminal struct {
	w      *Workload
	rng    bench.Rand
	choose chooser
	sent   input // what Draw has drawn last
	// writes counts the fields written by executed transactions, inserts the records.
	writes, inserts uint64
}

func newTerminal(w *Workload, n int, seed uint64) *terminal {
	t := &terminal{w: w, choose: newChooser(w.config, &w.sequence, w.mix.ops[1] == opInsert), sent: newInput(w.config.PerTxn)}
	t.rng.Seed(seed, uint64(n))
	w.terminals = append(w.terminals, t)
	return t
}

// draw chooses the transaction, the records and what happens to them.
func (t *terminal) draw(in *input) {
	in.kind = 0
	if t.rng.N(100) >= t.w.mix.first {
		in.kind = 1
	}
	in.op = t.w.mix.ops[in.kind]
	if in.op == opInsert {
		in.numbers[0] = t.w.sequence.take()
	} else {
		t.drawExisting(in.numbers)
	}
	in.field = int(t.rng.N(uint64(t.w.config.Fields)))
	if in.op == opScan {
		in.scanLength = t.rng.Between(1, scanMax)
	}
}

// drawExisting chooses different records.
func (t *terminal) drawExisting(numbers []uint64) {
	for i := range numbers {
		for drawn := false; !drawn; {
			n := t.choose.next(&t.rng)
			numbers[i] = n
			drawn = true
			for _, other := range numbers[:i] {
				drawn = drawn && other != n
			}
		}
	}
}

// executed counts what a transaction has done.
func (t *terminal) executed(in *input) {
	switch in.op {
	case opInsert:
		t.inserts++
		t.w.sequence.inserted(in.numbers[0])
	case opUpdate, opReadModifyWrite:
		t.writes += uint64(len(in.numbers))
	case opRead, opScan:
	}
}

// Draw implements bench.Terminal.
func (t *terminal) Draw(dst []byte) (bench.Kind, []byte) {
	t.draw(&t.sent)
	return t.sent.kind, t.sent.append(dst)
}

// Executed implements bench.Terminal.
func (t *terminal) Executed(answer []byte) error {
	if len(answer) > 0 {
		return fmt.Errorf("ycsb: an answer of %d bytes to a %s", len(answer), t.sent.op)
	}
	t.executed(&t.sent)
	return nil
}

// append appends the parameters that the operation has.
func (in *input) append(dst []byte) []byte {
	for _, n := range in.numbers {
		dst = binary.AppendUvarint(dst, n)
	}
	switch in.op {
	case opUpdate, opReadModifyWrite:
		dst = binary.AppendUvarint(dst, uint64(in.field))
	case opScan:
		dst = binary.AppendUvarint(dst, uint64(in.scanLength))
	case opRead, opInsert:
	}
	return dst
}

// decode reads what append has written for a kind of a workload.
func (in *input) decode(w *Workload, kind bench.Kind, request []byte) error {
	if kind < 0 || int(kind) >= len(w.Kinds()) {
		return fmt.Errorf("ycsb: no transaction %d", kind)
	}
	in.kind, in.op, in.field, in.scanLength = kind, w.mix.ops[kind], 0, 0
	r := bench.ReadRequest(request)
	for i := range in.numbers {
		in.numbers[i] = r.Uint("a record", 0, numberMax)
	}
	switch in.op {
	case opUpdate, opReadModifyWrite:
		in.field = int(r.Uint("a field", 0, uint64(w.config.Fields-1)))
	case opScan:
		in.scanLength = int(r.Uint("a length", 1, scanMax))
	case opRead, opInsert:
	}
	if err := r.End(); err != nil {
		return err
	}
	for i, n := range in.numbers {
		if slices.Contains(in.numbers[:i], n) {
			return fmt.Errorf("ycsb: record %d twice in a %s", n, in.op)
		}
	}
	return nil
}

// numberMax is above all records that a database can have.
const numberMax = 1<<48 - 1
