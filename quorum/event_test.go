package quorum

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

var errBad = errors.New("bad")

// Two tasks wait for one event: both go on. (In the original the second takes
// the place of the first, which then waits for ever.)
func TestTwoTasksWaitForOneEvent(t *testing.T) {
	play(t, func(ctx context.Context) {
		v := NewValue[int](ctx, "v")
		var got []string
		for i := range 3 {
			Go(ctx, "waiter", func(ctx context.Context) error {
				x, err := v.Wait(ctx)
				got = append(got, fmt.Sprint(i, x, err))
				return nil
			})
		}
		wantErr(t, Sleep(ctx, time.Second), nil)
		if !v.Set(7) || v.Set(8) || v.Fail(errBad) {
			t.Error("the first decision counts, and no other")
		}
		wantErr(t, Sleep(ctx, time.Second), nil)
		if s := fmt.Sprint(got); s != "[0 7 <nil> 1 7 <nil> 2 7 <nil>]" {
			t.Error(s)
		}
	})
}

// A vote that arrives after its wait timed out is counted, or dropped, and hurts
// nobody. (In the original it aborts the process.)
func TestVoteAfterTimedOutWait(t *testing.T) {
	play(t, func(ctx context.Context) {
		v := NewVotes[int](ctx, "v", []NodeID{1, 2, 3})
		major := v.Majority(nil)
		var late []NodeID
		v.OnLate(func(from NodeID, _ int, err error) { late = append(late, from) })
		v.Add(1, 10, nil)
		wantErr(t, WaitFor(ctx, major, time.Second), ErrTimeout)
		if !v.Add(2, 20, nil) || !major.Decided() {
			t.Error("the vote did not count")
		}
		wantErr(t, major.Wait(ctx), nil) // the rule can be waited for again
		v.Add(3, 30, nil)
		if fmt.Sprint(late) != "[3]" || v.In() != 3 {
			t.Errorf("late %v of %d", late, v.In())
		}
	})
}

