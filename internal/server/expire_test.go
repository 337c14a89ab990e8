package server

import (
	"fmt"
	"strings"
	"testing"
)

// Each key that expires is told once and counted, whether a client finds that it has or nobody asks for it.
func TestExpiredOnce(t *testing.T) {
	const keys = 100
	addr := newTestServer(t, nil)
	listener, c := dial(t, addr), dial(t, addr)
	c.expect("CONFIG SET notify-keyspace-events Ex", "OK")
	listener.expect("SUBSCRIBE __keyevent@0__:expired", `["subscribe" "__keyevent@0__:expired" 1]`)
	for n := range keys {
		key := fmt.Sprint(n)
		c.expect("SET "+key+" v PX 1", "OK")
		if n%2 == 0 {
			continue
		}
		for c.call("EXISTS "+key) == "1" {
		}
		c.expect("DEL "+key, "0")
		c.expect("SET "+key+" w", "OK")
	}
	told := map[string]int{}
	for range keys {
		message := listener.receive()
		told[message]++
		if told[message] > 1 || !strings.HasPrefix(message, `["message" "__keyevent@0__:expired" `) {
			t.Errorf("got %s %d times", message, told[message])
		}
	}
	if info := c.call("INFO stats"); !strings.Contains(info, fmt.Sprintf(`expired_keys:%d\r\n`, keys)) {
		t.Errorf("not %d expired keys: %s", keys, info)
	}
	c.expect("SET last v PX 1", "OK")
	if got, want := listener.receive(), `["message" "__keyevent@0__:expired" "last"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
