package godwit

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// churnPerSecond is how many transactions TestProofMemory runs in a second of a
// long run: it is about what is left behind, not about speed.
const churnPerSecond = 20_000

// TestProofMemory: records of 8 + 100 bytes take at most 190 bytes each after a
// load in random order, and at most 1.3 times that after many updates, deletions
// and inserts of other keys. GODWIT_CHURN=1h makes it the long run: ten million
// records, changed for so long.
func TestProofMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("counts bytes, which are the same in the long form")
	}
	const loadedMax, growthMax = 190, 1.3
	records, transactions, pause := 200_000, 300_000, time.Duration(0)
	if raceBuild {
		records, transactions = 60_000, 10_000 // fewer records have pages to spare
	}
	if s := os.Getenv("GODWIT_CHURN"); s != "" {
		d, err := time.ParseDuration(s)
		must(t, err)
		records, transactions = 10_000_000, int(d.Seconds()*churnPerSecond)
		pause = time.Second / churnPerSecond
	}
	db := openDB(t, t.TempDir(), &Options{Durability: DurabilityBackground, MemoryLimit: memoryFor(records)})
	for _, kind := range []TableKind{Ordered, Hashed} {
		t.Run(kind.String(), func(t *testing.T) {
			before := settledBytes(t, db)
			table := mustTable(t, db, kind.String(), kind)
			c := newChurn(t, db, table, records)
			c.load(t)
			loaded := float64(settledBytes(t, db)-before) / float64(records)
			for n := range transactions {
				c.step(t)
				if n%(60*churnPerSecond) == 0 && pause > 0 {
					t.Logf("after %d transactions: %.1f bytes per record", n, float64(db.Stats().MemoryUsedBytes)/float64(records))
				}
				if pause > 0 && n%100 == 0 {
					pass(t.Context(), 100*pause)
				}
			}
			c.check(t)
			churned := float64(settledBytes(t, db)-before) / float64(records)
			t.Logf("%d records, %d transactions: %.1f bytes per record after load, %.1f after", records, transactions, loaded, churned)
			if loaded > loadedMax {
				t.Errorf("%.1f bytes per record after load, want at most %d", loaded, loadedMax)
			}
			if churned > growthMax*loaded {
				t.Errorf("%.1f bytes per record, want at most %.1f times %.1f", churned, growthMax, loaded)
			}
			c.session.Close()
			must(t, db.DropTable(t.Context(), table.Name()))
			settledBytes(t, db)
		})
	}
}

// memoryFor is a limit with room for a checkpoint's old versions.
func memoryFor(records int) int64 { return 256<<20 + int64(records)*400 }

// settledBytes waits until garbage is collected and returns the memory in use.
func settledBytes(t *testing.T, db *DB) int64 {
	t.Helper()
	const patience = 5 * time.Minute // of ten million records a checkpoint may be running
	for deadline := time.Now().Add(patience); ; pass(t.Context(), 10*time.Millisecond) {
		s := db.Stats()
		if s.DeletedRecords == 0 && s.OldVersions == 0 && s.MemoryRetiredBytes == 0 && !s.Checkpoint.Running {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("garbage is left: %+v", s)
		}
	}
	return db.Stats().MemoryUsedBytes
}

// churn changes a table whose keys it knows: slot i has the key of (i,
// generations[i]).
type churn struct {
	db          *DB
	table       *Table
	session     *Session
	rng         *rand.Rand
	generations []uint32
	value       [100]byte
	others      int // records in other tables
}

func newChurn(t *testing.T, db *DB, table *Table, records int) *churn {
	s, err := db.NewSession()
	must(t, err)
	return &churn{others: int(db.Stats().Records), db: db, table: table, session: s, rng: rand.New(rand.NewPCG(1, 9)), generations: make([]uint32, records)}
}

func (c *churn) key(slot int, generation uint32) []byte {
	return binary.BigEndian.AppendUint64(nil, (uint64(slot)<<32|uint64(generation))*0x9e3779b97f4a7c15)
}

func (c *churn) load(t *testing.T) {
	for at := 0; at < len(c.generations); at += 100 {
		_, err := c.session.Update(func(tx *Tx) error {
			for slot := at; slot < min(at+100, len(c.generations)); slot++ {
				if err := tx.Insert(c.table, c.key(slot, 0), c.value[:]); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
	}
}

// step runs one transaction: two updates, and two keys replaced by others.
func (c *churn) step(t *testing.T) {
	var slots [4]int
	for i := range slots {
		slots[i] = c.rng.IntN(len(c.generations))
	}
	if slots[2] == slots[3] {
		return
	}
	_, err := c.session.Update(func(tx *Tx) error {
		for _, slot := range slots[:2] {
			if err := tx.Put(c.table, c.key(slot, c.generations[slot]), c.value[:]); err != nil {
				return err
			}
		}
		for _, slot := range slots[2:] {
			if err := tx.Delete(c.table, c.key(slot, c.generations[slot])); err != nil {
				return err
			}
			if err := tx.Insert(c.table, c.key(slot, c.generations[slot]+1), c.value[:]); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, err)
	for _, slot := range slots[2:] {
		c.generations[slot]++
	}
}

// check looks every record up.
func (c *churn) check(t *testing.T) {
	for at := 0; at < len(c.generations); at += 1000 {
		_, err := c.session.View(func(tx *Tx) error {
			for slot := at; slot < min(at+1000, len(c.generations)); slot++ {
				if _, err := tx.Get(c.table, c.key(slot, c.generations[slot])); err != nil {
					return fmt.Errorf("slot %d, generation %d: %w", slot, c.generations[slot], err)
				}
			}
			return nil
		})
		must(t, err)
	}
	if n := int(c.db.Stats().Records); n != len(c.generations)+c.others {
		t.Errorf("%d records, want %d", n, len(c.generations))
	}
}
