package benchchaos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/procedure"
	"github.com/godwitdb/godwit/quorum"
)

const (
	// patience is how long a client tries, and impatience how long one that gives up early,
	// so that there are outcomes that nobody knows.
	patience, impatience = 30 * time.Second, 20 * time.Millisecond
	// restMax is how long a client rests between two transactions at most.
	restMax = 10 * time.Millisecond
)

// clientOf is one client.
type clientOf struct {
	*clients
	id       history.ClientID
	session  *procedure.Session
	rng      *rand.Rand
	replicas []env.NodeID
	newest   hlc.Timestamp // of what it has seen
	// Its own counter is at least certain, and at most what nobody knows above that.
	certain, maybe uint64
}

// run runs one transaction after the other.
func (x *clientOf) run(ctx context.Context) error {
	for {
		if !x.paused {
			x.busy++
			x.one(ctx)
			x.busy--
		}
		if err := quorum.Sleep(ctx, time.Duration(x.rng.Int64N(int64(restMax)))); err != nil {
			return err
		}
	}
}

func (x *clientOf) one(ctx context.Context) {
	limit := patience
	if x.rng.IntN(50) == 0 {
		limit = impatience
	}
	ctx, cancel := quorum.WithTimeout(ctx, limit)
	defer cancel()
	switch n := x.rng.IntN(100); {
	case n < 35:
		x.useLists(ctx)
	case n < 60:
		x.useRegister(ctx)
	case n < 75:
		x.transfer(ctx)
	case n < 85:
		x.count(ctx)
	case n < 90:
		x.audit(ctx, x.view, &x.total.Read)
	case n < 95:
		x.audit(ctx, x.snapshot, &x.total.Snapshots)
	default:
		x.readSnapshot(ctx)
	}
}

// update, view and snapshot are manners.
func (x *clientOf) update(ctx context.Context, argument []byte) (procedure.Answer, error) {
	invoked := time.Now()
	a, err := x.session.Update(ctx, benchnode.Transact, argument)
	if err == nil {
		x.released = append(x.released, release{invoked, time.Now(), a.Epoch})
		if len(x.released) > releasesMax {
			x.released = x.released[1:]
		}
	}
	return a, err
}

// releasesMax is how many releases are kept for who asks for them.
const releasesMax = 10_000

func (x *clientOf) view(ctx context.Context, argument []byte) (procedure.Answer, error) {
	return x.client.View(ctx, benchnode.Transact, argument)
}

// snapshot reads on any replica what is as fresh as what the client has seen, or just
// something.
func (x *clientOf) snapshot(ctx context.Context, argument []byte) (procedure.Answer, error) {
	var atLeast hlc.Timestamp
	if x.rng.IntN(2) == 0 {
		atLeast = x.newest
	}
	ctx, cancel := quorum.WithTimeout(ctx, time.Second) // the replica may be away
	defer cancel()
	a, err := x.client.Snapshot(ctx, x.replicas[x.rng.IntN(len(x.replicas))], atLeast, benchnode.Transact, argument)
	if err == nil && a.At < atLeast {
		x.note("a snapshot at %d, wanted is one at or behind %d", a.At, atLeast)
	}
	return a, err
}

// note notes an anomaly.
func (x *clients) note(format string, args ...any) {
	x.wrong = append(x.wrong, fmt.Sprintf(format, args...))
}

// outcome counts what became of a transaction, and tells the history.
func (x *clientOf) outcome(a procedure.Answer, err error, done *int) history.Outcome {
	var rejected *procedure.RejectedError
	switch {
	case err == nil:
		x.newest = max(x.newest, a.At)
		*done++
		return history.OK
	case errors.Is(err, procedure.ErrOutcomeUnknown):
		x.total.Unknown++
		return history.Unknown
	case errors.As(err, &rejected):
		x.note("client %d: %v", x.id, err)
	}
	x.total.Failed++
	return history.Failed
}

// useLists appends to lists, or reads them, or both.
func (x *clientOf) useLists(ctx context.Context) {
	var ops benchnode.Ops
	writes := x.rng.IntN(4) > 0
	used := map[uint64]bool{}
	for range 1 + x.rng.IntN(4) {
		key := x.listsFrom + uint64(x.rng.IntN(keysAtATime))
		if used[key] {
			continue
		}
		used[key] = true
		o := benchnode.Op{Kind: benchnode.ListRead, Key: key}
		if writes && x.rng.IntN(2) == 0 {
			x.value++
			o.Kind, o.Value = benchnode.ListAppend, x.value
		}
		ops = append(ops, o)
	}
	run, done := x.view, &x.total.Read
	for _, o := range ops {
		if o.Kind == benchnode.ListAppend {
			run, done = x.update, &x.total.Released
		}
	}
	x.lists(ctx, ops, run, done, &x.seen.lists, &x.seen.snapshots)
}

