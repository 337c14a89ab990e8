package history

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Defaults of LinearOptions.
const (
	linearTimeoutDefault = time.Minute
	linearOpsDefault     = 20000
)

// ErrUndecided: some keys were not checked to the end. What was reported of the
// others stands.
var ErrUndecided = errors.New("history: undecided")

// LinearOptions bounds the search for linearizations, which takes time
// exponential in the number of operations at a time in the worst case, and
// memory quadratic in the operations on a key in the best.
type LinearOptions struct {
	Timeout       time.Duration // for each key; 0 stands for a minute
	OpsPerKeyMax  int           // keys with more are left undecided; 0 stands for 20,000
	AnomaliesMax  int           // 0 stands for 8
	StopAtAnomaly bool          // do not check the other keys
}

// CheckLinearizable checks for each key of a history of registers or sets on its
// own that what transactions did to it is linearizable: that it can be put in an
// order which agrees with real time, each transaction's part as one operation.
// Strict serializability implies that, and not the other way round; but here
// nothing has to be inferred, so it misses nothing at a single key.
//
// The error wraps ErrMalformed, or ErrUndecided if a key was beyond the bounds;
// then the result is of the other keys.
func CheckLinearizable(h *History, opt LinearOptions) (Result, error) {
	if h.Workload != Registers && h.Workload != Sets {
		return Result{}, malformed("a history of %s cannot be checked as registers", h.Workload)
	}
	if err := h.Validate(); err != nil {
		return Result{}, err
	}
	opt.Timeout = cmp.Or(opt.Timeout, linearTimeoutDefault)
	opt.OpsPerKeyMax = cmp.Or(opt.OpsPerKeyMax, linearOpsDefault)
	found := newFindings(cmp.Or(opt.AnomaliesMax, perKindDefault))
	result := Result{}
	for i := range h.Txns {
		if h.Txns[i].Outcome == OK {
			result.Committed++
		}
	}
	keys, parts := project(h)
	var undecided []string
	for _, key := range keys {
		part := parts[key]
		if len(part) > opt.OpsPerKeyMax {
			undecided = append(undecided, fmt.Sprintf("key %d has %d operations", key, len(part)))
			continue
		}
		switch porcupine.CheckOperationsTimeout(registerModel(), part, opt.Timeout) {
		case porcupine.Unknown:
			undecided = append(undecided, fmt.Sprintf("key %d took longer than %v", key, opt.Timeout))
		case porcupine.Illegal:
			reportNotLinear(h, found, key, part, opt.Timeout)
		}
		if opt.StopAtAnomaly && len(found.list) > 0 {
			break
		}
	}
	result.Anomalies, result.Omitted = found.sorted(), found.omitted
	if len(undecided) > 0 {
		return result, fmt.Errorf("%w: %s", ErrUndecided, strings.Join(undecided, "; "))
	}
	return result, nil
}

// registerState is the state of one key.
type registerState struct {
	found bool
	value Value
}

// registerStep is a read or write of one key.
type registerStep struct {
	write bool
	registerState
}

// registerOp is what one transaction did to one key, as one operation.
type registerOp struct {
	txn   TxnID
	steps []registerStep
	// free: it is not known to have taken effect. Where its reads do not fit,
	// it had none.
	free bool
}

func registerModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return registerState{} },
		Step: func(state, input, _ any) (bool, any) {
			now, op := state.(registerState), input.(*registerOp)
			for _, s := range op.steps {
				if s.write {
					now = s.registerState
				} else if s.registerState != now {
					return op.free, state
				}
			}
			return true, now
		},
		Equal: func(a, b any) bool { return a.(registerState) == b.(registerState) },
	}
}

// project splits a history by its keys, which it returns sorted.
func project(h *History) ([]Key, map[Key][]porcupine.Operation) {
	p := &projector{
		h: h, parts: map[Key][]porcupine.Operation{},
		unknown: map[writeID]TxnID{}, seen: map[TxnID]Time{}, doubt: map[writeID]bool{}, open: map[Key]*registerOp{},
	}
	touched := map[Key]bool{}
	for i := range h.Txns {
		p.collect(TxnID(i), touched)
	}
	for k := range touched {
		p.universe = append(p.universe, k)
	}
	slices.Sort(p.universe)
	var work []TxnID
	for i := range h.Txns {
		if h.Txns[i].Outcome == OK {
			work = p.noteReads(TxnID(i), h.Txns[i].Complete, work)
		}
	}
	for len(work) > 0 {
		t := work[len(work)-1]
		work = p.noteReads(t, p.seen[t], work[:len(work)-1])
	}
	p.noteDoubt()
	for i := range h.Txns {
		if h.Txns[i].Outcome != Failed {
			p.add(TxnID(i))
		}
	}
	return p.universe, p.parts
}

// writeID names a write by its unique value.
type writeID struct {
	key   Key
	value Value
}

type projector struct {
	h        *History
	universe []Key
	parts    map[Key][]porcupine.Operation
	unknown  map[writeID]TxnID // writes of transactions of unknown outcome
	// seen is by when a transaction of unknown outcome had taken effect: one
	// that saw its writes was over, or had itself taken effect. Without it
	// every such write would stay possible to the end, and the search
	// exponential in their number.
	seen map[TxnID]Time
	// doubt is what transactions read that are not known to have taken effect.
	doubt map[writeID]bool
	open  map[Key]*registerOp // of the transaction that is being added
}

