package env

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
)

// What the system does not take at once is what is left to the writer: nothing is sent twice or left out.
func TestWriteNow(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	from, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	raw, err := to.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sent []byte
	var left net.Buffers
	for i := 0; left == nil; i++ {
		frames := [][]byte{bytes.Repeat([]byte{byte(i)}, 1000), bytes.Repeat([]byte{byte(i + 1)}, 40<<10), []byte("end")}
		frames = frames[:1+i%3]
		sent = append(sent, slices.Concat(frames...)...)
		n, err := writeNow(raw, frames)
		if err != nil {
			t.Fatal(err)
		}
		if n < bytesOf(frames) { // nobody reads
			left = skip(slices.Clone(frames), n)
		}
	}
	failed := make(chan error, 1)
	go func() {
		_, err := left.WriteTo(to)
		failed <- err
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came wrongly: %v", len(sent), err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	_ = to.Close() // what was sent is there
	if n, err := writeNow(raw, [][]byte{{1}}); err == nil {
		t.Errorf("%d bytes were written to a closed connection", n)
	}
}
