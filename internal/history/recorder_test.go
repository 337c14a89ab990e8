package history

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// ticks is a clock that counts.
func ticks() Clock {
	return Increasing(func() Time { return 0 })
}

func TestRecorderTranscript(t *testing.T) {
	rec := NewRecorder(Sets, ticks())
	a, b, c := rec.Client(1), rec.Client(2), rec.Client(3)
	x := a.Begin()  // 1
	y := b.Begin()  // 2
	z := c.Begin()  // 3
	z.Write(26, 40) // under way to the end
	x.Insert(1, 10)
	x.Delete(2)
	x.Range(1, 4, []Pair{{1, 10}, {3, 30}})
	y.Write(24, 5)
	y.Read(25, 6, true)
	y.Restart()
	y.Read(25, 7, true)
	y.Read(26, 99, false)
	x.OK()        // 4
	y.Fail()      // 5
	y = b.Begin() // 6
	y.Write(24, 8)
	y.Unknown() // 7
	// History asks for the time once per client: 8, 9, 10.
	want := transcript(t, Sets, `
		c1 1..4 ok: a=nil a:=10 b- [a,d){a:10 c:30}
		c2 2..5 fail: y=7 z=nil
		c3 3..10 unknown: z:=40
		c2 6..7 unknown: x:=8`)
	if got := rec.History(); !reflect.DeepEqual(got, want) {
		t.Fatalf("recorded\n%+v\nwant\n%+v", got, want)
	}
	if rec.Client(2) != b {
		t.Error("another client of the same id")
	}
}

func TestRecorderMisuse(t *testing.T) {
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if msg, ok := recover().(string); !ok || !strings.HasPrefix(msg, "history: ") {
				t.Errorf("%s: no panic that says so", what)
			}
		}()
		f()
	}
	c := NewRecorder(Lists, ticks()).Client(1)
	tx := c.Begin()
	panics("two at a time", func() { c.Begin() })
	tx.OK()
	panics("ended twice", func() { tx.Fail() })
	next := c.Begin()
	panics("used after the end, while another is open", func() { tx.Append(1, 1) })
	next.OK()
}

// TestRecorderKeepsWhatItIsGiven records long transactions over many chunks from
// buffers that are reused.
func TestRecorderKeepsWhatItIsGiven(t *testing.T) {
	rec := NewRecorder(Lists, ticks())
	c := rec.Client(0)
	r := rand.New(rand.NewPCG(1, 1))
	var want []Op
	var ends []int
	buffer := make([]Value, 0, 300)
	for range 200 {
		tx := c.Begin()
		for range r.IntN(30) * r.IntN(30) {
			buffer = buffer[:0]
			for range r.IntN(4) * r.IntN(50) {
				buffer = append(buffer, Value(r.Uint64()))
			}
			op := Op{Kind: OpList, Key: Key(r.Uint64()), List: append([]Value(nil), buffer...)}
			tx.List(op.Key, buffer)
			want = append(want, op)
			clear(buffer)
		}
		tx.OK()
		ends = append(ends, len(want))
	}
	at := 0
	for i, txn := range rec.History().Txns {
		if got := txn.Ops; len(got) != ends[i]-at || len(got) > 0 && !reflect.DeepEqual(got, want[at:ends[i]]) {
			t.Fatalf("transaction %d is not what was recorded", i)
		}
		at = ends[i]
	}
}

// TestRecorderOfASerialStore has goroutines use a store under a lock, and looks
// at the history meanwhile.
func TestRecorderOfASerialStore(t *testing.T) {
	rec := NewRecorder(Lists, MonotonicClock())
	var store struct {
		sync.Mutex
		lists map[Key][]Value
	}
	store.lists = map[Key][]Value{}
	const clients, txns = 8, 300
	var wg sync.WaitGroup
	for id := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(id), 5))
			c := rec.Client(ClientID(id))
			for i := range txns {
				tx := c.Begin()
				store.Lock()
				for range 1 + r.IntN(3) {
					k := Key(i/40*4 + r.IntN(4))
					if r.IntN(2) == 0 {
						v := c.Unique()
						tx.Append(k, v)
						store.lists[k] = append(store.lists[k], v)
					} else {
						tx.List(k, store.lists[k])
					}
				}
				store.Unlock()
				tx.OK()
			}
		})
	}
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			if err := rec.History().Validate(); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	wg.Wait()
	close(stop)
	looking.Wait()
	h := rec.History()
	if r := mustCheck(t, h, Options{}); !r.OK() || r.Committed != clients*txns {
		t.Fatal(r.String())
	}
}

// TestRecordingIsCheap demands that recording does not allocate, but for the
// chunks that it fills.
func TestRecordingIsCheap(t *testing.T) {
	c := NewRecorder(Lists, MonotonicClock()).Client(1)
	list := []Value{1, 2, 3}
	if allocs := testing.AllocsPerRun(5000, func() {
		tx := c.Begin()
		tx.Append(1, c.Unique())
		tx.List(1, list)
		tx.OK()
	}); allocs > 0 {
		t.Errorf("%v allocations for a transaction", allocs)
	}
}

func BenchmarkRecorder(b *testing.B) {
	c := NewRecorder(Lists, MonotonicClock()).Client(1)
	list := []Value{1, 2, 3}
	b.ReportAllocs()
	for b.Loop() {
		tx := c.Begin()
		tx.Append(1, c.Unique())
		tx.List(1, list)
		tx.OK()
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, w := range []Workload{Lists, Registers, Sets} {
		b.Run(w.String(), func(b *testing.B) {
			h := big(w, 50, scaleTxns)
			b.ReportAllocs()
			for b.Loop() {
				if r, err := Check(h, Options{}); err != nil || !r.OK() {
					b.Fatal(err, r.String())
				}
			}
		})
	}
}
