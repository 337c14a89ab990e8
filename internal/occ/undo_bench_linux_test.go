package occ

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/wal"
)

// BenchmarkUndo is what Config.Undo costs: the four-key transaction of YCSB++, half
// read-only, half read-modify-write, over a million keys, with what is released some
// hundreds or thousands of writing transactions behind. Two engines, with and without, take turns; their
// processor times are those of the median turn.
func BenchmarkUndo(b *testing.B) {
	for _, lag := range []hlc.Timestamp{500, 2500, 10000} {
		b.Run(fmt.Sprint("lag", lag), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			engines := [2]*ycsb{newYCSB(b, false, lag), newYCSB(b, true, lag)}
			const turn = 20000
			var times [2][]float64
			var ratios []float64
			for range b.N {
				for i, y := range engines {
					start := threadTime(b)
					y.run(b, turn)
					times[i] = append(times[i], float64((threadTime(b)-start).Nanoseconds())/turn)
				}
				n := len(times[0]) - 1
				ratios = append(ratios, times[1][n]/times[0][n])
			}
			for _, s := range [][]float64{times[0], times[1], ratios} {
				slices.Sort(s)
			}
			b.ReportMetric(times[0][b.N/2], "ns-off/tx")
			b.ReportMetric(times[1][b.N/2], "ns-on/tx")
			b.ReportMetric(ratios[b.N/2], "on/off")
		})
	}
}

// BenchmarkYCSBWithUndo is one of the two, for profiles.
func BenchmarkYCSBWithUndo(b *testing.B) {
	y := newYCSB(b, true, 5000)
	b.ReportAllocs()
	b.ResetTimer()
	y.run(b, b.N)
}

// threadTime returns the processor time that the thread has used.
func threadTime(b *testing.B) time.Duration {
	const rusageThread = 1
	var r syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

type ycsb struct {
	e      *Engine
	table  *Table
	bound  Bound
	rng    *rand.Rand
	ks, vs [][]byte
}

const ycsbKeys = 1 << 20

func newYCSB(b *testing.B, undo bool, lag hlc.Timestamp) *ycsb {
	clock := &hlc.Clock{}
	clock.Observe(lag)
	e := newEngineOf(b, 1<<30, Config{Clock: clock, Streams: wal.NewStreams(1), Undo: undo, Released: func() hlc.Timestamp { return clock.Last() - lag }})
	y := &ycsb{e: e, table: newTable(b, e, 1, true), rng: rand.New(rand.NewPCG(1, 2)), ks: make([][]byte, 4), vs: make([][]byte, 4)}
	value := make([]byte, 100)
	for i := range y.ks {
		y.ks[i] = make([]byte, 8)
	}
	for i := range uint64(ycsbKeys) {
		binary.BigEndian.PutUint64(y.ks[0], i*0x9e3779b97f4a7c15)
		update(b, e, func(tx *Tx) error { return tx.Put(y.table, y.ks[0], value) })
	}
	var err error
	if y.bound, err = e.NewBound(0); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(y.bound.Drop)
	return y
}

// run runs n transactions.
func (y *ycsb) run(b testing.TB, n int) {
	for n := range n {
		for i := range y.ks {
			binary.BigEndian.PutUint64(y.ks[i], y.rng.Uint64N(ycsbKeys)*0x9e3779b97f4a7c15)
		}
		tx, _ := y.bound.Begin()
		if err := tx.GetMany(y.table, y.ks, y.vs); err != nil {
			b.Fatal(err)
		}
		if n%2 == 0 {
			for i := range y.ks {
				y.vs[i][3]++
				if err := tx.Put(y.table, y.ks[i], y.vs[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
		if _, err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
		tx.Finish()
	}
}
