package server

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// socketPair returns a client's end of a connection, and the server's as a socket.
func socketPair(t *testing.T) (client net.Conn, p *peekable) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err = new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p = &peekable{Conn: nc, stats: &stats{}}
	if p.takeOver(); p.socket == nil {
		t.Fatal("it cannot be taken over")
	}
	t.Cleanup(func() { _, _ = client.Close(), p.Close() })
	return client, p
}

// TestSocketWaits: a socket is read and written without waiting, and with it, also by several at a time; nothing is lost between the
// two.
func TestSocketWaits(t *testing.T) {
	client, p := socketPair(t)
	if p.LocalAddr().String() != client.RemoteAddr().String() || p.RemoteAddr().String() != client.LocalAddr().String() {
		t.Error(p.LocalAddr(), p.RemoteAddr())
	}
	if _, err := (ready{p}).Read(make([]byte, 1)); !errors.Is(err, errNothingCame) {
		t.Error(err)
	}
	const bytes = 4 << 20 // more than the system keeps
	var all sync.WaitGroup
	all.Go(func() {
		defer func() { _ = client.(*net.TCPConn).CloseWrite() }()
		if n, err := io.CopyN(client, client, bytes); n != bytes {
			t.Error(n, err)
		}
	})
	all.Go(func() {
		data := []byte(strings.Repeat("x", bytes))
		for len(data) > 0 {
			n, err := p.writeNow(data)
			if err == nil && n == 0 {
				n, err = p.Write(data[:min(len(data), 64<<10)])
			}
			if err != nil {
				t.Error(err)
				return
			}
			data = data[n:]
		}
	})
	got, buf := 0, make([]byte, 64<<10)
	for {
		n, err := ready{p}.Read(buf)
		if errors.Is(err, errNothingCame) {
			n, err = p.Read(buf)
		}
		if got += n; errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if all.Wait(); got != bytes {
		t.Errorf("%d bytes", got)
	}
}

// TestSocketDeadline: who waits for a client can be told to stop, also before it waits.
func TestSocketDeadline(t *testing.T) {
	_, p := socketPair(t)
	for range 100 {
		p.watch(func() { t.Error("the client has gone") })()
	}
	if err := errors.Join(p.SetDeadline(time.Unix(1, 0)), p.SetDeadline(time.Time{}), p.SetWriteDeadline(time.Unix(1, 0))); err != nil {
		t.Error(err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// TestSocketIsClosed: to close a socket wakes who waits, ends it for its client, and leaves no descriptor open.
func TestSocketIsClosed(t *testing.T) {
	client, p := socketPair(t)
	ended := make(chan error)
	go func() {
		_, err := p.Read(make([]byte, 1))
		ended <- err
	}()
	for known := false; !known; runtime.Gosched() {
		p.socket.mu.RLock()
		known = p.socket.mu.known != nil
		p.socket.mu.RUnlock()
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	_, readNow := ready{p}.Read(make([]byte, 1))
	_, read := p.Read(make([]byte, 1))
	_, writeNow := p.writeNow([]byte("x"))
	_, write := p.Write([]byte("x"))
	for _, err := range []error{readNow, read, writeNow, write, p.Close(), p.SetReadDeadline(time.Time{}), p.socket.control(nil)} {
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}
