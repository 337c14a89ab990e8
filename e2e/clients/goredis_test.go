package clients

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestGoRedis(t *testing.T) {
	s := start(t)
	for _, protocol := range []int{2, 3} {
		c := s.client(t, protocol)
		for name, run := range map[string]func(*testing.T, *redis.Client){
			"strings": goStrings, "pipeline": goPipeline, "watch": goWatch, "scripts": goScripts, "hashes": goHashes,
			"lists": goLists, "zsets": goZsets, "pubsub": goPubsub, "scan": goScan,
		} {
			t.Run(fmt.Sprintf("RESP%d/%s", protocol, name), func(t *testing.T) {
				if err := c.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				run(t, c)
			})
		}
	}
}

// want fails the test unless a command was answered as it should be.
func want[V any](t *testing.T, got V, err error, wanted V) {
	t.Helper()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("the answer is %v, %v; want %v", got, err, wanted)
	}
}

func goStrings(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	binary := "\x00\r\n\xff"
	got, err := c.Set(ctx, "s", binary, time.Hour).Result()
	want(t, got, err, "OK")
	got, err = c.Get(ctx, "s").Result()
	want(t, got, err, binary)
	ttl, err := c.TTL(ctx, "s").Result()
	if err != nil || ttl <= 59*time.Minute || ttl > time.Hour {
		t.Errorf("a key that lives for an hour has %v, %v left", ttl, err)
	}
	if err := c.Get(ctx, "absent").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("an absent key was read with %v", err)
	}
	if err := c.SetArgs(ctx, "s", "x", redis.SetArgs{Mode: "NX"}).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("SET NX of a present key ended with %v", err)
	}
	n, err := c.IncrBy(ctx, "n", 41).Result()
	want(t, n, err, 41)
	n, err = c.Incr(ctx, "n").Result()
	want(t, n, err, 42)
	n, err = c.Append(ctx, "n", "0").Result()
	want(t, n, err, 3)
	list, err := c.MGet(ctx, "n", "absent").Result()
	want(t, list, err, []any{"420", nil})
	n, err = c.Del(ctx, "n", "s", "absent").Result()
	want(t, n, err, 2)
}

func goPipeline(t *testing.T, c *redis.Client) {
	const commands = 1000
	replies, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range commands {
			p.Set(t.Context(), fmt.Sprint("k", i), i, 0)
			p.Incr(t.Context(), "sum")
		}
		return nil
	})
	if err != nil || len(replies) != 2*commands {
		t.Fatalf("%d replies, %v", len(replies), err)
	}
	for i := range commands {
		if n := replies[2*i+1].(*redis.IntCmd).Val(); n != int64(i+1) {
			t.Fatalf("increment %d returned %d", i, n)
		}
	}
}

// goWatch: concurrent clients increment a counter through WATCH and MULTI.
func goWatch(t *testing.T, c *redis.Client) {
	const clients, increments = 8, 25
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range increments {
				if err := optimistic(t, c); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	got, err := c.Get(t.Context(), "counter").Result()
	want(t, got, err, strconv.Itoa(clients*increments))
}

// optimistic increments the counter once, again as long as others do meanwhile.
func optimistic(t *testing.T, c *redis.Client) error {
	for {
		err := c.Watch(t.Context(), func(tx *redis.Tx) error {
			n, err := tx.Get(t.Context(), "counter").Int()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			_, err = tx.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
				p.Set(t.Context(), "counter", n+1, 0)
				return nil
			})
			return err
		}, "counter")
		if !errors.Is(err, redis.TxFailedErr) {
			return err
		}
	}
}

func goScripts(t *testing.T, c *redis.Client) {
	script := redis.NewScript(`
		local n = redis.call('INCRBY', KEYS[1], ARGV[1])
		redis.call('RPUSH', KEYS[2], n)
		return {n, redis.call('LLEN', KEYS[2]), cjson.encode({n = n})}`)
	for i := range int64(3) {
		got, err := script.Run(t.Context(), c, []string{"n", "l"}, 10).Slice()
		want(t, got, err, []any{10 * (i + 1), i + 1, fmt.Sprintf(`{"n":%d}`, 10*(i+1))})
	}
	err := c.Eval(t.Context(), `return redis.error_reply('MINE no')`, nil).Err()
	if err == nil || err.Error() != "MINE no" {
		t.Errorf("the script's error is %v", err)
	}
}