// collect notes what a transaction touches. Keys that are not written are left
// out, unless somebody saw a value there.
func (p *projector) collect(id TxnID, touched map[Key]bool) {
	for i := range p.h.Txns[id].Ops {
		op := &p.h.Txns[id].Ops[i]
		switch op.Kind {
		case OpWrite:
			touched[op.Key] = true
			if p.h.Txns[id].Outcome == Unknown {
				p.unknown[writeID{op.Key, op.Value}] = id
			}
		case OpDelete:
			touched[op.Key] = true
		case OpRead:
			touched[op.Key] = touched[op.Key] || op.Found
		case OpRange:
			for _, pair := range op.Pairs {
				touched[pair.Key] = true
			}
		}
	}
}

// noteReads notes that what t read had taken effect by the time done, and
// appends to work the transactions of which that was not known.
func (p *projector) noteReads(t TxnID, done Time, work []TxnID) []TxnID {
	see := func(key Key, value Value) {
		id, ok := p.unknown[writeID{key, value}]
		if first, before := p.seen[id]; ok && id != t && (!before || done < first) {
			p.seen[id] = done
			work = append(work, id)
		}
	}
	p.h.Txns[t].eachFound(see)
	return work
}

// noteDoubt fills in doubt.
func (p *projector) noteDoubt() {
	for i := range p.h.Txns {
		if _, seen := p.seen[TxnID(i)]; p.h.Txns[i].Outcome == Unknown && !seen {
			p.h.Txns[i].eachFound(func(key Key, value Value) { p.doubt[writeID{key, value}] = true })
		}
	}
}

// add adds the parts of one transaction.
func (p *projector) add(id TxnID) {
	t := &p.h.Txns[id]
	done, free := t.done(), false
	if t.Outcome == Unknown {
		first, seen := p.seen[id]
		free = !seen
		if seen {
			done = max(first, t.Invoke)
		}
	}
	clear(p.open)
	var order []Key
	step := func(key Key, s registerStep) {
		op := p.open[key]
		if op == nil {
			op = &registerOp{txn: id, free: free}
			p.open[key] = op
			order = append(order, key)
		}
		op.steps = append(op.steps, s)
	}
	for i := range t.Ops {
		op := &t.Ops[i]
		switch op.Kind {
		case OpWrite:
			step(op.Key, registerStep{true, registerState{true, op.Value}})
		case OpDelete:
			step(op.Key, registerStep{write: true})
		case OpRead:
			s := registerStep{}
			if op.Found {
				s.registerState = registerState{true, op.Value}
			}
			step(op.Key, s)
		case OpRange:
			p.addRange(op, step)
		}
	}
	for _, key := range order {
		op := p.open[key]
		if free && !p.matters(key, op) {
			continue
		}
		p.parts[key] = append(p.parts[key], porcupine.Operation{
			ClientId: int(t.Client), Input: op, Call: int64(t.Invoke), Return: int64(done),
		})
	}
}

// addRange adds a read of each key of the range.
func (p *projector) addRange(op *Op, step func(Key, registerStep)) {
	found := make(map[Key]Value, len(op.Pairs))
	for _, pair := range op.Pairs {
		found[pair.Key] = pair.Value
	}
	at, _ := slices.BinarySearch(p.universe, op.Key)
	for ; at < len(p.universe) && p.universe[at] < op.To; at++ {
		v, ok := found[p.universe[at]]
		step(p.universe[at], registerStep{false, registerState{ok, v}})
	}
}

// matters tells whether an operation that is not known to have taken effect can
// explain anything. If nobody saw what it left, it can always be put last, so it
// is left out to keep the search short; but of a deletion one cannot tell.
func (p *projector) matters(key Key, op *registerOp) bool {
	for _, s := range slices.Backward(op.steps) {
		if s.write {
			return !s.found || p.doubt[writeID{key, s.value}]
		}
	}
	return false
}

// reportNotLinear reports a key, with the operations around the place where the
// longest order that makes sense comes to an end.
func reportNotLinear(h *History, found *findings, key Key, part []porcupine.Operation, timeout time.Duration) {
	var longest []int
	if !found.full(NotLinearizable) {
		_, info := porcupine.CheckOperationsVerbose(registerModel(), part, timeout)
		for _, orders := range info.PartialLinearizations() {
			for _, order := range orders {
				if len(order) > len(longest) {
					longest = order
				}
			}
		}
	}
	placed := make([]bool, len(part))
	for _, i := range longest {
		placed[i] = true
	}
	// What is left must follow, and each must be over at some time: the one
	// that is over first has to come soon, and cannot.
	next, firstReturn := -1, int64(math.MaxInt64)
	for i, op := range part {
		if !placed[i] && op.Return < firstReturn {
			next, firstReturn = i, op.Return
		}
	}
	var txns []TxnID
	if n := len(longest); n > 0 {
		for _, i := range longest[max(0, n-3):] {
			txns = append(txns, part[i].Input.(*registerOp).txn)
		}
	}
	if next >= 0 {
		txns = append(txns, part[next].Input.(*registerOp).txn)
	}
	found.add(NotLinearizable, txns, func() string {
		text := fmt.Sprintf("No order explains the %d operations on key %d. The longest one that makes sense has %d and ends with", len(part), key, len(longest))
		for i, t := range txns {
			if next >= 0 && i == len(txns)-1 {
				text += "\nNow one would have to come that fits, before this one is over:"
			}
			text += "\n" + h.describe(t, []Key{key})
		}
		return text
	})
}
