package godwit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// An anomaly is an interleaving of transactions that a weaker level of isolation
// lets happen, after Adya, and Hermitage for the scripts. Each transaction is
// a row of operations; order says whose next one comes, commit included. They are
//
//	r KEY         reads
//	w KEY VALUE   writes; +N is N more than what was last read
//	i KEY VALUE   inserts, unless the key is there
//	scan          reads all
//	del           deletes all
//	abort         returns an error
type anomaly struct {
	name     string
	txs      []string // operations separated by "; "
	order    string
	attempts []int // that each transaction takes
	ordered  bool  // needs a table with an order
}

var anomalies = []anomaly{
	{"G0 dirty write", []string{"w x 1; w y 1", "w x 2; w y 2"}, "121122", []int{1, 1}, false},
	{"G1a aborted read", []string{"w x 1; abort", "r x; r x"}, "12122", []int{1, 1}, false},
	{"G1b intermediate read", []string{"w x 1; w x 2", "r x; r x"}, "121122", []int{1, 2}, false},
	{"G1c circular information flow", []string{"w x 1; r y", "w y 2; r x"}, "121212", []int{1, 2}, false},
	{"OTV observed transaction vanishes", []string{"w x 1; w y 1", "w x 2; w y 2", "r x; r y; r x; r y"}, "11213232333", []int{1, 1, 2}, false},
	{"PMP predicate many preceders", []string{"scan; scan", "i z 1"}, "12211", []int{2, 1}, true},
	{"PMP of writers", []string{"scan; del", "i z 1"}, "12211", []int{2, 1}, true},
	{"P4 lost update", []string{"r x; w x +1", "r x; w x +1"}, "121212", []int{1, 2}, false},
	{"P4 lost insert", []string{"i z 1", "i z 2"}, "1212", []int{1, 2}, false},
	{"G-single read skew", []string{"r x; r y", "r x; r y; w x 2; w y 2"}, "12222211", []int{2, 1}, false},
	{"G-single read skew over a range", []string{"scan; r y", "w y 2"}, "12211", []int{2, 1}, true},
	{"G-single read skew, then a write", []string{"r x; del", "w x 2; w y 2"}, "122211", []int{2, 1}, true},
	{"G-single over a deletion", []string{"r x; r y; w u 1", "del; w y 3"}, "1222111", []int{2, 1}, true},
	{"G2-item write skew", []string{"r x; r y; w x 1", "r x; r y; w y 1"}, "11221212", []int{1, 2}, false},
	{"G2-item write skew over missing keys", []string{"r u; r v; w u 1", "r u; r v; w v 1"}, "11221212", []int{1, 2}, false},
	{"G2 write skew over phantoms", []string{"scan; i u 1", "scan; i v 1"}, "121212", []int{1, 2}, true},
	{"G2 write skew over an emptied range", []string{"del; w z 1", "del; w u 1"}, "121212", []int{1, 2}, true},
	{"G2 with two edges", []string{"scan", "r y; w y +5", "scan; w u 1"}, "32221133", []int{1, 1, 2}, true},
	{"Fekete's read-only anomaly", []string{"r x; r y; w x -11", "r y; w y 20", "r x; r y"}, "1122233311", []int{2, 1, 1}, false},
}

// scripted is a transaction that goes on when it is told to.
type scripted struct {
	ops      []string
	attempts int
	seen     []string // by the last attempt
	next     chan struct{}
	done     chan struct{} // an operation is done
	over     chan struct{} // closed when the first attempt has ended
	ended    bool
	err      error
}

var errAborted = errors.New("aborted")

// run makes one attempt. The first one is in step with the others, later ones wait
// until those are over.
func (s *scripted) run(tx *Tx, table *Table, goOn <-chan struct{}) error {
	if s.attempts++; s.attempts > 1 {
		s.end()
		<-goOn
	}
	s.seen = nil
	last := 0
	for _, op := range s.ops {
		if s.attempts == 1 {
			<-s.next
		}
		err := s.do(tx, table, strings.Fields(op), &last)
		if err != nil {
			return err
		}
		if s.attempts == 1 {
			s.done <- struct{}{}
		}
	}
	if s.attempts == 1 {
		<-s.next
	}
	return nil
}

func (s *scripted) end() {
	if !s.ended {
		s.ended = true
		close(s.over)
	}
}

