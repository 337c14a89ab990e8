package benchchaos

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchnode"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/quorum"
)

// anomaliesMax is how many anomalies are told.
const anomaliesMax = 10

// checks are what is known of all chapters.
type checks struct {
	c   *cluster
	x   *clients
	old map[uint64]uint64 // hashes of the lists of earlier chapters
	n   int               // chapters
}

// chapter checks what the clients have seen since the last one, and what the replicas
// hold. It returns what cannot be.
func (k *checks) chapter(ctx context.Context) (wrong []string, err error) {
	if err := k.x.pause(ctx); err != nil {
		return nil, err
	}
	k.n++
	if err := k.readLists(ctx, k.x.chapterFrom); err != nil {
		return nil, err
	}
	if err := k.readCounters(ctx); err != nil {
		return nil, err
	}
	wrong = append(wrong, k.x.wrong...)
	k.x.wrong = nil
	found, err := k.judge()
	wrong = append(wrong, found...)
	if err != nil {
		return wrong, err
	}
	different, err := k.equal(ctx)
	wrong = append(wrong, different...)
	k.x.seen.clear()
	k.x.listsFrom += keysAtATime
	k.x.registerFrom += keysAtATime
	k.x.chapterFrom = k.x.listsFrom
	return wrong, err
}

// end checks the last chapter, and that the lists of all chapters are what they were.
func (k *checks) end(ctx context.Context) (wrong []string, err error) {
	if wrong, err = k.chapter(ctx); err != nil {
		return wrong, err
	}
	err = k.readLists(ctx, 0)
	return append(wrong, k.x.wrong...), err
}

// readLists reads all lists from one on, as a client does, and remembers what they are, or
// compares them with that.
func (k *checks) readLists(ctx context.Context, from uint64) error {
	return k.x.do(ctx, func(ctx context.Context) error {
		x := k.x.all[0]
		ctx, cancel := quorum.WithTimeout(ctx, comeAboutMax)
		defer cancel()
		for key := from; key < x.listsFrom+keysAtATime; key++ {
			t := history.Txn{Client: x.id, Invoke: x.clock(), Outcome: history.OK}
			_, results, err := perform(ctx, benchnode.Ops{{Kind: benchnode.ListRead, Key: key}}, x.view)
			if err != nil {
				return fmt.Errorf("read list %d: %w", key, err)
			}
			h := fnv.New64a()
			_, _ = h.Write(results[0]) // a hash takes everything
			if was, known := k.old[key]; known && was != h.Sum64() {
				x.note("list %d was another in its chapter; it is %v", key, decodeList(results[0]))
			}
			k.old[key] = h.Sum64()
			if key >= x.chapterFrom {
				t.Complete = x.clock()
				t.Ops = []history.Op{{Kind: history.OpList, Key: history.Key(key), List: decodeList(results[0])}}
				x.seen.lists.Txns = append(x.seen.lists.Txns, t)
				x.seen.snapshots.Txns = append(x.seen.snapshots.Txns, t)
			}
		}
		return nil
	})
}

// readCounters compares each client's counter with what it can be, and audits the bank.
func (k *checks) readCounters(ctx context.Context) error {
	return k.x.do(ctx, func(ctx context.Context) error {
		ctx, cancel := quorum.WithTimeout(ctx, comeAboutMax)
		defer cancel()
		for _, x := range k.x.all {
			_, results, err := perform(ctx, benchnode.Ops{{Kind: benchnode.CounterRead, Key: ownCounters + uint64(x.id)}}, x.view)
			if err != nil {
				return fmt.Errorf("read a counter: %w", err)
			}
			x.counted(binary.BigEndian.Uint64(results[0]))
		}
		k.x.all[0].audit(ctx, k.x.all[0].view, &k.x.total.Read)
		return nil
	})
}

// registerTimeout is how long one register may take to be checked.
const registerTimeout = 20 * time.Second

// judge checks the histories.
func (k *checks) judge() (wrong []string, err error) {
	s := &k.x.seen
	strict := history.Options{Consistency: history.StrictSerializable}
	for _, check := range []struct {
		name string
		h    *history.History
		run  func(*history.History) (history.Result, error)
	}{
		{"lists", &s.lists, func(h *history.History) (history.Result, error) { return history.CheckListAppend(h, strict) }},
		{"snapshots", &s.snapshots, func(h *history.History) (history.Result, error) {
			return history.CheckListAppend(h, history.Options{Consistency: history.Serializable})
		}},
		{"registers", &s.registers, func(h *history.History) (history.Result, error) { return history.CheckRegisters(h, strict) }},
		{"registers", &s.registers, func(h *history.History) (history.Result, error) {
			return history.CheckLinearizable(h, history.LinearOptions{Timeout: registerTimeout})
		}},
	} {
		found, err := check.run(check.h)
		if err != nil {
			return wrong, fmt.Errorf("check %s: %w", check.name, err)
		}
		for _, a := range found.Anomalies[:min(len(found.Anomalies), anomaliesMax)] {
			wrong = append(wrong, fmt.Sprintf("%s: %v: %s", check.name, a.Kind, a.Explanation))
		}
		if len(found.Anomalies) > 0 {
			name := filepath.Join(k.c.config.Dir, fmt.Sprintf("%s%d.jsonl", check.name, k.n))
			var text strings.Builder
			if err := check.h.Encode(&text); err != nil {
				return wrong, err
			}
			if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil { //nolint:gosec // for whoever looks into it
				return wrong, err
			}
			wrong = append(wrong, "the history is in "+name)
		}
	}
	return wrong, nil
}

// equal compares the replicas.
func (k *checks) equal(ctx context.Context) (wrong []string, err error) {
	leads, err := k.c.leader(ctx)
	if err != nil {
		return nil, err
	}
	check := func(m *member, atLeast uint64) (sum benchshard.Checksum, at uint64, err error) {
		r, err := m.ask(ctx, benchnode.Order{Check: &atLeast}, answerMax)
		if err != nil {
			return sum, 0, err
		}
		return *r.Sum, r.At, nil
	}
	want, at, err := check(leads, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range k.c.members {
		got, gotAt, err := check(m, at)
		if err != nil {
			return wrong, err
		}
		if got != want {
			wrong = append(wrong, fmt.Sprintf("node %d holds %v at %d, node %d, the leader, %v at %d", m.id, got, gotAt, leads.id, want, at))
		}
	}
	return wrong, nil
}