// A task that waits for an or or an and goes on when a child fires, nested or
// not. (In the original it does not.)
func TestGroupsWakeWhenAChildFires(t *testing.T) {
	play(t, func(ctx context.Context) {
		type values [4]*Value[int]
		check := func(name string, build func(v values) Event, fire string, want Outcome) {
			t.Helper()
			var v values
			for i := range v {
				v[i] = NewValue[int](ctx, "v")
			}
			e := build(v)
			var woken time.Duration
			var err error
			waiter := Go(ctx, "waiter", func(ctx context.Context) error {
				err = WaitFor(ctx, e, time.Minute)
				woken = RuntimeOf(ctx).Elapsed()
				return nil
			})
			wantErr(t, Yield(ctx), nil)
			for _, c := range fire { // a: v[0] is won, A: it is lost
				if e.outcome() != Pending {
					t.Errorf("%s: decided before %c", name, c)
				}
				wantErr(t, Sleep(ctx, time.Second), nil)
				if c >= 'a' {
					v[c-'a'].Set(1)
				} else {
					v[c-'A'].Fail(errBad)
				}
			}
			at := RuntimeOf(ctx).Elapsed()
			wantErr(t, waiter.Wait(ctx), nil)
			got := Won
			if errors.Is(err, ErrTimeout) {
				got = Pending
			} else if err != nil {
				got = Lost
				if !errors.Is(err, errBad) || !errors.Is(err, ErrLost) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if got != want || want != Pending && woken != at {
				t.Errorf("%s: %v at %v, want %v at %v", name, got, woken, want, at)
			}
			for i := range v {
				if v[i].first != nil {
					t.Errorf("%s: value %d still has a listener", name, i)
				}
			}
		}
		check("or", func(v values) Event { return Or(v[0], v[1]) }, "b", Won)
		check("or, one lost", func(v values) Event { return Or(v[0], v[1]) }, "Ab", Won)
		check("or, all lost", func(v values) Event { return Or(v[0], v[1]) }, "BA", Lost)
		check("and", func(v values) Event { return And(v[0], v[1]) }, "ba", Won)
		check("and, one lost", func(v values) Event { return And(v[0], v[1]) }, "B", Lost)
		check("and, not yet", func(v values) Event { return And(v[0], v[1]) }, "b", Pending)
		check("2 of 4", func(v values) Event { return KofN(2, v[0], v[1], v[2], v[3]) }, "dAb", Won)
		check("2 of 4 lost", func(v values) Event { return KofN(2, v[0], v[1], v[2], v[3]) }, "dABC", Lost)
		check("nested", func(v values) Event { return Or(And(v[0], v[1]), And(v[2], v[3])) }, "acd", Won)
		check("nested, lost", func(v values) Event { return And(Or(v[0], v[1]), Or(v[2], v[3])) }, "aCD", Lost)
		check("nested thrice", func(v values) Event { return Or(v[3], And(v[0], Or(v[1], v[2]))) }, "Dac", Won)
		check("twice the same", func(v values) Event { g := Or(v[0], v[1]); return And(g, g) }, "a", Won)
		check("and of none", func(v values) Event { return And() }, "", Won)
		check("or of none", func(v values) Event { return Or(v[0], Or()) }, "A", Lost)
	})
}

func TestGroupThatIsForgottenLeavesNothing(t *testing.T) {
	play(t, func(ctx context.Context) {
		lasting := NewValue[int](ctx, "lasting")
		for range 100 {
			wantErr(t, WaitFor(ctx, Or(lasting, And(lasting, NewValue[int](ctx, "x"))), time.Millisecond), ErrTimeout)
		}
		if lasting.first != nil {
			t.Error("a group that nobody waits for still listens")
		}
	})
}

func TestSelect(t *testing.T) {
	play(t, func(ctx context.Context) {
		a, b := NewValue[int](ctx, "a"), NewValue[int](ctx, "b")
		Go(ctx, "setter", func(ctx context.Context) error {
			wantErr(t, Sleep(ctx, time.Second), nil)
			b.Fail(errBad)
			return nil
		})
		if i, err := Select(ctx, a, b, After(ctx, 500*time.Millisecond)); i != 2 || err != nil {
			t.Error(i, err)
		}
		if i, err := Select(ctx, a, b); i != 1 || err != nil {
			t.Error(i, err)
		}
		short, cancel := WithTimeout(ctx, time.Second)
		defer cancel()
		i, err := Select(short, a)
		if i != -1 {
			t.Error(i)
		}
		wantErr(t, err, context.DeadlineExceeded)
	})
}

func TestTimeoutResetAndStop(t *testing.T) {
	play(t, func(ctx context.Context) {
		tm := After(ctx, time.Second)
		tm.Reset(3 * time.Second)
		wantErr(t, WaitFor(ctx, tm, 2*time.Second), ErrTimeout)
		wantErr(t, WaitFor(ctx, tm, time.Second), nil)
		// A reset between the waking of a task and its turn: both are due now,
		// and who resets is woken first.
		before := RuntimeOf(ctx).Elapsed()
		Go(ctx, "resets", func(ctx context.Context) error {
			wantErr(t, Sleep(ctx, time.Second), nil)
			tm.Reset(time.Second)
			return nil
		})
		wantErr(t, Yield(ctx), nil)
		tm.Reset(time.Second)
		wantErr(t, Wait(ctx, tm), nil)
		if d := RuntimeOf(ctx).Elapsed() - before; d != 2*time.Second {
			t.Error(d)
		}
		tm.Reset(time.Second)
		tm.Stop()
		wantErr(t, WaitFor(ctx, tm, time.Minute), ErrTimeout)
	})
}

func TestVotes(t *testing.T) {
	type in struct {
		from  NodeID
		reply int
		err   error
	}
	voters := []NodeID{1, 2, 3, 4, 5}
	tests := []struct {
		name string
		in   []in
		// of the fast rule (4 times 7) and the slow rule (3 of any) after each vote
		want string
	}{
		{"fast", []in{{1, 7, nil}, {2, 7, nil}, {3, 7, nil}, {4, 7, nil}}, "pp pp pw ww"},
		{"slow only", []in{{1, 7, nil}, {2, 8, nil}, {3, 9, nil}, {4, 7, nil}}, "pp pp lw lw"},
		{"duplicates count once", []in{{1, 7, nil}, {1, 7, nil}, {1, 7, nil}, {1, 7, nil}}, "pp pp pp pp"},
		{"strangers do not count", []in{{9, 7, nil}, {8, 7, nil}, {7, 7, nil}, {1, 7, nil}}, "pp pp pp pp"},
		{"lost early", []in{{1, 0, errBad}, {2, 0, errBad}, {3, 0, errBad}, {4, 7, nil}}, "pp lp ll ll"},
		{"an error and then a reply", []in{{1, 0, errBad}, {1, 7, nil}, {2, 7, nil}, {3, 7, nil}, {4, 7, nil}, {5, 7, nil}}, "pp pp pp pp pw ww"},
	}
	for _, test := range tests {
		play(t, func(ctx context.Context) {
			v := NewVotes[int](ctx, "v", voters)
			fast := v.Need(4, func(_ NodeID, x int) bool { return x == 7 })
			slow := v.Need(3, nil)
			var got string
			for _, x := range test.in {
				v.Add(x.from, x.reply, x.err)
				for _, r := range []*Rule[int]{fast, slow} {
					got += string(r.outcome().String()[0])
				}
				got += " "
			}
			if got != test.want+" " {
				t.Errorf("%s: %s, want %s", test.name, got, test.want)
			}
			// A rule that comes late judges the votes that are in.
			late := v.Need(3, nil)
			if late.outcome() != slow.outcome() || late.Yes() != slow.Yes() {
				t.Errorf("%s: the late rule is %v", test.name, late.outcome())
			}
		})
	}
}

func TestOwnDiskIsAVoter(t *testing.T) {
	play(t, func(ctx context.Context) {
		v := NewVotes[int](ctx, "v", []NodeID{1, 2, 3})
		rule := v.Need(2, nil)
		v.AddEvent(1, 100, Disk(ctx, "sync", func() error { return nil }))
		v.AddEvent(3, 0, Disk(ctx, "sync", func() error { return errBad }))
		wantErr(t, WaitFor(ctx, rule, time.Second), ErrTimeout)
		v.Add(2, 200, nil)
		wantErr(t, rule.Wait(ctx), nil)
		var got string
		for n, x := range v.Replies() {
			got += fmt.Sprint(n, x, " ")
		}
		if got != "1 100 2 200 " {
			t.Errorf("%q", got)
		}
		wantErr(t, v.Errors(), errBad)
	})
}

func TestWatermark(t *testing.T) {
	play(t, func(ctx context.Context) {
		w := NewWatermark(ctx, "w", 5)
		var got string
		for _, at := range []uint64{9, 7, 5, 8, 7} {
			Go(ctx, "waiter", func(ctx context.Context) error {
				err := w.Wait(ctx, at)
				got += fmt.Sprint(at, err == nil, " ")
				return nil
			})
		}
		wantErr(t, WaitFor(ctx, w.Reached(6), time.Second), ErrTimeout)
		if w.Advance(5) || w.Advance(3) || !w.Advance(8) {
			t.Error("a watermark only grows")
		}
		wantErr(t, Sleep(ctx, time.Second), nil)
		w.Fail(errBad)
		wantErr(t, Sleep(ctx, time.Second), nil)
		if got != "5 true 7 true 7 true 8 true 9 false " || len(w.waiting) != 0 {
			t.Errorf("%q, %d waiting", got, len(w.waiting))
		}
	})
}

func TestQueue(t *testing.T) {
	play(t, func(ctx context.Context) {
		q := NewQueue[int](ctx, "q", 3)
		sum := 0
		for range 2 {
			Go(ctx, "consumer", func(ctx context.Context) error {
				for {
					x, err := q.Get(ctx)
					if err != nil {
						wantErr(t, err, ErrClosed)
						return nil
					}
					sum += x
					wantErr(t, Sleep(ctx, time.Millisecond), nil)
				}
			})
		}
		for i := range 100 {
			wantErr(t, q.Put(ctx, i), nil)
			if q.Len() > 3 {
				t.Fatal("beyond the bound")
			}
		}
		for q.TryPut(0) == nil {
		}
		wantErr(t, q.TryPut(1), ErrOverloaded)
		q.Close()
		wantErr(t, q.Put(ctx, 1), ErrClosed)
		wantErr(t, Sleep(ctx, time.Second), nil)
		if sum != 4950 {
			t.Error("sum", sum)
		}
	})
}

func TestLock(t *testing.T) {
	play(t, func(ctx context.Context) {
		l := NewLock(ctx, "l")
		inside, most := 0, 0
		for range 5 {
			Go(ctx, "locker", func(ctx context.Context) error {
				if err := l.Lock(ctx); err != nil {
					return err
				}
				defer l.Unlock()
				inside++
				most = max(most, inside)
				wantErr(t, Sleep(ctx, time.Second), nil)
				inside--
				return nil
			})
		}
		wantErr(t, Sleep(ctx, 5500*time.Millisecond), nil)
		if most != 1 || l.held != nil {
			t.Errorf("%d tasks held the lock at once", most)
		}
	})
}
