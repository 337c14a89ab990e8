package quorum

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// record plays f and returns what the checker says of its waits.
func record(t *testing.T, f func(ctx context.Context)) (found []Slowness, waits []Waits) {
	t.Helper()
	rec := NewRecorder()
	play(t, func(ctx context.Context) {
		RuntimeOf(ctx).Trace(rec)
		f(ctx)
		RuntimeOf(ctx).Trace(nil)
	})
	return FailSlow(rec.Waits()), rec.Waits()
}

// reply is the event of a reply of a node, which comes.
func replyOf(ctx context.Context, node NodeID) *Value[int] {
	v := newValue[int](RuntimeOf(ctx), KindReply, "echo")
	v.from = node
	Go(ctx, "remote", func(ctx context.Context) error {
		if err := Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
		v.Set(1)
		return nil
	})
	return v
}

func votesOf(ctx context.Context, nodes ...NodeID) *Votes[int] {
	v := NewVotes[int](ctx, "votes", nodes)
	for _, n := range nodes {
		v.addValue(n, replyOf(ctx, n))
	}
	return v
}

func TestFailSlowFindsPlantedMistakes(t *testing.T) {
	sync := func(ctx context.Context) Event { return Disk(ctx, "sync", func() error { return nil }) }
	tests := []struct {
		name string
		do   func(ctx context.Context)
		want string // in the finding; empty for none
	}{
		{"wait on one remote", func(ctx context.Context) { wantErr(t, Wait(ctx, replyOf(ctx, 2)), nil) }, "without n2 it never ends"},
		{"wait on one remote with a timeout", func(ctx context.Context) { wantErr(t, WaitFor(ctx, replyOf(ctx, 2), time.Second), nil) }, ""},
		{"wait on one remote with a deadline", func(ctx context.Context) {
			ctx, cancel := WithTimeout(ctx, time.Second)
			defer cancel()
			wantErr(t, Wait(ctx, replyOf(ctx, 2)), nil)
		}, ""},
		{"wait on all", func(ctx context.Context) { wantErr(t, votesOf(ctx, 2, 3, 4).Need(3, nil).Wait(ctx), nil) }, "it never ends"},
		{"wait on a majority", func(ctx context.Context) { wantErr(t, votesOf(ctx, 2, 3, 4).Majority(nil).Wait(ctx), nil) }, ""},
		{"and of two remotes", func(ctx context.Context) { wantErr(t, Wait(ctx, And(replyOf(ctx, 2), replyOf(ctx, 3))), nil) }, "without n2"},
		{"or of two remotes", func(ctx context.Context) { wantErr(t, Wait(ctx, Or(replyOf(ctx, 2), replyOf(ctx, 3))), nil) }, ""},
		{"or of one remote, twice", func(ctx context.Context) { wantErr(t, Wait(ctx, Or(replyOf(ctx, 2), replyOf(ctx, 2))), nil) }, "without n2"},
		{"2 of 3 remotes", func(ctx context.Context) {
			wantErr(t, Wait(ctx, KofN(2, replyOf(ctx, 2), replyOf(ctx, 3), replyOf(ctx, 4))), nil)
		}, ""},
		{"2 of 3 votes, but two of one node", func(ctx context.Context) {
			wantErr(t, Wait(ctx, KofN(2, replyOf(ctx, 2), replyOf(ctx, 2), replyOf(ctx, 3))), nil)
		}, "without n2"},
		{"quorum and one remote", func(ctx context.Context) {
			wantErr(t, Wait(ctx, And(votesOf(ctx, 2, 3, 4).Majority(nil), replyOf(ctx, 4))), nil)
		}, "without n4"},
		{"remote or timeout", func(ctx context.Context) { _, _ = Select(ctx, replyOf(ctx, 2), After(ctx, time.Second)) }, ""},
		{"a mark that all nodes move", func(ctx context.Context) {
			w := NewWatermark(ctx, "match", 1)
			w.Behind(KindQuorum, 3, 3)
			wantErr(t, w.Wait(ctx, 1), nil)
		}, "takes all nodes"},
		{"sync without a bound", func(ctx context.Context) { wantErr(t, Wait(ctx, sync(ctx)), nil) }, "own disk"},
		{"sync with a bound", func(ctx context.Context) { wantErr(t, WaitFor(ctx, sync(ctx), time.Second), nil) }, ""},
		{"sync as one voter of three", func(ctx context.Context) {
			v := votesOf(ctx, 1, 2, 3)
			v.AddEvent(1, 0, sync(ctx))
			wantErr(t, v.Majority(nil).Wait(ctx), nil)
		}, ""},
		{"unbounded queue", func(ctx context.Context) {
			q := NewQueue[int](ctx, "q", 0)
			wantErr(t, q.TryPut(1), nil)
			if x, ok := q.TryGet(); x != 1 || !ok {
				t.Error(x, ok)
			}
		}, "no bound"},
		{"wait for an unbounded queue", func(ctx context.Context) {
			q := NewQueue[int](ctx, "q", 0)
			wantErr(t, WaitFor(ctx, &q.more, time.Second), ErrTimeout)
		}, "no bound"},
		{"lock across a wait", func(ctx context.Context) {
			l := NewLock(ctx, "l")
			wantErr(t, l.Lock(ctx), nil)
			defer l.Unlock()
			wantErr(t, WaitFor(ctx, replyOf(ctx, 2), time.Second), nil)
		}, "a lock is held"},
		{"lock given back before the wait", func(ctx context.Context) {
			l := NewLock(ctx, "l")
			wantErr(t, l.Lock(ctx), nil)
			l.Unlock()
			wantErr(t, WaitFor(ctx, replyOf(ctx, 2), time.Second), nil)
		}, ""},
		{"luck: it was there already", func(ctx context.Context) {
			v := replyOf(ctx, 2)
			v.Set(1)
			wantErr(t, Wait(ctx, v), nil)
		}, "without n2"},
	}
	for _, test := range tests {
		found, _ := record(t, test.do)
		switch {
		case test.want == "" && len(found) > 0:
			t.Errorf("%s: a false alarm: %v", test.name, found)
		case test.want != "" && (len(found) != 1 || !strings.Contains(found[0].String(), test.want)):
			t.Errorf("%s: found %v, want %q", test.name, found, test.want)
		}
	}
}

