package server

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/command"
)

// blockingTest is a server with clients, of which some wait.
type blockingTest struct {
	*testing.T
	server *Server
	addr   string
	parked int64
}

func newBlockingTest(t *testing.T) *blockingTest {
	t.Helper()
	s, addr := startServer(t, nil)
	return &blockingTest{T: t, server: s, addr: addr}
}

func (b *blockingTest) dial() *testClient { return dial(b.T, b.addr) }

// wait sends a request that waits, and returns when it does.
func (b *blockingTest) wait(request string) *testClient {
	b.Helper()
	c := b.dial()
	c.send(strings.Fields(request)...)
	b.parked++
	b.until(b.parked)
	return c
}

// until returns when so many clients wait.
func (b *blockingTest) until(parked int64) {
	b.parked = parked
	for b.server.waiters.parked.Load() != parked {
		runtime.Gosched()
	}
}

func (c *testClient) call(request string) string {
	c.t.Helper()
	c.send(strings.Fields(request)...)
	return c.receive()
}

// expect calls and compares the reply.
func (c *testClient) expect(request, want string) {
	c.t.Helper()
	if got := c.call(request); got != want {
		c.t.Errorf("%s: %s, want %s", request, got, want)
	}
}

func (c *testClient) gets(want string) {
	c.t.Helper()
	if got := c.receive(); got != want {
		c.t.Errorf("received %s, want %s", got, want)
	}
}

// TestWaitersAreServedInOrder has nobody come in between: what is pushed is gone before the push is answered.
func TestWaitersAreServedInOrder(t *testing.T) {
	b := newBlockingTest(t)
	first, second, third := b.wait("BLPOP other l 0"), b.wait("BRPOP l 0"), b.wait("BLMPOP 0 2 x l LEFT COUNT 5")
	c := b.dial()
	c.expect("RPUSH l 1", "1")
	c.expect("EXISTS l", "0")
	first.gets(`["l" "1"]`)
	c.expect("RPUSH l 2 3 4", "3")
	c.expect("LRANGE l 0 -1", "[]")
	second.gets(`["l" "4"]`)
	third.gets(`["l" ["2" "3"]]`)
}

// TestWaitersStandInTheOrderInWhichTheyCame has one that comes first be the last to find out that it has to wait.
func TestWaitersStandInTheOrderInWhichTheyCame(t *testing.T) {
	var all waiters
	all.init()
	began := time.Now()
	var waiting []*waiter
	for _, after := range []time.Duration{1, 3, 0, 2} {
		c := &conn{began: began.Add(after)}
		waiting = append(waiting, all.add(c, &command.Call{Command: &command.Command{Group: "list"}, Wait: &command.Wait{Keys: [][]byte{[]byte("l")}}}))
	}
	for i, at := range []int{2, 0, 3, 1} {
		if first := all.queues[waitKey{0, "l"}][0].first(); first != waiting[at] {
			t.Errorf("waiter %d is not the first of those left", i)
		}
		all.leave(waiting[at])
	}
}

func TestWaiterSeesATransactionAsAWhole(t *testing.T) {
	b := newBlockingTest(t)
	w := b.wait("BLPOP l 0")
	c := b.dial()
	for _, r := range []string{"MULTI", "LPUSH l a", "LPUSH l b", "LPUSH l c", "EXEC"} {
		c.call(r)
	}
	w.gets(`["l" "c"]`)
	c.expect("LRANGE l 0 -1", `["b" "a"]`)

	// What is gone again at the end does not wake.
	b.until(0)
	w = b.wait("BLPOP m 0")
	for _, r := range []string{"MULTI", "LPUSH m a", "DEL m", "SET m string", "EXEC"} {
		c.call(r)
	}
	c.expect("GET m", `"string"`)
	c.expect("DEL m", "1")
	c.expect("LPUSH m b", "1")
	w.gets(`["m" "b"]`)
}

