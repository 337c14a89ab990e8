package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/resp"
)

// raw sends bytes as they are.
func (c *testClient) raw(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func request(args ...string) []byte {
	raw := make([][]byte, len(args))
	for i, a := range args {
		raw[i] = []byte(a)
	}
	return resp.AppendCommand(nil, raw...)
}

// A client whose requests never end keeps nobody from being served.
func TestEndlessPipeline(t *testing.T) {
	_, addr := startServer(t, nil)
	a, b := dial(t, addr), dial(t, addr)
	stop := make(chan struct{})
	sent := make(chan int, 1)
	received := make(chan int, 1)
	go func() { // it reads what comes, so that nothing stops it
		n := 0
		for {
			if _, err := resp.ReadReply(a.in, resp.ReplyLimits{}); err != nil {
				received <- n
				return
			}
			n++
		}
	}()
	go func() {
		batch := bytes.Repeat(request("INCR", "n"), 1000)
		n := 0
		for {
			select {
			case <-stop:
				sent <- n
				return
			default:
			}
			if _, err := a.conn.Write(batch); err != nil {
				sent <- n
				return
			}
			n += 1000
		}
	}()
	for i := range 200 {
		b.send("ECHO", strconv.Itoa(i))
		if got := b.receive(); got != strconv.Quote(strconv.Itoa(i)) {
			t.Fatal(got)
		}
	}
	close(stop)
	n := <-sent
	if err := a.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-received; got != n {
		t.Errorf("%d replies to %d requests", got, n)
	}
}

// A client that does not read gets all its replies in order when it does, and others are served meanwhile.
func TestClientThatDoesNotRead(t *testing.T) {
	s, addr := startServer(t, nil)
	a, b := dial(t, addr), dial(t, addr)
	value := strings.Repeat("x", 10<<10)
	b.send("SET", "big", value)
	b.receive()
	gets := 4000 // five times what may wait
	if testing.Short() {
		gets = 2500
	}
	written := make(chan error, 1)
	go func() {
		for i := range gets {
			if _, err := a.conn.Write(append(request("GET", "big"), request("ECHO", strconv.Itoa(i))...)); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	full := func() bool {
		for _, c := range s.connections() {
			if _, bytes := c.outbox.size(); bytes > outboxBytesMax {
				return true
			}
		}
		return false
	}
	for !full() {
		runtime.Gosched()
	}
	for i := range 100 {
		b.send("INCR", "n")
		if got := b.receive(); got != strconv.Itoa(i+1) {
			t.Fatal(got)
		}
	}
	for _, c := range s.connections() {
		if _, bytes := c.outbox.size(); bytes > 2*outboxBytesMax {
			t.Errorf("%d bytes wait", bytes)
		}
	}
	for i := range gets {
		if got := a.receive(); got != strconv.Quote(value) {
			t.Fatalf("a value of %d bytes", len(got))
		}
		if got := a.receive(); got != strconv.Quote(strconv.Itoa(i)) {
			t.Fatalf("%s instead of %d", got, i)
		}
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// Requests that come in pieces hold up nobody, however large they are.
func TestRequestsInPieces(t *testing.T) {
	_, addr := startServer(t, nil)
	a, b := dial(t, addr), dial(t, addr)
	for i, value := range []string{"small", strings.Repeat("y", 300<<10)} {
		whole := append(request("PING"), request("SET", "k", value)...)
		for at := 0; at < len(whole); {
			step := 1
			if at > 100 && at < len(whole)-100 {
				step = 50 << 10
			}
			a.raw(whole[at:min(at+step, len(whole))])
			at += step
			b.send("PING")
			if got := b.receive(); got != "PONG" {
				t.Fatal(got)
			}
		}
		if got := a.receive() + a.receive(); got != "PONGOK" {
			t.Fatalf("%d: %s", i, got)
		}
		b.send("GET", "k")
		if got := b.receive(); got != strconv.Quote(value) {
			t.Errorf("%d: a value of %d bytes", i, len(got))
		}
	}
}

// What comes while a pipeline waits for its next batch is not forgotten, though others look for what has come.
func TestPipelineAfterPipeline(t *testing.T) {
	addr := newTestServer(t, nil)
	const many = batchMax + 10
	rounds := 30
	if testing.Short() {
		rounds = 8
	}
	var clients sync.WaitGroup
	defer clients.Wait()
	for i := range 64 {
		c := dial(t, addr)
		clients.Go(func() {
			one := request("INCR", "n"+strconv.Itoa(i))
			batch := bytes.Repeat(one, many)
			for round := range rounds {
				_, _ = c.conn.Write(batch) // if it fails there is no reply
				for began := time.Now(); time.Since(began) < time.Duration(10*round)*time.Microsecond; {
					continue // it comes at any moment of the batch's execution
				}
				_, _ = c.conn.Write(one)
				for n := range many + 1 {
					v, err := resp.ReadReply(c.in, resp.ReplyLimits{})
					if err != nil || v.Int != int64(round*(many+1)+n+1) {
						t.Errorf("reply %d of round %d is %v, %v", n, round, v, err)
						return
					}
				}
			}
		})
	}
}

// gone waits until the server has so many connections.
func gone(s *Server, left int) {
	for len(s.connections()) != left {
		runtime.Gosched()
	}
}

// A client that sends no more hears what it has asked for, and then its connection ends.
func TestClientThatHasFinished(t *testing.T) {
	s, addr := startServer(t, nil)
	for _, requests := range []int{0, 1, 3 * batchMax} {
		c := dial(t, addr)
		c.raw(bytes.Repeat(request("INCR", "n"+strconv.Itoa(requests)), requests))
		if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for i := range requests {
			if got := c.receive(); got != strconv.Itoa(i+1) {
				t.Fatalf("%s instead of %d", got, i+1)
			}
		}
		if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%d requests: %v", requests, err)
		}
		gone(s, 0)
	}
}

// Connections end when the server ends them, whatever they do.
func TestConnectionsAreEnded(t *testing.T) {
	s, addr := startServer(t, nil)
	admin := dial(t, addr)
	for _, before := range []string{"", "PING", "SUBSCRIBE c", "BLPOP l 0", "MULTI"} {
		c := dial(t, addr)
		if before != "" {
			c.send(strings.Fields(before)...)
		}
		if before != "" && before != "BLPOP l 0" {
			c.receive()
		}
		for len(s.connections()) != 2 {
			runtime.Gosched()
		}
		admin.send("CLIENT", "KILL", "SKIPME", "YES")
		if got := admin.receive(); got != "1" {
			t.Errorf("%s: %s", before, got)
		}
		if _, err := c.in.ReadByte(); err == nil {
			t.Errorf("%s: the connection goes on", before)
		}
		gone(s, 1)
	}
}

// Who takes long holds up nobody, also if nobody has known before that it would.
func TestLongTransaction(t *testing.T) {
	addr := newTestServer(t, func(o *Options) { o.ScriptBusy = time.Nanosecond })
	b := dial(t, addr)
	for range 3 {
		a := dial(t, addr)
		a.raw(append(append(request("MULTI"), request("EVAL", endlessScript, "0")...), request("EXEC")...))
		killScript(b)
		if got := a.receive() + a.receive(); got != "OKQUEUED" {
			t.Error(got)
		}
		if got := a.receive(); !strings.Contains(got, "Script killed by user") {
			t.Error(got)
		}
	}
}
