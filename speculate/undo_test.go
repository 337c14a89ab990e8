package speculate

import (
	"errors"
	"slices"
	"testing"
)

func TestEndUndoesWhatIsAboveNewestFirst(t *testing.T) {
	var c Course
	var ran []string
	add := func(at Point, name string) {
		t.Helper()
		if err := c.Undo(at, func() { ran = append(ran, name) }); err != nil {
			t.Fatal(err)
		}
	}
	add(3, "3")
	add(1, "1")
	add(5, "5")
	add(4, "4 first")
	add(4, "4 second")
	c.Advance(1)
	if n := c.Undos(); n != 4 {
		t.Errorf("%d undos behind the frontier", n)
	}
	var told error
	c.Notify(4, func(err error) {
		told = err
		if len(ran) != 3 {
			t.Errorf("told after %v was undone", ran)
		}
	})
	if err := c.End(3); err != nil {
		t.Fatal(err)
	}
	if want := []string{"5", "4 second", "4 first"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if !errors.Is(told, ErrDoomed) || c.Undos() != 0 {
		t.Errorf("told %v, %d undos left", told, c.Undos())
	}
	if err := c.Undo(3, nil); err != nil {
		t.Errorf("of what is certain: %v", err)
	}
	if err := c.Undo(4, nil); !errors.Is(err, ErrDoomed) {
		t.Errorf("of what is gone: %v", err)
	}
}

// Invariant I6: the final point is unique and not below the frontier.
func TestEndIsFinal(t *testing.T) {
	var c Course
	c.Advance(5)
	if err := c.End(4); !errors.Is(err, ErrFinal) {
		t.Errorf("below the frontier: %v", err)
	}
	if _, ok := c.Final(); ok {
		t.Error("ended all the same")
	}
	for range 2 {
		if err := c.End(7); err != nil {
			t.Errorf("at 7: %v", err)
		}
	}
	if err := c.End(8); !errors.Is(err, ErrFinal) {
		t.Errorf("another final point: %v", err)
	}
	c.Advance(9)
	if final, ok := c.Final(); final != 7 || !ok || c.State(7) != Certain || c.State(8) != Doomed {
		t.Errorf("final %d, %v; 7 is %v, 8 is %v", final, ok, c.State(7), c.State(8))
	}
	if err := c.Wait(t.Context(), 8); !errors.Is(err, ErrDoomed) {
		t.Errorf("waiting for what is gone: %v", err)
	}
}

// While undos run, what is gone is known to be gone, and nobody hears it from the gate.
func TestDoomIsToldAfterTheUndo(t *testing.T) {
	var c Course
	told := false
	err := c.Undo(2, func() {
		if c.State(2) != Doomed || !errors.Is(c.Undo(3, nil), ErrDoomed) {
			t.Error("one may still build on what is being undone")
		}
		c.Notify(2, func(err error) { told = errors.Is(err, ErrDoomed) })
		if told {
			t.Error("told before it is undone")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.End(1); err != nil || !told {
		t.Errorf("End: %v, told %v", err, told)
	}
}

func TestUndosAreBounded(t *testing.T) {
	c := Course{UndosMax: 2}
	none := func() { t.Error("undone") }
	for at := Point(1); at <= 2; at++ {
		if err := c.Undo(at, none); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Undo(3, none); !errors.Is(err, ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	c.Advance(1)
	if err := c.Undo(3, none); err != nil {
		t.Errorf("after one is certain: %v", err)
	}
	// What has become certain leaves no memory behind.
	for at := Point(4); at < 10000; at++ {
		c.Advance(at - 2)
		if err := c.Undo(at, none); err != nil {
			t.Fatal(err)
		}
	}
	if n := cap(c.mu.undos.all); n > 8 {
		t.Errorf("room for %d undos", n)
	}
}

func TestUndoOfASetRunsOnce(t *testing.T) {
	var v Vector[string]
	var s Set[string]
	s.Add("a", 1)
	s.Add("b", 1)
	n := 0
	if err := v.Undo(&s, func() { n++ }); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := v.Course(key).End(0); err != nil {
			t.Fatal(err)
		}
		if n != 1 {
			t.Fatalf("%s has ended: undone %d times", key, n)
		}
	}
	if err := v.Undo(&s, func() { n++ }); !errors.Is(err, ErrDoomed) || n != 1 {
		t.Errorf("of what is gone: %v, run %d times", err, n)
	}
}

// What one course refuses is not run when another one ends.
func TestRefusedUndoOfASetNeverRuns(t *testing.T) {
	v := Vector[string]{New: func(string) *Course { return &Course{UndosMax: 1} }}
	var s Set[string]
	s.Add("a", 1)
	s.Add("b", 1)
	if err := v.Course("b").Undo(1, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := v.Undo(&s, func() { t.Error("run") }); !errors.Is(err, ErrFull) {
		t.Fatalf("with b full: %v", err)
	}
	if err := v.Course("a").End(0); err != nil {
		t.Fatal(err)
	}
}

func TestForget(t *testing.T) {
	var v Vector[int]
	var s Set[int]
	s.Add(1, 5)
	if !v.Forget(1) {
		t.Error("what was never there")
	}
	v.Notify(&s, func(error) {})
	if v.Forget(1) {
		t.Error("somebody waits")
	}
	if err := v.Undo(&s, func() {}); err != nil {
		t.Fatal(err)
	}
	v.Course(1).Fail(errors.New("boom"))
	if v.Forget(1) {
		t.Error("there is something to undo")
	}
	v.Course(1).Advance(5)
	if v.State(&s) != Certain || !v.Forget(1) {
		t.Error("nothing rests on it")
	}
	if v.State(&s) != Undecided || v.Course(1).Frontier() != 0 {
		t.Error("still known")
	}
}