func (s *scripted) do(tx *Tx, table *Table, op []string, last *int) error {
	switch op[0] {
	case "r":
		v, err := tx.Get(table, []byte(op[1]))
		if errors.Is(err, ErrNotFound) {
			v, err = []byte("none"), nil
		}
		s.seen = append(s.seen, op[1]+"="+string(v))
		_, _ = fmt.Sscan(string(v), last)
		return err
	case "w":
		value := op[2]
		if value[0] == '+' {
			var n int
			_, _ = fmt.Sscan(value[1:], &n)
			value = fmt.Sprint(*last + n)
		}
		return tx.Put(table, []byte(op[1]), []byte(value))
	case "i":
		err := tx.Insert(table, []byte(op[1]), []byte(op[2]))
		if errors.Is(err, ErrExists) {
			s.seen = append(s.seen, op[1]+" exists")
			return nil
		}
		return err
	case "scan":
		for k, v := range tx.Scan(table, Range{}) {
			s.seen = append(s.seen, string(k)+"="+string(v))
		}
		return tx.Err()
	case "del":
		n, err := tx.DeleteRange(table, nil, nil)
		s.seen = append(s.seen, fmt.Sprint(n, " deleted"))
		return err
	case "abort":
		return errAborted
	}
	return errors.New("what is " + op[0] + "?")
}

// outcome is everything that anybody can know of a run.
func outcome(t *testing.T, db *DB, txs []*scripted) string {
	t.Helper()
	var b strings.Builder
	for i, s := range txs {
		fmt.Fprintln(&b, "transaction", i+1, "saw", s.seen, s.err)
	}
	table := mustDump(t, db)["t"]
	for _, k := range []string{"u", "v", "x", "y", "z"} {
		fmt.Fprint(&b, k, "=", table[k], " ")
	}
	return b.String()
}

func newScripted(t *testing.T, a *anomaly, kind TableKind) (*DB, *Table, []*scripted) {
	t.Helper()
	db := openDB(t, "", &Options{Durability: DurabilityNone, MemoryLimit: 16 << 20, Workers: 3})
	table := mustTable(t, db, "t", kind)
	must(t, db.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.Put(table, []byte("x"), []byte("0")), tx.Put(table, []byte("y"), []byte("0")))
	}))
	var txs []*scripted
	for _, ops := range a.txs {
		txs = append(txs, &scripted{ops: strings.Split(ops, "; "), next: make(chan struct{}), done: make(chan struct{}), over: make(chan struct{})})
	}
	return db, table, txs
}

// serial returns the outcome of running the transactions one after the other.
func serial(t *testing.T, a *anomaly, kind TableKind, order []int) string {
	t.Helper()
	db, table, txs := newScripted(t, a, kind)
	for _, i := range order {
		s := txs[i]
		s.err = db.Update(t.Context(), func(tx *Tx) error {
			s.attempts = 2 // nobody to be in step with
			s.seen = nil
			last := 0
			for _, op := range s.ops {
				if err := s.do(tx, table, strings.Fields(op), &last); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return outcome(t, db, txs)
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return all
}

// interleave runs the script and returns its outcome.
func interleave(t *testing.T, a *anomaly, kind TableKind) (string, []*scripted) {
	t.Helper()
	db, table, txs := newScripted(t, a, kind)
	for i, s := range txs {
		want := len(s.ops) + 1
		if s.ops[len(s.ops)-1] == "abort" {
			want--
		}
		if got := strings.Count(a.order, string(rune('1'+i))); got != want {
			t.Fatalf("%s: transaction %d has %d steps, the order %d", a.name, i+1, want, got)
		}
	}
	goOn := make(chan struct{})
	returned := make(chan struct{})
	for _, s := range txs {
		go func() {
			defer func() { returned <- struct{}{} }()
			s.err = db.Update(t.Context(), func(tx *Tx) error { return s.run(tx, table, goOn) })
			s.end()
		}()
	}
	for _, c := range a.order {
		s := txs[c-'1']
		select {
		case s.next <- struct{}{}:
			select {
			case <-s.done:
			case <-s.over: // it has committed, or was overtaken
			}
		case <-s.over:
		}
	}
	close(goOn)
	for range txs {
		<-returned
	}
	return outcome(t, db, txs), txs
}

func TestProofAnomalies(t *testing.T) {
	for _, a := range anomalies {
		for _, kind := range []TableKind{Ordered, Hashed} {
			if a.ordered && kind == Hashed {
				continue
			}
			t.Run(a.name+"/"+kind.String(), func(t *testing.T) {
				got, txs := interleave(t, &a, kind)
				possible := map[string]bool{}
				for _, order := range permutations(len(a.txs)) {
					possible[serial(t, &a, kind, order)] = true
				}
				if !possible[got] {
					t.Errorf("no serial order does this:\n%s\nbut these do:", got)
					for p := range possible {
						t.Error(p)
					}
				}
				for i, s := range txs {
					if s.attempts != a.attempts[i] {
						t.Errorf("transaction %d took %d attempts, want %d", i+1, s.attempts, a.attempts[i])
					}
				}
			})
		}
	}
}
