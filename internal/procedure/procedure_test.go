package procedure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/quorum"
)

// TestCallsOverFailovers: sessions count while leaders stop and start again; each count is
// carried out once, and every replica shows it.
func TestCallsOverFailovers(t *testing.T) {
	failovers, sessions := 3, 4
	if testing.Short() {
		failovers = 1
	}
	c := newCluster(t, ServerOptions{})
	client := newCaller(t, c.addrs, quorum.Options{})
	over := make(chan struct{})
	counted := make([]Answer, sessions)
	var all sync.WaitGroup
	for i := range sessions {
		all.Go(func() {
			client.do(func(ctx context.Context) error {
				s := client.NewSession(ctx)
				for n := uint64(1); ; n++ {
					a, err := s.Update(ctx, "add", []byte{byte(i)})
					if err != nil {
						return err
					}
					if got := binary.BigEndian.Uint64(a.Bytes); got != n {
						return fmt.Errorf("count %d of session %d is %d", n, i, got)
					}
					counted[i] = a
					select {
					case <-over:
						return nil
					default:
					}
				}
			})
		})
	}
	for range failovers {
		var was quorum.NodeID
		client.do(func(ctx context.Context) error {
			// Somebody leads, and has counted.
			if _, err := client.View(ctx, "read", []byte{0}); err != nil {
				return err
			}
			was, _ = client.Leader()
			return nil
		})
		c.nodes[was].stop()
		client.do(func(ctx context.Context) error {
			_, err := client.NewSession(ctx).Update(ctx, "add", []byte("between"))
			return err
		})
		c.start(was, listen(t, c.addrs[was]))
	}
	close(over)
	all.Wait()
	client.do(func(ctx context.Context) error {
		for i, last := range counted {
			for id := range c.addrs {
				a, err := client.Snapshot(ctx, id, last.At, "read", []byte{byte(i)})
				if err != nil || string(a.Bytes) != string(last.Bytes) || a.At < last.At {
					return fmt.Errorf("replica %d shows %d at %d, session %d has counted to %d at %d: %w", id, a.Bytes, a.At, i, last.Bytes, last.At, err)
				}
			}
			if a, err := client.View(ctx, "read", []byte{byte(i)}); err != nil || string(a.Bytes) != string(last.Bytes) {
				return fmt.Errorf("the leader shows %d, session %d has counted to %d: %w", a.Bytes, i, last.Bytes, err)
			}
		}
		return nil
	})
}

