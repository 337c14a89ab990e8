package occ

import (
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// However often a key comes and goes while snapshots keep what it was, what is
// remembered of it does not grow.
func TestDeletionsUnderSnapshotsAreBounded(t *testing.T) {
	for i := range 4 {
		ordered := i%2 == 0
		clock := &hlc.Clock{}
		e := newEngineOf(t, 64<<20, Config{Clock: clock, Streams: wal.NewStreams(2), Released: clock.Last, Undo: i < 2})
		table := newTable(t, e, 1, ordered)
		const keys, rounds, snapshots = 20, 500, 3
		cycle := func() {
			for i := range keys {
				put(t, e, table, string(rune('a'+i)), "value")
			}
			e.Maintain()
			for i := range keys {
				update(t, e, func(tx *Tx) error { return tx.Delete(table, []byte{byte('a' + i)}) })
			}
			e.Maintain()
		}
		var open []*Snapshot
		for range snapshots {
			for i := range keys {
				put(t, e, table, string(rune('a'+i)), "kept")
			}
			s, err := e.OpenSnapshot()
			must(t, err)
			open = append(open, s)
			cycle()
		}
		before := e.Stats()
		for range rounds {
			cycle()
		}
		if s := e.Stats(); s.Deleted > before.Deleted+2*keys || s.Versions != before.Versions {
			t.Errorf("ordered %v: %d deletions and %d versions before, %d and %d after %d rounds with %d keys", ordered,
				before.Deleted, before.Versions, s.Deleted, s.Versions, rounds, keys)
		}
		for _, s := range open {
			s.Close()
		}
		settle(e)
		if s := e.Stats(); s.Deleted != 0 || s.Versions != 0 {
			t.Errorf("ordered %v: %+v when they are closed", ordered, s)
		}
	}
}
