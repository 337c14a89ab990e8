package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/quorum"
)

// number is a record.
type number struct{ n uint64 }

func (m *number) Fields(c *quorum.Coder) { c.Uint(&m.n) }

// session runs f with a journal until it returns.
func session(t *testing.T, files env.FS, f func(ctx context.Context, j *Journal, read []uint64)) error {
	t.Helper()
	r, stop := quorum.Start(1)
	defer stop()
	return r.Run(context.Background(), "test", func(ctx context.Context) error {
		j, records, err := Open(ctx, files, "dir")
		if err != nil {
			return err
		}
		var read []uint64
		for _, b := range records {
			var m number
			if err := quorum.Decode(b, &m); err != nil {
				return err
			}
			read = append(read, m.n)
		}
		quorum.Go(ctx, "run", j.Run)
		f(ctx, j, read)
		return nil
	})
}

// replace starts the journal anew with numbers.
func replace(j *Journal, numbers []uint64) {
	var all []quorum.Message
	for _, n := range numbers {
		all = append(all, &number{n})
	}
	j.Replace(all...)
}

// A power loss at any moment, again and again: what was synced is there, in
// order, and nothing else but what was put behind it.
func TestPowerLoss(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		files := faultfs.New(seed)
		next, synced := uint64(1), uint64(0)
		base := uint64(1) // the oldest number that is kept
		for range 4 {
			var after *faultfs.FS
			crashAt := 1 + rng.IntN(40)
			files.SetHook(func(op faultfs.Op) error {
				if op.Kind.Changes() {
					if crashAt--; crashAt == 0 {
						after = files.Crash(rng)
					}
				}
				if crashAt <= 0 {
					return fs.ErrClosed // the machine is off
				}
				return nil
			})
			err := session(t, files, func(ctx context.Context, j *Journal, read []uint64) {
				for i, n := range read {
					if i > 0 && n != read[i-1]+1 {
						t.Fatalf("seed %d: %d follows %d", seed, n, read[i-1])
					}
				}
				last := uint64(0)
				if len(read) > 0 {
					last = read[len(read)-1]
				}
				if last < synced || last >= next {
					t.Fatalf("seed %d: read up to %d, synced up to %d, put up to %d", seed, last, synced, next-1)
				}
				next = last + 1
				replace(j, append(read, next))
				next++
				for {
					if err := j.Sync(ctx); err != nil {
						return
					}
					synced = next - 1
					for range rng.IntN(5) {
						if rng.IntN(8) == 0 {
							base = next
							replace(j, []uint64{next})
						} else {
							j.Append(&number{next})
						}
						next++
					}
					if err := quorum.Yield(ctx); err != nil {
						return
					}
				}
			})
			if err != nil && !errors.Is(err, fs.ErrClosed) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if after == nil {
				t.Fatalf("seed %d: no crash; base %d", seed, base)
			}
			files = after
		}
	}
}