// TestExecutedAreCounted: what a procedure has refused is none.
func TestExecutedAreCounted(t *testing.T) {
	c := newCluster(t, ServerOptions{})
	client := newCaller(t, c.addrs, quorum.Options{})
	var first, last Answer
	client.do(func(ctx context.Context) (err error) {
		s := client.NewSession(ctx)
		if first, err = s.Update(ctx, "add", []byte("x")); err != nil {
			return err
		}
		var rejected *RejectedError
		if _, err := s.Update(ctx, "refuse", nil); !errors.As(err, &rejected) {
			return fmt.Errorf("not refused: %w", err)
		}
		if _, err := s.Update(ctx, "add", []byte("x")); err != nil {
			return err
		}
		last, err = client.View(ctx, "read", []byte("x"))
		return err
	})
	var executed uint64
	for _, n := range c.nodes {
		if err := n.rt.Run(t.Context(), "executed", func(context.Context) error { executed += n.server.Executed(); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if executed < 3 || executed > 3 && first.Epoch == last.Epoch {
		t.Errorf("%d of 3 calls were executed", executed)
	}
}

// TestRejectedByOneAlone: what a replica concludes that does not know yet that the others follow
// it no more is no answer, though nothing is written: another leader may have changed what it
// has read.
func TestRejectedByOneAlone(t *testing.T) {
	c := newCluster(t, ServerOptions{})
	client := newCaller(t, c.addrs, quorum.Options{})
	var leader quorum.NodeID
	client.do(func(ctx context.Context) error {
		_, err := client.NewSession(ctx).Update(ctx, "add", []byte("x"))
		leader, _ = client.Leader()
		return err
	})
	var others sync.WaitGroup
	for id, n := range c.nodes {
		if id != leader {
			others.Go(n.stop)
		}
	}
	others.Wait()
	err := client.within(300*time.Millisecond, func(ctx context.Context) error { // it leads for a second
		_, err := client.NewSession(ctx).Update(ctx, "refuse", nil)
		return err
	})
	var rejected *RejectedError
	if err == nil || errors.As(err, &rejected) {
		t.Errorf("one replica alone has answered: %v", err)
	}
}

func TestWhatIsRejected(t *testing.T) {
	c := newCluster(t, ServerOptions{})
	client := newCaller(t, c.addrs, quorum.Options{})
	client.do(func(ctx context.Context) error {
		s := client.NewSession(ctx)
		for _, x := range []struct {
			want string
			call func() (Answer, error)
		}{
			{"no, thanks", func() (Answer, error) { return s.Update(ctx, "refuse", nil) }},
			{"no, thanks", func() (Answer, error) { return client.View(ctx, "refuse", nil) }},
			{"no, thanks", func() (Answer, error) { return client.Snapshot(ctx, 1, 0, "refuse", nil) }},
			{"read-only", func() (Answer, error) { return client.View(ctx, "add", []byte("x")) }},
			{"read-only", func() (Answer, error) { return client.Snapshot(ctx, 1, 0, "add", []byte("x")) }},
			{`no procedure "none"`, func() (Answer, error) { return s.Update(ctx, "none", nil) }},
		} {
			_, err := x.call()
			var rejected *RejectedError
			if !errors.As(err, &rejected) || !strings.Contains(err.Error(), x.want) || errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("%v, want %q", err, x.want)
			}
		}
		if _, err := client.Snapshot(ctx, 9, 0, "read", nil); err == nil {
			t.Error("a snapshot of a replica that there is not")
		}
		a, err := s.Update(ctx, "add", []byte("x"))
		if err == nil && binary.BigEndian.Uint64(a.Bytes) != 1 {
			err = fmt.Errorf("the first count is %v", a.Bytes)
		}
		return err
	})
}

// TestOutcomeUnknown: without a majority a transaction is executed and not released. Then
// its outcome is not known, its place in the server is given back, and the session goes on
// when the majority returns.
func TestOutcomeUnknown(t *testing.T) {
	c := newCluster(t, ServerOptions{RunningMax: 1})
	client := newCaller(t, c.addrs, quorum.Options{})
	var s, other *Session
	var leads quorum.NodeID
	client.do(func(ctx context.Context) error {
		s, other = client.NewSession(ctx), client.NewSession(ctx)
		_, err := s.Update(ctx, "add", []byte("x"))
		leads, _ = client.Leader()
		return err
	})
	for id, n := range c.nodes {
		if id != leads {
			n.stop()
		}
	}
	var busy error
	err := client.within(300*time.Millisecond, func(ctx context.Context) error {
		quorum.Go(ctx, "second", func(ctx context.Context) error {
			if _, err := s.Update(ctx, "add", []byte("x")); !errors.Is(err, ErrOneAtATime) {
				t.Errorf("a second request of the session: %v", err)
			}
			short, cancel := quorum.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			_, busy = other.Update(short, "add", []byte("y"))
			return nil
		})
		_, err := s.Update(ctx, "add", []byte("x"))
		return err
	})
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a majority: %v", err)
	}
	if errors.Is(busy, ErrOutcomeUnknown) || !errors.Is(busy, errBusy) {
		t.Errorf("without room in the server: %v", busy)
	}
	for id := range c.addrs {
		if id != leads {
			c.start(id, listen(t, c.addrs[id]))
		}
	}
	client.do(func(ctx context.Context) error {
		a, err := s.Update(ctx, "add", []byte("x"))
		if err != nil {
			return err
		}
		if got := binary.BigEndian.Uint64(a.Bytes); got != 2 && got != 3 {
			t.Errorf("after two acknowledged counts and one of unknown outcome: %d", got)
		}
		return nil
	})
}

func TestNothingIsDoneWithoutReplicas(t *testing.T) {
	client := newCaller(t, map[quorum.NodeID]string{1: "127.0.0.1:1"}, quorum.Options{})
	err := client.within(50*time.Millisecond, func(ctx context.Context) error {
		_, err := client.NewSession(ctx).Update(ctx, "add", nil)
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
		t.Error(err)
	}
}

// TestBoundsAreOfEachReplica: what waits for a replica that does not take anything is bounded,
// and takes no room from the others.
func TestBoundsAreOfEachReplica(t *testing.T) {
	c := newCluster(t, ServerOptions{})
	stuck := listen(t, "127.0.0.1:0") // whom nobody accepts or reads
	defer func() { _ = stuck.Close() }()
	addrs := map[quorum.NodeID]string{4: stuck.Addr().String()}
	for id, addr := range c.addrs {
		addrs[id] = addr
	}
	const messages = 16
	client := newCaller(t, addrs, quorum.Options{OutboxMessagesMax: messages, OutboxBytesMax: 256 << 10})
	client.do(func(ctx context.Context) error {
		inner, cancel := quorum.WithCancel(ctx)
		defer cancel()
		overloaded := 0
		for range 4 * messages {
			reply := callMethod().Start(inner, client.endpoint, 4, &request{manner: snapshot, name: "read", argument: make([]byte, 32<<10)})
			if errors.Is(reply.Err(), quorum.ErrOverloaded) {
				overloaded++
			}
		}
		if overloaded < 3*messages {
			t.Errorf("%d of %d calls were refused", overloaded, 4*messages)
		}
		s := client.NewSession(ctx)
		for range 10 {
			if _, err := s.Update(ctx, "add", make([]byte, 1<<10)); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestCopies: a copy of a session's last request gets the first answer, and one of an earlier
// request nothing.
func TestCopies(t *testing.T) {
	c := newCluster(t, ServerOptions{})
	client := newCaller(t, c.addrs, quorum.Options{})
	client.do(func(ctx context.Context) error {
		s := client.NewSession(ctx)
		for range 2 {
			if _, err := s.Update(ctx, "add", []byte("x")); err != nil {
				return err
			}
		}
		second, first := *s, *s
		second.last.Number, first.last.Number = 1, 0
		a, err := second.Update(ctx, "add", []byte("x"))
		if err != nil || binary.BigEndian.Uint64(a.Bytes) != 2 {
			t.Errorf("a copy of the second request: %v %v", a.Bytes, err)
		}
		if _, err := first.Update(ctx, "add", []byte("x")); !errors.Is(err, dberr.ErrSuperseded) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("a copy of the first request: %v", err)
		}
		a, err = client.View(ctx, "read", []byte("x"))
		if err == nil && binary.BigEndian.Uint64(a.Bytes) != 2 {
			t.Errorf("two requests and two copies have counted to %v", a.Bytes)
		}
		return err
	})
}