func TestExcusesAreForOwnDisksOnly(t *testing.T) {
	_, waits := record(t, func(ctx context.Context) {
		wantErr(t, Wait(ctx, Disk(ctx, "x", func() error { return nil })), nil)
		wantErr(t, Wait(ctx, replyOf(ctx, 2)), nil)
	})
	found := FailSlow(waits, Excuse{"test", "x", "it is the writer"}, Excuse{"test", "echo", "no"})
	if len(found) != 1 || found[0].Wait.Kind != KindReply {
		t.Error(found)
	}
}

func TestGraph(t *testing.T) {
	_, waits := record(t, func(ctx context.Context) {
		wantErr(t, votesOf(ctx, 2, 3, 4).Majority(nil).Wait(ctx), nil)
		wantErr(t, WaitFor(ctx, replyOf(ctx, 2), time.Second), nil)
	})
	var b bytes.Buffer
	if err := WriteGraph(&b, waits); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"n1 test" -> "n3 votes" [label="quorum 2/3", style=solid];`,
		`"n1 test" -> "n2 echo" [label="reply 1/1", style=dashed];`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing in\n%s", want, b.String())
		}
	}
}

func TestRecorderDoesNotGrow(t *testing.T) {
	_, waits := record(t, func(ctx context.Context) {
		for range 10 * foldAfter {
			wantErr(t, Yield(ctx), nil)
			wantErr(t, Sleep(ctx, time.Millisecond), nil)
		}
	})
	if len(waits) != 1 || waits[0].Count != 10*foldAfter {
		t.Error(waits)
	}
}