// TestPushesOfAPipelineAreServedOneByOne has one transaction for all, which looks like one after the other.
func TestPushesOfAPipelineAreServedOneByOne(t *testing.T) {
	b := newBlockingTest(t)
	first, second := b.wait("BLPOP l 0"), b.wait("BLPOP l 0")
	c := b.dial()
	for _, r := range []string{"LPUSH l a", "LPUSH l b", "LPUSH l c", "LLEN l"} {
		c.send(strings.Fields(r)...)
	}
	for range 4 {
		c.gets("1")
	}
	first.gets(`["l" "a"]`)
	second.gets(`["l" "b"]`)
}

func TestChainOfMoves(t *testing.T) {
	b := newBlockingTest(t)
	one, two, three := b.wait("BLMOVE l1 l2 RIGHT LEFT 0"), b.wait("BLMOVE l2 l3 LEFT RIGHT 0"), b.wait("BRPOP l3 0")
	c := b.dial()
	c.expect("RPUSH l1 x", "1")
	c.expect("EXISTS l1 l2 l3", "0")
	one.gets(`"x"`)
	two.gets(`"x"`)
	three.gets(`["l3" "x"]`)

	// A circle ends where it began, and so does a list that moves to itself.
	b.until(0)
	one, two = b.wait("BRPOPLPUSH a b 0"), b.wait("BRPOPLPUSH b a 0")
	c.expect("RPUSH a x", "1")
	one.gets(`"x"`)
	two.gets(`"x"`)
	c.expect("LRANGE a 0 -1", `["x"]`)
	b.until(0)
	self := b.wait("BRPOPLPUSH s s 0")
	c.expect("LPUSH s y", "1")
	self.gets(`"y"`)
	c.expect("LRANGE s 0 -1", `["y"]`)
}

// TestWrongTypeWhileWaiting has an error for who cannot move on, and the item for the next.
func TestWrongTypeWhileWaiting(t *testing.T) {
	b := newBlockingTest(t)
	c := b.dial()
	c.expect("SET string x", "OK")
	bad, good := b.wait("BRPOPLPUSH l string 0"), b.wait("BRPOPLPUSH l target 0")
	c.expect("LPUSH l foo", "1")
	bad.gets("!WRONGTYPE Operation against a key holding the wrong kind of value")
	good.gets(`"foo"`)
	c.expect("LRANGE target 0 -1", `["foo"]`)

	// Another key of the call that is no list any more is passed over.
	b.until(0)
	w := b.wait("BLPOP k1 k2 0")
	c.expect("SET k1 x", "OK")
	c.expect("RPUSH k2 y", "1")
	w.gets(`["k2" "y"]`)
}

// TestKeyThatComesByAnotherName wakes who waits for a key that is renamed into being.
func TestKeyThatComesByAnotherName(t *testing.T) {
	b := newBlockingTest(t)
	w := b.wait("BLPOP to 0")
	c := b.dial()
	c.expect("RPUSH from a b", "2")
	c.expect("RENAME from to", "OK")
	w.gets(`["to" "a"]`)
	c.expect("LRANGE to 0 -1", `["b"]`)
	b.until(0)
	w = b.wait("BLPOP copy 0")
	c.expect("COPY to copy", "1")
	w.gets(`["copy" "b"]`)
}

func TestKeyThatComesWithAnotherDatabase(t *testing.T) {
	b := newBlockingTest(t)
	w := b.wait("BLPOP l 0")
	c := b.dial()
	c.expect("SELECT 1", "OK")
	c.expect("RPUSH l a b", "2")
	c.expect("SWAPDB 0 1", "OK")
	w.gets(`["l" "a"]`)
}

func TestClientThatGoesTakesNothing(t *testing.T) {
	b := newBlockingTest(t)
	gone, stays := b.wait("BLPOP l 0"), b.wait("BLPOP l 0")
	// It has sent more, which is not executed.
	gone.send("SET", "x", "1")
	_ = gone.conn.Close()
	b.until(1)
	c := b.dial()
	c.expect("RPUSH l a", "1")
	stays.gets(`["l" "a"]`)
	c.expect("EXISTS x", "0")
}

