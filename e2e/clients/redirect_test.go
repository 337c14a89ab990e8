package clients

import (
	"errors"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// TestRedirect has clients of a Redis cluster go to the node that leads by themselves, and on to the next when that is
// killed.
func TestRedirect(t *testing.T) {
	if own == nil {
		t.Skip("it is for nodes that this run has started")
	}
	c, err := startCluster("--redirect")
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.addr)
	}
	clients := map[string]func(t *testing.T, key string) (int64, error){}
	goRedis := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	defer func() { _ = goRedis.Close() }()
	clients["go-redis"] = func(t *testing.T, key string) (int64, error) { return goRedis.Incr(t.Context(), key).Result() }
	other, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addrs, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	clients["rueidis"] = func(t *testing.T, key string) (int64, error) {
		return other.Do(t.Context(), other.B().Incr().Key(key).Build()).AsInt64()
	}
	for name, incr := range clients {
		t.Run(name, func(t *testing.T) {
			const increments = 100
			acked, unknown := int64(0), int64(0)
			for acked < increments {
				n, err := incr(t, name)
				if err != nil {
					unknown++
					pause(t.Context(), retryPause)
					continue
				}
				acked++
				// The library repeats what it has no answer to, by itself: that may count twice.
				if n < acked {
					t.Fatalf("it is told %d after %d acknowledged increments", n, acked)
				}
				if acked == increments/2 {
					if err := c.killLeader(t.Context()); err != nil {
						t.Fatalf("%v\n%s", err, c.said())
					}
				}
			}
			t.Logf("%d acknowledged, %d unknown", acked, unknown)
		})
	}
	t.Run("reads of replicas", func(t *testing.T) {
		reader := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ReadOnly: true, RouteRandomly: true})
		defer func() { _ = reader.Close() }()
		last := "0"
		for i := range 50 {
			want := strconv.Itoa(i)
			until(t, func() bool { return goRedis.Set(t.Context(), "read", want, 0).Err() == nil })
			until(t, func() bool { // a replica is a little behind
				got, err := reader.Get(t.Context(), "read").Result()
				if err != nil && !errors.Is(err, redis.Nil) {
					return false
				}
				last = got
				return got == want
			})
		}
		want(t, last, nil, "49")
	})
}
