package ycsb

import (
	"bytes"
	"testing"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

func remote(t testing.TB, c Config) (w *Workload, e bench.Engine, s bench.Session, x bench.Executor) {
	t.Helper()
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	e = refengine.New(refengine.Options{AbortEvery: 7})
	if err := w.Load(t.Context(), e, 1); err != nil {
		t.Fatal(err)
	}
	if s, err = e.NewSession(0); err != nil {
		t.Fatal(err)
	}
	if x, err = w.NewExecutor(e); err != nil {
		t.Fatal(err)
	}
	return w, e, s, x
}

// TestTerminalsAndExecutors runs each mix drawn in one place and executed in another, and
// has somebody else compare the database with what the terminal has counted.
func TestTerminalsAndExecutors(t *testing.T) {
	for _, m := range []Mix{A, B, C, D, E, F, PlusPlus} {
		c := For(m)
		c.Records = 300
		_, e, s, x := remote(t, c)
		client, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		terminal := client.NewTerminal(0, 1, 1)
		for range 500 {
			k, request := terminal.Draw(nil)
			run := s.Update
			if client.ReadOnly(k) {
				run = s.View
			}
			var answer []byte
			_, err := run(func(tx bench.Tx) (err error) { answer, err = x.Execute(tx, k, request); return err })
			if err == nil {
				err = terminal.Executed(answer)
			}
			if err != nil {
				t.Fatalf("%s, %s %x: %v", m, client.Kinds()[k], request, err)
			}
		}
		judge := func(counts bench.Counts) error {
			other, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Open(e); err != nil {
				t.Fatal(err)
			}
			other.Expect(counts)
			return other.Check(t.Context(), e, 1)
		}
		counts := client.Counts()
		if err := judge(counts); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		for name := range counts {
			counts[name]++
			if judge(counts) == nil {
				t.Errorf("%s: one of the %s is not there, and that is not noticed", m, name)
			}
			counts[name]--
		}
	}
}

// TestTerminalDrawsWhatAWorkerDraws holds both forms to one source of parameters.
func TestTerminalDrawsWhatAWorkerDraws(t *testing.T) {
	c := For(PlusPlus)
	c.Records = 300
	w, _, s, _ := remote(t, c)
	worker, drawn := newWorker(w, s, 0, 1), w.NewTerminal(0, 1, 1)
	for range 500 {
		k, request := drawn.Draw(nil)
		mine, _, err := worker.Run()
		if err != nil {
			t.Fatal(err)
		}
		if want := worker.executor.append(nil); k != mine || !bytes.Equal(request, want) {
			t.Fatalf("kind %d %x, the worker has drawn %d %x", k, request, mine, want)
		}
	}
}

func TestRequestsOutOfBounds(t *testing.T) {
	c := For(PlusPlus)
	c.Records = 300
	w, e, s, x := remote(t, c)
	good := input{op: opReadModifyWrite, numbers: []uint64{1, 2, 3, 4}}
	for name, r := range map[string]struct {
		k       bench.Kind
		request []byte
	}{
		"nothing":          {1, nil},
		"too short":        {1, good.append(nil)[:4]},
		"too long":         {1, append(good.append(nil), 0)},
		"no such kind":     {2, good.append(nil)},
		"negative kind":    {-1, good.append(nil)},
		"no such record":   {1, (&input{op: opReadModifyWrite, numbers: []uint64{1, 2, 3, 300}}).append(nil)},
		"record too large": {1, (&input{op: opReadModifyWrite, numbers: []uint64{1, 2, 3, 1 << 63}}).append(nil)},
		"record twice":     {1, (&input{op: opReadModifyWrite, numbers: []uint64{1, 2, 3, 1}}).append(nil)},
		"no such field":    {1, (&input{op: opReadModifyWrite, numbers: []uint64{1, 2, 3, 4}, field: 1}).append(nil)},
	} {
		if _, err := s.Update(func(tx bench.Tx) error { _, err := x.Execute(tx, r.k, r.request); return err }); err == nil {
			t.Errorf("%s: %x is executed", name, r.request)
		}
	}
	if _, err := s.Update(func(tx bench.Tx) error { _, err := x.Execute(tx, 1, good.append(nil)); return err }); err != nil {
		t.Error(err)
	}
	w.Expect(bench.Counts{countWrites: 4})
	if err := w.Check(t.Context(), e, 1); err != nil {
		t.Error(err)
	}
}

// FuzzRequest has an executor take whatever comes: it is refused without an effect, or a
// transaction like those that terminals draw.
func FuzzRequest(f *testing.F) {
	var all []bench.Executor
	var sessions []bench.Session
	for _, m := range []Mix{E, F, PlusPlus} {
		c := For(m)
		c.Records = 300
		w, _, s, x := remote(f, c)
		all, sessions = append(all, x), append(sessions, s)
		terminal := w.NewTerminal(0, 1, 1)
		for range 20 {
			k, request := terminal.Draw(nil)
			f.Add(uint8(len(all)), uint8(k), request)
			f.Add(uint8(len(all)), uint8(k), request[:len(request)-1])
		}
	}
	f.Fuzz(func(t *testing.T, mix, k uint8, request []byte) {
		n := int(mix) % len(all)
		x, before := all[n].(*executor), bytes.Clone(request)
		_, err := sessions[n].Update(func(tx bench.Tx) error { _, err := x.Execute(tx, bench.Kind(k), request); return err })
		if !bytes.Equal(request, before) {
			t.Error("the request was changed")
		}
		if err != nil {
			return
		}
		if got := x.append(nil); !bytes.Equal(got, request) && len(got) >= len(request) {
			t.Errorf("%x was read as %x", request, got)
		}
	})
}
