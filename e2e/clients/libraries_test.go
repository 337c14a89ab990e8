package clients

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/hibiken/asynq"
	"github.com/redis/rueidis"
)

func TestRueidis(t *testing.T) {
	s := start(t)
	option := rueidis.ClientOption{InitAddress: []string{s.addr}, DisableCache: true, ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return s.dial(ctx)
		}}
	c, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rueidisWorkload(t, c)
	t.Run("caching", func(t *testing.T) {
		option.DisableCache = false
		tracking, err := rueidis.NewClient(option)
		if err != nil {
			if err := c.Do(t.Context(), c.B().ClientTracking().On().Optin().Build()).Error(); err != nil {
				t.Logf("the server has no tracking: %v", err)
				return
			}
			t.Fatal(err)
		}
		defer tracking.Close()
		rueidisCaching(t, tracking, c)
	})
}

func rueidisWorkload(t *testing.T, c rueidis.Client) {
	ctx := t.Context()
	const clients, increments = 20, 50
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range increments {
				if err := c.Do(ctx, c.B().Incr().Key("n").Build()).Error(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	n, err := c.Do(ctx, c.B().Get().Key("n").Build()).AsInt64()
	want(t, n, err, clients*increments)
	replies := c.DoMulti(ctx, c.B().Hset().Key("h").FieldValue().FieldValue("a", "1").FieldValue("b", "2").Build(), c.B().Hgetall().Key("h").Build())
	fields, err := replies[1].AsStrMap()
	want(t, fields, err, map[string]string{"a": "1", "b": "2"})
	err = c.Dedicated(func(d rueidis.DedicatedClient) error {
		replies := d.DoMulti(ctx, d.B().Watch().Key("n").Build(), d.B().Multi().Build(), d.B().Incr().Key("n").Build(), d.B().Zadd().Key("z").ScoreMember().ScoreMember(1.5, "m").Build(), d.B().Exec().Build())
		list, err := replies[len(replies)-1].ToArray()
		if err != nil {
			return err
		}
		first, err := list[0].AsInt64()
		want(t, first, err, clients*increments+1)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	list, err := rueidis.NewLuaScript(`return {KEYS[1], ARGV[1]}`).Exec(ctx, c, []string{"k"}, []string{"v"}).AsStrSlice()
	want(t, list, err, []string{"k", "v"})
	members, err := c.Do(ctx, c.B().Zrange().Key("z").Min("0").Max("-1").Withscores().Build()).AsZScores()
	want(t, members, err, []rueidis.ZScore{{Member: "m", Score: 1.5}})
}

// rueidisCaching: what another client writes ends what is cached.
func rueidisCaching(t *testing.T, tracking, other rueidis.Client) {
	ctx := t.Context()
	for i := range 20 {
		if err := other.Do(ctx, other.B().Set().Key("cached").Value(strconv.Itoa(i)).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool {
			got, err := tracking.DoCache(ctx, tracking.B().Get().Key("cached").Cache(), time.Hour).AsInt64()
			return err == nil && got == int64(i)
		})
	}
}

// TestRedsync: what a mutex guards has one owner at a time.
func TestRedsync(t *testing.T) {
	const clients, turns = 6, 10
	s := start(t)
	mutexes := redsync.New(goredis.NewPool(s.client(t, 3)))
	var owners, total atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			m := mutexes.NewMutex("lock", redsync.WithExpiry(patience), redsync.WithTries(10_000), redsync.WithRetryDelay(5*time.Millisecond))
			for range turns {
				if err := m.LockContext(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if owners.Add(1) != 1 {
					t.Error("the mutex has two owners")
				}
				total.Add(1)
				owners.Add(-1)
				if ok, err := m.UnlockContext(t.Context()); !ok || err != nil {
					t.Errorf("unlocking: %v, %v", ok, err)
				}
			}
		})
	}
	all.Wait()
	if total.Load() != clients*turns {
		t.Errorf("%d of %d turns", total.Load(), clients*turns)
	}
}

// TestAsynq: every task that was enqueued is done, those that fail once too, and
// with kills of the leader in the middle.
func TestAsynq(t *testing.T) {
	tasks := 1000
	if testing.Short() {
		tasks = 200
	}
	s := start(t)
	connections := s.client(t, 3)
	var done, failed sync.Map
	var left atomic.Int64
	left.Store(int64(tasks))
	all := make(chan struct{})
	worker := asynq.NewServerFromRedisClient(connections, asynq.Config{
		Concurrency: 20, LogLevel: asynq.FatalLevel, DelayedTaskCheckInterval: 100 * time.Millisecond,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 0 },
	})
	err := worker.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		id := string(task.Payload())
		if n, err := strconv.Atoi(id); err == nil && n%10 == 0 {
			if _, again := failed.LoadOrStore(id, true); !again {
				return errors.New("the first try of every tenth fails")
			}
		}
		if _, again := done.LoadOrStore(id, true); !again && left.Add(-1) == 0 {
			close(all)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Shutdown()
	c := asynq.NewClientFromRedisClient(connections)
	for i := range tasks {
		if i == tasks/2 && s.canFail() {
			s.fault(t)
		}
		task := asynq.NewTask("task", []byte(strconv.Itoa(i)), asynq.MaxRetry(10))
		until(t, func() bool {
			_, err := c.Enqueue(task, asynq.TaskID(fmt.Sprint("task-", i)))
			return err == nil || errors.Is(err, asynq.ErrTaskIDConflict)
		})
	}
	timer := time.NewTimer(2 * patience)
	defer timer.Stop()
	select {
	case <-all:
	case <-timer.C:
		t.Errorf("%d of %d tasks were never done", left.Load(), tasks)
	}
}