func TestUnblock(t *testing.T) {
	b := newBlockingTest(t)
	first, second := b.wait("BLPOP l 0"), b.wait("BLPOP l 0")
	var conns []*conn
	b.server.mu.Lock()
	for _, c := range b.server.mu.conns {
		conns = append(conns, c)
	}
	b.server.mu.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int { return int(a.id - b.id) })
	if !conns[0].unblock(false) || !conns[1].unblock(true) {
		t.Error("they do not wait")
	}
	first.gets("nil[]")
	second.gets("!UNBLOCKED client unblocked via CLIENT UNBLOCK")
	b.until(0)
	if conns[0].unblock(false) {
		t.Error("it waits")
	}
	first.expect("PING", "PONG")
}

func TestTimeoutOfOneOfMany(t *testing.T) {
	b := newBlockingTest(t)
	short, long := b.dial(), b.dial()
	short.send("BLPOP", "l", "0.01")
	long.send("BLPOP", "l", "0")
	short.gets("nil[]")
	b.until(1)
	b.dial().expect("RPUSH l a", "1")
	long.gets(`["l" "a"]`)
}

// TestMoreWaitersThanATransactionServes has the others look by themselves.
func TestMoreWaitersThanATransactionServes(t *testing.T) {
	b := newBlockingTest(t)
	const many = handOffMax + 20
	var clients []*testClient
	for range many {
		clients = append(clients, b.wait("BLPOP l 0"))
	}
	request := "RPUSH l"
	for i := range many {
		request += " " + strconv.Itoa(i)
	}
	b.dial().expect(request, strconv.Itoa(many))
	for i, c := range clients {
		c.gets(fmt.Sprintf(`["l" "%d"]`, i))
	}
}

// TestBlockingLoad has many clients push, pop, wait for several keys, move and go away. Everything that was pushed
// is received once, and nobody waits while there is something.
func TestBlockingLoad(t *testing.T) {
	b := newBlockingTest(t)
	const pushers, poppers, movers, each = 6, 8, 3, 150
	var mu sync.Mutex
	got := map[string]int{}
	var pushing, popping sync.WaitGroup
	for p := range pushers {
		c := b.dial()
		pushing.Go(func() {
			for i := range each {
				item := fmt.Sprintf("%d-%d", p, i)
				switch i % 3 {
				case 0:
					c.call(fmt.Sprintf("RPUSH k%d %s", i%4, item))
				case 1:
					c.send("MULTI")
					c.send("LPUSH", "k1", item)
					c.send("LLEN", "k1")
					c.send("EXEC")
					for range 4 {
						c.receive()
					}
				case 2:
					c.call(fmt.Sprintf("RPUSH src%d %s", i%2, item))
				}
			}
		})
	}
	for m := range movers {
		c := b.dial()
		popping.Go(func() {
			for {
				if r := c.call(fmt.Sprintf("BLMOVE src%d k%d LEFT RIGHT 0", m%2, m)); r == `"end"` || r == "nil[]" {
					return
				}
			}
		})
	}
	for p := range poppers {
		c := b.dial()
		popping.Go(func() {
			for n := 0; ; n++ {
				request := []string{"BLPOP k0 k1 k2 k3 0", "BRPOP k3 k1 0.002", "BLMPOP 0 4 k2 k0 k1 k3 LEFT COUNT 2", "LPOP k0"}[(p+n)%4]
				mu.Lock()
				done := len(got) == pushers*each
				mu.Unlock()
				if done {
					return
				}
				r := c.call(request)
				if strings.HasPrefix(r, "!") {
					t.Error(r)
					return
				}
				mu.Lock()
				for _, item := range strings.FieldsFunc(r, func(r rune) bool { return strings.ContainsRune(`[]" `, r) }) {
					if strings.Contains(item, "-") {
						got[item]++
					}
				}
				mu.Unlock()
			}
		})
	}
	pushing.Wait()
	// Who has all must not wait for ever for more.
	closer := b.dial()
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			mu.Lock()
			done := len(got) == pushers*each
			mu.Unlock()
			if done {
				closer.call("RPUSH k0 end")
				closer.call("RPUSH src0 end")
				closer.call("RPUSH src1 end")
			}
			runtime.Gosched()
		}
	}()
	popping.Wait()
	close(stop)
	<-ended
	for item, n := range got {
		if n != 1 {
			t.Errorf("%s was received %d times", item, n)
		}
	}
	if len(got) != pushers*each {
		t.Errorf("%d items were received", len(got))
	}
}
