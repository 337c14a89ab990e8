package server

import "testing"

func TestSortedSetWaiters(t *testing.T) {
	b := newBlockingTest(t)
	// Who waits for a list of the same name is passed over.
	list := b.wait("BLPOP z 0")
	first, second, third := b.wait("BZPOPMIN other z 0"), b.wait("BZMPOP 0 2 x z MAX COUNT 2"), b.wait("BZPOPMAX z 0")
	c := b.dial()
	c.expect("ZADD z 1 a 2 b", "2")
	c.expect("EXISTS z", "0")
	first.gets(`["z" "a" "1"]`)
	second.gets(`["z" [["b" "2"]]]`)
	c.expect("RPUSH z item", "1")
	list.gets(`["z" "item"]`)
	for _, r := range []string{"MULTI", "ZADD z 1 a", "ZADD z 3 c", "ZINCRBY z 1.5 b", "EXEC"} {
		c.call(r)
	}
	third.gets(`["z" "c" "3"]`)
	c.expect("ZRANGE z 0 -1 WITHSCORES", `["a" "1" "b" "1.5"]`)
}

func TestSortedSetThatIsStored(t *testing.T) {
	b := newBlockingTest(t)
	c := b.dial()
	c.expect("ZADD src 1 a 2 b", "2")
	for i, request := range []string{"ZUNIONSTORE dst 1 src", "ZRANGESTORE dst src 0 1"} {
		w := b.wait("BZPOPMAX dst 0")
		c.expect(request, "2")
		w.gets(`["dst" "b" "2"]`)
		b.until(0)
		c.expect("ZRANGE dst 0 -1", `["a"]`)
		if i == 0 {
			c.expect("DEL dst", "1")
		}
	}
	w := b.wait("BZPOPMIN renamed 0")
	c.expect("RENAME dst renamed", "OK")
	w.gets(`["renamed" "a" "1"]`)
}
