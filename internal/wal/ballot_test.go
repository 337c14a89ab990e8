package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env/faultfs"
)

const testBallot = "db/BALLOT"

func newBallot(t *testing.T) (*faultfs.FS, *BallotFile) {
	t.Helper()
	f := newFS(t)
	must(t, CreateBallot(f, testBallot, testID, Ballot{}, newSeeded(1)))
	must(t, f.SyncDir("db"))
	b, got, err := OpenBallot(f, testBallot, testID)
	must(t, err)
	if got != (Ballot{}) {
		t.Fatalf("a new ballot is %+v", got)
	}
	return f, b
}

// Whatever a crash or the death of the process interrupts, what Put has returned for is
// there, or the one that was being put.
func TestBallotSurvivesCrashes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 10))
	f, b := newBallot(t)
	var put, next Ballot
	crashes := 0
	f.SetHook(func(op faultfs.Op) error {
		if !op.Kind.Changes() {
			return nil
		}
		for range 4 {
			crashes++
			left := f.Crash(rng)
			if rng.IntN(4) == 0 {
				left = f.Clone()
			}
			again, got, err := OpenBallot(left, testBallot, testID)
			must(t, err)
			if got != put && got != next {
				t.Fatalf("before %v: found %+v, promised %+v, then %+v", op, got, put, next)
			}
			must(t, again.Close())
			// What was found has to stay.
			if _, still, err := OpenBallot(left.Crash(rng), testBallot, testID); err != nil || still != got {
				t.Fatalf("before %v: found %+v, then %+v, %v", op, got, still, err)
			}
		}
		return nil
	})
	for e := range Epoch(30) {
		next = Ballot{Epoch: e + 1, Vote: uint32(e % 3), Ahead: e%2 == 0}
		must(t, b.Put(next))
		put = next
	}
	if crashes < 300 {
		t.Errorf("only %d crashes", crashes)
	}
}

// A bit that rots in one slot costs nothing; in both, it is named.
func TestBallotRot(t *testing.T) {
	f, b := newBallot(t)
	want := Ballot{Epoch: 7, Vote: 3}
	must(t, b.Put(Ballot{Epoch: 6}))
	must(t, b.Put(want))
	must(t, b.Close())
	for slot := range ballotSlots {
		for _, at := range []int64{0, 9, 13, 20, 33, 41, 49, 53, 4000} {
			left := f.Clone()
			must(t, left.FlipBit(testBallot, slot*blockBytes+at, 2))
			_, got, err := OpenBallot(left, testBallot, testID)
			if err != nil || got != want {
				t.Fatalf("slot %d, byte %d: %+v, %v", slot, at, got, err)
			}
			// It was mended.
			must(t, left.FlipBit(testBallot, (1-slot)*blockBytes+at, 2))
			if _, got, err := OpenBallot(left, testBallot, testID); err != nil || got != want {
				t.Fatalf("the other slot, byte %d: %+v, %v", at, got, err)
			}
			must(t, left.FlipBit(testBallot, at, 2))
			must(t, left.FlipBit(testBallot, blockBytes+at, 2))
			if _, _, err := OpenBallot(left, testBallot, testID); !errors.Is(err, dberr.ErrCorrupt) {
				t.Fatalf("both slots, byte %d: %v", at, err)
			}
		}
	}
	if _, _, err := OpenBallot(f, testBallot, DatabaseID{9}); !errors.Is(err, dberr.ErrCorrupt) {
		t.Errorf("another database's: %v", err)
	}
	must(t, f.Misplace(testBallot, 0, must2(f.ReadFile(testBallot))[blockBytes:]))
	if _, got, err := OpenBallot(f, testBallot, testID); err != nil || got != want {
		t.Errorf("slots in each other's place: %+v, %v", got, err)
	}
}

func must2(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return bytes.Clone(b)
}

// A ballot does not go back, and after a failure there are no more.
func TestBallotRefuses(t *testing.T) {
	f, b := newBallot(t)
	must(t, b.Put(Ballot{Epoch: 5}))
	must(t, b.Put(Ballot{Epoch: 5, Vote: 2}))
	must(t, b.Put(Ballot{Epoch: 5, Vote: 2}))
	for _, bad := range []Ballot{{Epoch: 4, Vote: 2}, {Epoch: 5, Vote: 3}, {Epoch: 5}} {
		if err := b.Put(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	injected := errors.New("injected")
	f.Fail(faultfs.OpSync, 2, 1, injected)
	for range 2 {
		if err := b.Put(Ballot{Epoch: 9}); !errors.Is(err, injected) || !errors.Is(err, dberr.ErrLogFailed) {
			t.Errorf("after a failed sync: %v", err)
		}
	}
	must(t, b.Close())
}

// A ballot without a folder's id is refused, and not mended.
func TestBallotOlderFormat(t *testing.T) {
	f, b := newBallot(t)
	must(t, b.Close())
	old := make([]byte, ballotSlots*blockBytes)
	for slot := range ballotSlots {
		block := old[slot*blockBytes:][:blockBytes]
		b.known.put(block, slot)
		sealBlock(block, ballotMagic, 1)
	}
	must(t, f.WriteFile(testBallot, old))
	if _, _, err := OpenBallot(f, testBallot, testID); !errors.Is(err, dberr.ErrOlderFormat) {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(must2(f.ReadFile(testBallot)), old) {
		t.Error("it was changed")
	}
}