// readSnapshot reads all lists that are in use from a snapshot.
func (x *clientOf) readSnapshot(ctx context.Context) {
	var ops benchnode.Ops
	for i := range uint64(keysAtATime) {
		ops = append(ops, benchnode.Op{Kind: benchnode.ListRead, Key: x.listsFrom + i})
	}
	x.lists(ctx, ops, x.snapshot, &x.total.Snapshots, &x.seen.snapshots)
}

// lists runs a transaction on lists and notes it in histories.
func (x *clientOf) lists(ctx context.Context, ops benchnode.Ops, run manner, done *int, in ...*history.History) {
	t := history.Txn{Client: x.id, Invoke: x.clock()}
	a, results, err := perform(ctx, ops, run)
	t.Outcome, t.Complete = x.outcome(a, err, done), x.clock()
	for i, o := range ops {
		op := history.Op{Kind: history.OpAppend, Key: history.Key(o.Key), Value: history.Value(o.Value)}
		if o.Kind == benchnode.ListRead {
			if err != nil {
				continue
			}
			op = history.Op{Kind: history.OpList, Key: history.Key(o.Key), List: decodeList(results[i])}
			if len(op.List) >= listValuesMax && o.Key >= x.listsFrom {
				x.listsFrom += keysAtATime
			}
		}
		t.Ops = append(t.Ops, op)
	}
	if len(t.Ops) > 0 {
		for _, h := range in {
			h.Txns = append(h.Txns, t)
		}
	}
}

func decodeList(b []byte) (list []history.Value) {
	for ; len(b) >= 8; b = b[8:] {
		list = append(list, history.Value(binary.BigEndian.Uint64(b)))
	}
	return list
}

// useRegister reads or writes one register.
func (x *clientOf) useRegister(ctx context.Context) {
	if x.registerOps++; x.registerOps > keysAtATime*registerOpsMax {
		x.registerFrom, x.registerOps = x.registerFrom+keysAtATime, 0
	}
	o := benchnode.Op{Kind: benchnode.RegisterRead, Key: x.registerFrom + uint64(x.rng.IntN(keysAtATime))}
	run, done := x.view, &x.total.Read
	op := history.Op{Kind: history.OpRead, Key: history.Key(o.Key)}
	if x.rng.IntN(2) == 0 {
		x.value++
		o.Kind, o.Value = benchnode.RegisterWrite, x.value
		run, done = x.update, &x.total.Released
		op.Kind, op.Value = history.OpWrite, history.Value(o.Value)
	}
	t := history.Txn{Client: x.id, Invoke: x.clock()}
	a, results, err := perform(ctx, benchnode.Ops{o}, run)
	t.Outcome, t.Complete = x.outcome(a, err, done), x.clock()
	if op.Kind == history.OpRead {
		if err != nil {
			return // it says nothing
		}
		if value := decodeList(results[0]); len(value) > 0 {
			op.Found, op.Value = true, value[0]
		}
	}
	t.Ops = []history.Op{op}
	x.seen.registers.Txns = append(x.seen.registers.Txns, t)
}

// transfer moves money between two accounts.
func (x *clientOf) transfer(ctx context.Context) {
	from := x.rng.Uint64N(accounts)
	to := (from + 1 + x.rng.Uint64N(accounts-1)) % accounts
	amount := x.rng.Uint64N(100)
	a, _, err := perform(ctx, benchnode.Ops{{Kind: benchnode.CounterAdd, Key: from, Value: -amount}, {Kind: benchnode.CounterAdd, Key: to, Value: amount}}, x.update)
	x.outcome(a, err, &x.total.Released)
}

// audit reads all accounts, which have as much as there is.
func (x *clientOf) audit(ctx context.Context, run manner, done *int) {
	var ops benchnode.Ops
	for key := range uint64(accounts) {
		ops = append(ops, benchnode.Op{Kind: benchnode.CounterRead, Key: key})
	}
	a, results, err := perform(ctx, ops, run)
	if x.outcome(a, err, done); err != nil {
		return
	}
	var sum uint64
	for _, r := range results {
		sum += binary.BigEndian.Uint64(r)
	}
	if sum != 0 {
		x.note("the bank's total at %d is %d", a.At, int64(sum))
	}
}

// count counts in the client's own counter, which shows what was carried out twice or not
// at all.
func (x *clientOf) count(ctx context.Context) {
	a, results, err := perform(ctx, benchnode.Ops{{Kind: benchnode.CounterAdd, Key: ownCounters + uint64(x.id), Value: 1}}, x.update)
	switch x.outcome(a, err, &x.total.Released) {
	case history.OK:
		x.certain++
		x.counted(binary.BigEndian.Uint64(results[0]))
	case history.Unknown:
		x.maybe++
	case history.Failed:
	}
}

// counted compares the own counter with what it can be.
func (x *clientOf) counted(n uint64) {
	if n < x.certain || n > x.certain+x.maybe {
		x.note("the counter of client %d is %d; %d are certain, and %d of unknown outcome", x.id, n, x.certain, x.maybe)
		x.certain = n // so that this is said once
	}
}
