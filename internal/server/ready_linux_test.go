package server

import (
	"context"
	"net"
	"testing"
)

// To read and to write takes no memory.
func TestReadyDoesNotAllocate(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	var s stats
	a, b := &peekable{Conn: near, stats: &s}, &peekable{Conn: far, stats: &s}
	a.takeOver()
	b.takeOver()
	defer func() { _, _ = a.Close(), b.Close() }()
	bytes := []byte("x")
	buf := make([]byte, 1)
	allocated := testing.AllocsPerRun(100, func() {
		if n, err := a.writeNow(bytes); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		n, err := ready{b}.Read(buf)
		for err == errNothingCame { //nolint:errorlint // as it is returned
			n, err = ready{b}.Read(buf)
		}
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
