package tpcc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/refengine"
)

// remote executes what terminals draw.
func remote(t testing.TB, w *Workload, e bench.Engine) (bench.Session, bench.Executor) {
	t.Helper()
	s, err := e.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	x, err := w.NewExecutor(e)
	if err != nil {
		t.Fatal(err)
	}
	return s, x
}

// TestTerminalsAndExecutors runs the mix drawn in one place and executed in another, and has
// somebody else compare the database with what the terminal has counted.
func TestTerminalsAndExecutors(t *testing.T) {
	w, e := loaded(t, small(), 2, refengine.Options{AbortEvery: 7})
	client, err := New(small())
	if err != nil {
		t.Fatal(err)
	}
	s, x := remote(t, w, e)
	terminal := client.NewTerminal(0, 1, 1)
	var request, answer []byte
	for range 2000 {
		var k bench.Kind
		k, request = terminal.Draw(request[:0])
		run := s.Update
		if client.ReadOnly(k) {
			run = s.View
		}
		_, err := run(func(tx bench.Tx) (err error) { answer, err = x.Execute(tx, k, request); return err })
		if errors.Is(err, bench.ErrRollback) {
			continue
		}
		if err == nil {
			err = terminal.Executed(answer)
		}
		if err != nil {
			t.Fatalf("%s %x: %v", client.Kinds()[k], request, err)
		}
	}
	judge := func(c bench.Counts) error {
		other, err := New(small())
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Open(e); err != nil {
			t.Fatal(err)
		}
		other.Expect(c)
		return other.Check(t.Context(), e, 1)
	}
	c := client.Counts()
	if err := judge(c); err != nil {
		t.Error(err)
	}
	for name := range c {
		if c[name] == 0 {
			t.Errorf("no %s", name)
		}
		c[name]++
		if judge(c) == nil {
			t.Errorf("one of the %s is not there, and that is not noticed", name)
		}
		c[name]--
	}
}

// TestTerminalDrawsWhatAWorkerDraws holds both forms to one source of parameters.
func TestTerminalDrawsWhatAWorkerDraws(t *testing.T) {
	w, e := loaded(t, small(), 1, refengine.Options{})
	worker := runSome(t, w, e, 0)
	drawn := newTerminal(w, 0, 1, 1)
	for range 500 {
		k, request := drawn.Draw(nil)
		in := drawn.sent
		mine, _, err := worker.Run()
		if err != nil && !errors.Is(err, bench.ErrRollback) {
			t.Fatal(err)
		}
		x := worker.executor.input
		x.newOrder.entry, x.payment.date, x.delivery.date = in.newOrder.entry, in.payment.date, in.delivery.date
		if want := x.append(nil, mine); k != mine || !bytes.Equal(request, want) {
			t.Fatalf("kind %d %x, the worker has drawn %d %x", k, request, mine, want)
		}
	}
}

// FuzzRequest has an executor take whatever comes: it is refused without an effect, or a
// transaction that leaves the database in order.
func FuzzRequest(f *testing.F) {
	w, err := New(small())
	if err != nil {
		f.Fatal(err)
	}
	e := refengine.New(refengine.Options{})
	if err := w.Load(f.Context(), e, 1); err != nil {
		f.Fatal(err)
	}
	client := newTerminal(w, 0, 1, 1)
	for range 60 {
		k, request := client.Draw(nil)
		f.Add(uint8(k), request)
		f.Add(uint8(k), request[:len(request)-1])
		f.Add(uint8(k), append(request[:len(request):len(request)], 0))
		f.Add(uint8(k+1), request)
	}
	s, x := remote(f, w, e)
	f.Fuzz(func(t *testing.T, k uint8, request []byte) {
		before := bytes.Clone(request)
		var answer []byte
		_, err := s.Update(func(tx bench.Tx) (err error) {
			answer, err = x.Execute(tx, bench.Kind(k), request)
			return err
		})
		if !bytes.Equal(request, before) {
			t.Error("the request was changed")
		}
		if err != nil {
			return
		}
		client.last = bench.Kind(k)
		if err := client.Executed(answer); err != nil {
			t.Error(err)
		}
		if got := x.(*executor).input.append(nil, bench.Kind(k)); !bytes.Equal(got, request) && len(got) >= len(request) {
			t.Errorf("%x was read as %x", request, got)
		}
	})
}

func TestRequestsOutOfBounds(t *testing.T) {
	w, e := loaded(t, small(), 1, refengine.Options{})
	s, x := remote(t, w, e)
	worker := runSome(t, w, e, 0)
	in := worker.executor.input
	for name, c := range map[string]struct {
		k      bench.Kind
		change func()
	}{
		"warehouse": {kindNewOrder, func() { in.newOrder.home = 3 }},
		"district":  {kindNewOrder, func() { in.newOrder.district = 11 }},
		"customer":  {kindNewOrder, func() { in.newOrder.customer = 31 }},
		"lines":     {kindNewOrder, func() { in.newOrder.count = 4 }},
		"item":      {kindNewOrder, func() { in.newOrder.lines[0].item = 201 }},
		"quantity":  {kindNewOrder, func() { in.newOrder.lines[0].quantity = 0 }},
		"supply":    {kindNewOrder, func() { in.newOrder.lines[0].supply = 0 }},
		"amount":    {kindPayment, func() { in.payment.amount = paidMax + 1 }},
		"session":   {kindPayment, func() { in.payment.source = 0 }},
		"number":    {kindPayment, func() { in.payment.number = historyNumberMax + 1 }},
		"name":      {kindOrderStatus, func() { in.orderStatus.number, in.orderStatus.name = 0, []byte("NOBODY") }},
		"long name": {kindOrderStatus, func() { in.orderStatus.number, in.orderStatus.name = 0, make([]byte, lastNameMax+1) }},
		"carrier":   {kindDelivery, func() { in.delivery.carrier = 0 }},
		"date":      {kindDelivery, func() { in.delivery.date = -1 }},
		"threshold": {kindStockLevel, func() { in.stockLevel.threshold = 21 }},
	} {
		worker.terminal.draw(c.k, in)
		c.change()
		request := in.append(nil, c.k)
		if _, err := s.Update(func(tx bench.Tx) error { _, err := x.Execute(tx, c.k, request); return err }); err == nil {
			t.Errorf("%s: %x is executed", name, request)
		}
	}
	if err := w.Check(t.Context(), e, 1); err != nil {
		t.Error(err)
	}
	for _, answer := range [][]byte{nil, {0x80}, {1, 1}, {districts + 1}} {
		worker.terminal.last = kindDelivery
		if worker.terminal.Executed(answer) == nil {
			t.Errorf("answer %x is taken", answer)
		}
	}
}