func goHashes(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	n, err := c.HSet(ctx, "h", "a", 1, "b", 2).Result()
	want(t, n, err, 2)
	n, err = c.HIncrBy(ctx, "h", "a", 5).Result()
	want(t, n, err, 6)
	all, err := c.HGetAll(ctx, "h").Result()
	want(t, all, err, map[string]string{"a": "6", "b": "2"})
	n, err = c.HDel(ctx, "h", "a", "absent").Result()
	want(t, n, err, 1)
	list, err := c.HMGet(ctx, "h", "a", "b").Result()
	want(t, list, err, []any{nil, "2"})
}

func goLists(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	type popped struct {
		pair []string
		err  error
	}
	waiting := make(chan popped, 1)
	go func() {
		pair, err := c.BRPop(ctx, 10*time.Second, "first", "l").Result()
		waiting <- popped{pair, err}
	}()
	n, err := c.LPush(ctx, "l", "a").Result()
	want(t, n, err, 1)
	got := <-waiting
	want(t, got.pair, got.err, []string{"l", "a"})
	n, err = c.RPush(ctx, "l", "a", "b", "c").Result()
	want(t, n, err, 3)
	list, err := c.LRange(ctx, "l", 0, -1).Result()
	want(t, list, err, []string{"a", "b", "c"})
	moved, err := c.LMove(ctx, "l", "m", "RIGHT", "LEFT").Result()
	want(t, moved, err, "c")
	if err := c.BRPop(ctx, time.Second, "absent").Err(); !errors.Is(err, redis.Nil) {
		t.Error("BRPOP of an absent list returned")
	}
}

func goZsets(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	n, err := c.ZAdd(ctx, "z", redis.Z{Score: 1.5, Member: "a"}, redis.Z{Score: 3, Member: "c"}, redis.Z{Score: 2, Member: "b"}).Result()
	want(t, n, err, 3)
	list, err := c.ZRangeWithScores(ctx, "z", 0, -1).Result()
	want(t, list, err, []redis.Z{{Score: 1.5, Member: "a"}, {Score: 2, Member: "b"}, {Score: 3, Member: "c"}})
	names, err := c.ZRangeByScore(ctx, "z", &redis.ZRangeBy{Min: "(1.5", Max: "+inf"}).Result()
	want(t, names, err, []string{"b", "c"})
	score, err := c.ZIncrBy(ctx, "z", 10, "a").Result()
	want(t, score, err, 11.5)
	rank, err := c.ZRank(ctx, "z", "a").Result()
	want(t, rank, err, 2)
	list, err = c.ZPopMin(ctx, "z").Result()
	want(t, list, err, []redis.Z{{Score: 2, Member: "b"}})
}

func goPubsub(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	sub := c.Subscribe(ctx, "news")
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		n, err := c.Publish(ctx, "news", i).Result()
		want(t, n, err, 1)
	}
	for i := range 100 {
		message, err := sub.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want(t, message.Payload, err, strconv.Itoa(i))
	}
}

func goScan(t *testing.T, c *redis.Client) {
	ctx := t.Context()
	wanted := map[string]bool{}
	for i := range 500 {
		key := fmt.Sprint("scan:", i)
		wanted[key] = true
		if err := c.Set(ctx, key, i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]bool{}
	each := c.Scan(ctx, 0, "scan:*", 20).Iterator()
	for each.Next(ctx) {
		found[each.Val()] = true
	}
	if err := each.Err(); err != nil || !maps.Equal(found, wanted) {
		t.Errorf("SCAN found %d of %d keys, %v: %v", len(found), len(wanted), err, slices.Collect(maps.Keys(found)))
	}
}