// write returns the disk of a journal with some batches.
func write(t *testing.T) (*faultfs.FS, string) {
	t.Helper()
	files := faultfs.New(1)
	err := session(t, files, func(ctx context.Context, j *Journal, _ []uint64) {
		replace(j, []uint64{0})
		for i := range uint64(9) {
			if err := j.Sync(ctx); err != nil {
				t.Error(err)
			}
			j.Append(&number{i + 1})
		}
		if err := j.Sync(ctx); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, files.Names()[len(files.Names())-1]
}

// A bit that is turned over below the last batch is found.
func TestRottenBitsAreFound(t *testing.T) {
	files, name := write(t)
	content, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lastBatch := len(content) - markBytes - (headBytes + 2)
	for at := range content {
		damaged := files.Clone()
		if err := damaged.FlipBit(name, int64(at), uint(at)); err != nil {
			t.Fatal(err)
		}
		var read []uint64
		err := session(t, damaged, func(_ context.Context, _ *Journal, r []uint64) { read = r })
		if at < lastBatch && !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d of %d: read %v, %v", at, len(content), read, err)
		}
		if at >= lastBatch && (err != nil || fmt.Sprint(read) != "[0 1 2 3 4 5 6 7 8]") {
			t.Errorf("byte %d of %d, in the last batch: read %v, %v", at, len(content), read, err)
		}
	}
}

// A journal in which nothing happens any more knows that it is complete: then
// damage to the last batch is found too.
func TestIdleJournalIsSealed(t *testing.T) {
	files := faultfs.New(1)
	var name string
	err := session(t, files, func(ctx context.Context, j *Journal, _ []uint64) {
		replace(j, []uint64{0})
		j.Append(&number{1})
		if err := j.Sync(ctx); err != nil {
			t.Error(err)
		}
		j.Append(&number{2})
		if err := j.Sync(ctx); err != nil {
			t.Error(err)
		}
		name = files.Names()[len(files.Names())-1]
		before, err := files.ReadFile(name)
		for after := before; err == nil && len(after) == len(before); after, err = files.ReadFile(name) {
			if stopped := quorum.Sleep(ctx, time.Millisecond); stopped != nil {
				t.Error(stopped)
				return
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := range len(content) - markBytes {
		damaged := files.Clone()
		if err := damaged.FlipBit(name, int64(at), uint(at)); err != nil {
			t.Fatal(err)
		}
		if err := session(t, damaged, func(context.Context, *Journal, []uint64) {}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d of %d: %v", at, len(content), err)
		}
	}
}

// read opens the journal on a disk that holds this file and returns its numbers.
func read(t *testing.T, files *faultfs.FS, name string, content []byte) (numbers []uint64, err error) {
	t.Helper()
	files = files.Clone()
	if err := files.WriteFile(name, content); err != nil {
		t.Fatal(err)
	}
	err = session(t, files, func(_ context.Context, _ *Journal, r []uint64) { numbers = r })
	return numbers, err
}

// The last batch, written anywhere else than at its place, is found: also over all
// that is before it, and behind a gap where it should be.
func TestMisplacedBatchIsFound(t *testing.T) {
	files, name := write(t)
	content, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	place := Covered(content)
	for _, batch := range [][]byte{
		content[place:],
		append(bytes.Clone(content[place:]), bytes.Repeat(appendRecord(nil, kindData, func(b []byte) []byte { return append(b, 1) }), 99)...),
	} {
		for at := range len(content) + 100 {
			if at == place {
				continue
			}
			misplaced := make([]byte, max(place, at+len(batch)))
			copy(misplaced, content[:place])
			copy(misplaced[at:], batch)
			if got, err := read(t, files, name, misplaced); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("the last batch at %d instead of %d: %v, %v", at, place, got, err)
			}
		}
	}
	// The beginning of a file elsewhere.
	if got, err := read(t, files, name, append(make([]byte, 512), content...)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a file that begins at 512: %v, %v", got, err)
	}
}

// Nothing that is put into a journal is taken for a record of the journal itself.
func TestDataIsNotTakenForABatch(t *testing.T) {
	files, name := write(t)
	content, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	forged := appendMark(nil, kindBatch, 1, 1<<20)
	last := appendRecord(nil, kindData, func(b []byte) []byte { return append(append(b, 0xff), forged...) })
	last = last[:len(last)-1] // a crash took the rest
	if got, err := read(t, files, name, append(content, last...)); err != nil || len(got) != 10 {
		t.Errorf("%v, %v", got, err)
	}
}

// A disk that fails is an event for all who wait for it.
func TestFailingSync(t *testing.T) {
	files := faultfs.New(1)
	bad := errors.New("bad disk")
	err := session(t, files, func(ctx context.Context, j *Journal, _ []uint64) {
		replace(j, nil)
		j.Append(&number{1})
		if err := j.Sync(ctx); err != nil {
			t.Error(err)
		}
		files.Fail(faultfs.OpSync, 1, 1, bad)
		j.Append(&number{2})
		if err := j.Sync(ctx); !errors.Is(err, bad) {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	b := appendRecord(appendMark(nil, kindFile, 7, markBytes+headBytes+4), kindData, func(b []byte) []byte { return append(b, "one"...) })
	b = appendMark(b, kindBatch, 7, uint64(len(b)))
	b = appendRecord(b, kindData, func(b []byte) []byte { return append(b, "two"...) })
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		records, good, certain, err := parse(b)
		if good > len(b) || certain > good || err == nil && certain == 0 {
			t.Fatal(good, certain, err)
		}
		if err != nil {
			return
		}
		again, n, same, err := parse(bytes.Clone(b[:good]))
		if err != nil || n != good || same != certain || len(again) != len(records) {
			t.Fatalf("%d records of %d bytes are %d of %d, %v", len(records), good, len(again), n, err)
		}
	})
}
