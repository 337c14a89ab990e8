package shard

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"
)

func TestZeroExecutedIsCertain(t *testing.T) {
	var x Executed
	if err := x.Wait(t.Context()); err != nil {
		t.Errorf("the zero Executed: %v", err)
	}
}

// TestStopWhileUndecided: who waits for a transaction of a leader that was deposed and
// stops before it knows how its epoch ended hears so.
func TestStopWhileUndecided(t *testing.T) {
	c := newCluster(t, 2)
	n1, n2 := c.start(1), c.start(2)
	l := leader(t, n1, n2)
	other := n1
	if l == n1 {
		other = n2
	}
	l.mustPut("a", []byte("1"))
	other.stop()
	x, err := l.put("b", []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	x.Lead().Notify(x.TS, func(err error) { told <- err })
	select {
	case <-x.Lead().Done(): // alone it leads nobody
	case <-time.After(30 * time.Second):
		t.Fatal("it goes on leading")
	}
	l.stop()
	select {
	case err := <-told:
		if !errors.Is(err, ErrStopped) {
			t.Errorf("told: %v", err)
		}
	default:
		t.Error("nobody was told")
	}
}

// TestLargeTransactions: what does not fit into one message goes in several, a record that
// fits into none too.
func TestLargeTransactions(t *testing.T) {
	c := newCluster(t, 3)
	c.options.Group.ElectionTimeout = 2 * time.Second // the race detector is slow with so many bytes
	nodes := []*node{c.start(1), c.start(2), c.start(3)}
	l := leader(t, nodes...)
	huge := bytes.Repeat([]byte("0123456789abcde"), 1<<20)
	// Many at once, more than fits into a frame. A busy machine may change leaders.
	var last Executed
	for end := time.Now().Add(30 * time.Second); ; l = leader(t, nodes...) {
		_, err := l.put("huge", huge)
		for i := 0; i < 12 && err == nil; i++ {
			last, err = l.put(string(rune('a'+i)), bytes.Repeat([]byte{byte(i)}, 1<<20))
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			err = last.Wait(ctx)
			cancel()
		}
		if err == nil {
			break
		}
		if retry := errors.Is(err, ErrNotLeader) || errors.Is(err, ErrDropped); !retry || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if got := n.get("huge", &last); !bytes.Equal(got, huge) {
			t.Fatalf("n%d has %d bytes of the huge value, which has %d", n.rt.Node(), len(got), len(huge))
		}
		for i := range 12 {
			if got := n.get(string(rune('a'+i)), &last); len(got) != 1<<20 || got[5] != byte(i) {
				t.Fatalf("n%d has %d bytes of value %d", n.rt.Node(), len(got), i)
			}
		}
	}
}

// TestSnapshotsWithoutSuccessor: snapshots of a leader that was deposed show what is certain, also
// while nobody leads and nobody knows what of the rest will be; then that is there, or gone.
func TestSnapshotsWithoutSuccessor(t *testing.T) {
	c := newCluster(t, 3)
	nodes := []*node{c.start(1), c.start(2), c.start(3)}
	l := leader(t, nodes...)
	at := l.mustPut("a", []byte("1"))
	var others []*node
	for _, n := range nodes {
		if n != l {
			n.stop()
			others = append(others, n)
		}
	}
	x, err := l.put("a", []byte("2"))
	if err != nil && !errors.Is(err, ErrNotLeader) {
		t.Fatal(err)
	}
	if got := l.get("a", &at); string(got) != "1" { // waits until it is deposed
		t.Errorf("%q, with nobody who leads", got)
	}
	if l.on(func(ctx context.Context) error { _, err := l.Leading(); return err }) == nil {
		t.Error("it leads, alone")
	}
	for _, n := range others {
		c.start(n.rt.Node())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	want := "1"
	if werr := x.Wait(ctx); err == nil && werr == nil {
		want = "2"
	} else if werr != nil && !errors.Is(werr, ErrDropped) {
		t.Fatal(werr)
	}
	if got := l.get("a", &at); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}
