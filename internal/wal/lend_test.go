package wal

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

// What is appended while the flusher is held is one round, durable when Release returns, or soon.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		o := testOptions(f, 2)
		l := openLog(t, o)
		var all []tx
		add := func() {
			all = append(all, appendTx(l.Stream(len(all)%2), o.HLC, []Write{{Kind: KindPut}}))
			synctest.Wait()
		}
		durable := func(want bool) {
			t.Helper()
			if last := all[len(all)-1].ts; l.Durable() >= last != want {
				t.Errorf("transaction %d: durable to %d, the last is %d", len(all), l.Durable(), last)
			}
		}
		add()
		elapse(t.Context(), 3*restWitness) // the first segment is prepared
		durable(true)
		for i := range 5 {
			elapse(t.Context(), time.Millisecond) // the flusher takes a break at most
			rounds := l.Stats().Rounds
			l.Hold()
			add()
			l.Hold() // another one
			add()
			l.Release(true)
			durable(false)
			l.Release(i != 3)
			if i == 3 {
				synctest.Wait()
			}
			durable(true)
			if n := l.Stats().Rounds - rounds; n != 1 {
				t.Errorf("%d rounds", n)
			}
			if i == 1 {
				elapse(t.Context(), 3*restWitness) // it has rested, until it is woken
			}
		}
		elapse(t.Context(), 3*restWitness)
		synctest.Wait()
		if reach := l.flush.witnessed; reach != l.flush.round {
			t.Errorf("the reach is round %d, the last is %d", reach, l.flush.round)
		}
		must(t, l.Close())
		_, got, err := recoverAll(f, 0)
		must(t, err)
		expect(t, got, all)
	})
}

// Whoever finds that the log fails, it has failed for all.
func TestReleaseFails(t *testing.T) {
	for _, kind := range []faultfs.OpKind{faultfs.OpWrite, faultfs.OpSync} {
		f := newFS(t)
		o := testOptions(f, 1)
		l := openLog(t, o)
		appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
		must(t, l.Sync(background()))
		f.Fail(kind, 1, 1<<30, errInjected)
		l.Hold()
		appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut}})
		l.Release(true)
		if err := l.Sync(background()); !errors.Is(err, dberr.ErrLogFailed) || !errors.Is(err, errInjected) {
			t.Errorf("%v: %v", kind, err)
		}
		f.Heal()
		if err := l.Close(); !errors.Is(err, errInjected) {
			t.Errorf("%v: Close: %v", kind, err)
		}
	}
}

// Some do the flusher's work, some wake it, and it rests in between: all becomes durable.
func TestReleaseBesideOthers(t *testing.T) {
	f := newFS(t)
	o := testOptions(f, 4)
	o.Clock = hastyClock{o.Clock}
	l := openLog(t, o)
	var workers sync.WaitGroup
	found := make([][]tx, 4)
	for w := range found {
		workers.Go(func() {
			for i := range 300 {
				if w < 2 {
					l.Hold()
				}
				found[w] = append(found[w], appendTx(l.Stream(w), o.HLC, []Write{{Kind: KindPut}}))
				if w < 2 {
					l.Release(i%3 != 0)
				} else if i%10 == 0 {
					if err := l.Sync(background()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	workers.Wait()
	must(t, l.Sync(background()))
	for w := range found {
		if last := found[w][len(found[w])-1].ts; l.Durable() < last {
			t.Errorf("durable to %d, worker %d has appended %d", l.Durable(), w, last)
		}
	}
	must(t, l.Close())
	_, got, err := recoverAll(f, 0)
	must(t, err)
	all := slices.Concat(found...)
	slices.SortFunc(all, func(a, b tx) int { return int(a.ts) - int(b.ts) })
	expect(t, got, all)
}
