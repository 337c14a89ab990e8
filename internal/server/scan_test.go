package server

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"
)

// TestScanMeetsWhatStays changes hashes, sets and sorted sets while they are scanned.
func TestScanMeetsWhatStays(t *testing.T) {
	addr := newTestServer(t, nil)
	for _, kind := range []struct{ scan, add, remove string }{
		{"HSCAN k %s COUNT 7", "HSET k %[1]s %[2]d", "HDEL k %s"},
		{"SSCAN k %s COUNT 7", "SADD k %[1]s", "SREM k %s"},
		{"ZSCAN k %s COUNT 7", "ZADD k %[2]d %[1]s", "ZREM k %s"},
	} {
		t.Run(kind.scan[:5], func(t *testing.T) {
			c := dial(t, addr)
			rng := rand.New(rand.NewPCG(1, 2))
			add := func(member string) { c.call(fmt.Sprintf(kind.add, member, rng.IntN(1000))) }
			c.call("DEL k")
			const stay, come = 100, 300
			for i := range stay {
				add(fmt.Sprint("stay", i))
			}
			for i := range come {
				add(fmt.Sprint("come", i))
			}
			cursor := regexp.MustCompile(`^\["(\d+)"`)
			member := regexp.MustCompile(`"stay\d+"`)
			seen := map[string]bool{}
			for at, more := "0", true; more; more = at != "0" {
				reply := c.call(fmt.Sprintf(kind.scan, at))
				found := cursor.FindStringSubmatch(reply)
				if found == nil {
					t.Fatal(reply)
				}
				at = found[1]
				for _, m := range member.FindAllString(reply, -1) {
					seen[m] = true
				}
				for range 5 {
					add(fmt.Sprint("stay", rng.IntN(stay))) // has another score
					add(fmt.Sprint("come", rng.IntN(come)))
					c.call(fmt.Sprintf(kind.remove, fmt.Sprint("come", rng.IntN(come))))
					c.call(fmt.Sprintf(kind.remove, fmt.Sprint("come", rng.IntN(come))))
				}
			}
			if len(seen) != stay {
				t.Errorf("%d of %d members that stay were seen", len(seen), stay)
			}
		})
	}
}
