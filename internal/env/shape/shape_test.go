package shape

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
)

const ms = time.Millisecond

// What arrives when, by a clock that the test has in hand.
func TestArrivals(t *testing.T) {
	l := newLine()
	l.set(Link{Delay: 50 * ms, Jitter: 10 * ms, BytesPerSecond: 1000})
	for i, c := range []struct {
		now, last time.Duration
		bytes     int
		random    float64
		want      time.Duration
	}{
		{now: 0, bytes: 100, want: 150 * ms},
		{now: 0, bytes: 100, want: 250 * ms}, // the wire was busy
		{now: 1000 * ms, bytes: 100, random: 0.5, want: 1155 * ms},
		{now: 2000 * ms, last: 3000 * ms, bytes: 100, want: 3000 * ms}, // in order
	} {
		if got := l.arrival(c.now, c.last, c.bytes, c.random); got != c.want {
			t.Errorf("%d: arrives at %v, want %v", i, got, c.want)
		}
	}
	l.set(Link{})
	if got := l.arrival(5*time.Second, 0, 1<<20, 0.9); got != 5*time.Second {
		t.Errorf("without a link: %v", got)
	}
}

// What is in flight is bounded: who reads has to wait, and goes on when there is room.
func TestFlightIsBounded(t *testing.T) {
	f, l := newFlight(), newLine()
	n := 0
	for ; n < WindowBytes/chunkBytes; n++ {
		b, ok := f.buffer()
		if !ok {
			t.Fatal("over")
		}
		f.put(b, len(b), l, 0)
	}
	got := make(chan bool, 1)
	go func() { _, ok := f.buffer(); got <- ok }()
	select {
	case <-got:
		t.Fatalf("room beyond %d bytes", f.mu.bytes)
	default:
	}
	f.arrived()
	if !<-got {
		t.Error("no room after an arrival")
	}
	if WindowBytes < 5_000_000+chunkBytes {
		t.Error("50 ms at 100 MB/s do not fit")
	}
	f.crash()
	if _, ok := f.buffer(); ok {
		t.Error("it goes on after a crash")
	}
}

// through returns the two ends of a connection from node 1 to node 2.
func through(t *testing.T, s *Shaper) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, err := s.Via(1, 2, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// send sends bytes and returns how long it took until all were there.
func send(t *testing.T, from, to net.Conn, n int) time.Duration {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
	began := time.Now()
	failed := make(chan error, 1)
	go func() { _, err := from.Write(data); failed <- err }()
	got := make([]byte, n)
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Error("other bytes arrive")
	}
	return time.Since(began)
}

func TestDelayAndBandwidth(t *testing.T) {
	s := New()
	defer s.Close()
	near, far := through(t, s)
	s.Set(1, 2, Link{Delay: 100 * ms})
	if d := send(t, near, far, 10); d < 100*ms || d > 5*time.Second {
		t.Errorf("forth took %v", d)
	}
	send(t, far, near, 10)
	s.Set(2, 1, Link{Delay: 50 * ms, BytesPerSecond: 100e6})
	const size = 20_000_000
	if d := send(t, far, near, size); d < 240*ms || d > 20*time.Second {
		t.Errorf("%d bytes at 100 MB/s and 50 ms took %v", size, d)
	} else {
		t.Logf("%d bytes at 100 MB/s and 50 ms took %v", size, d)
	}
}

// A cut way lets nothing through, the other one does, and what was sent meanwhile
// arrives when it is lifted.
func TestCut(t *testing.T) {
	s := New()
	defer s.Close()
	near, far := through(t, s)
	send(t, near, far, 10)
	s.Set(1, 2, Link{Cut: true})
	if _, err := near.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	send(t, far, near, 10)
	got := make([]byte, 4)
	if err := far.SetReadDeadline(time.Now().Add(50 * ms)); err != nil {
		t.Fatal(err)
	}
	if n, err := far.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v through a cut link", n, err)
	}
	if err := far.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.Set(1, 2, Link{})
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "late" {
		t.Errorf("%q, %v", got, err)
	}
}

// Broken connections are noticed on both sides; other nodes' are not broken. One that
// ends on one side ends on the other, behind what was sent.
func TestResetAndEnd(t *testing.T) {
	s := New()
	defer s.Close()
	near, far := through(t, s)
	send(t, near, far, 10)
	s.Reset(2, env.NodeID(3))
	send(t, near, far, 10)
	s.Reset(2, 1)
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read after a reset: %v", err)
		}
	}
	near, far = through(t, s)
	if _, err := near.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(far); err != nil || string(got) != "last" {
		t.Errorf("%q, %v", got, err)
	}
}

// A Shaper that is closed leaves nothing behind, whatever its links wait for.
func TestClose(t *testing.T) {
	s := New()
	near, far := through(t, s)
	s.Set(1, 2, Link{Cut: true})
	s.Set(2, 1, Link{Delay: time.Hour})
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Write([]byte("never")); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if len(s.mu.relays) != 0 {
		t.Error("connections are left")
	}
	if _, err := s.Via(1, 2, "127.0.0.1:1"); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
