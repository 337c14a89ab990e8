package clients

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/godwitdb/godwit/internal/history"
)

// TestFailover runs four loads at once while the leader is killed again and
// again: nothing that was acknowledged may be lost or done twice, and what was
// read has to be explained by one order of all that happened.
func TestFailover(t *testing.T) {
	s := start(t)
	loads := []func(t *testing.T, s *server, ctx context.Context){counterLoad, queueLoad, bankLoad, listLoad}
	s.under(t, func(ctx context.Context) {
		var all sync.WaitGroup
		for _, load := range loads {
			all.Go(func() { load(t, s, ctx) })
		}
		all.Wait()
	})
}

// clientsPerLoad is how many connections each load keeps busy.
const clientsPerLoad = 4

const (
	// thinkTime is how long a client waits after an operation.
	thinkTime = 2 * time.Millisecond
	// retryPause is how long it waits after an error.
	retryPause = 5 * time.Millisecond
)

// during runs step in clients until ctx is done. A step that returns an error is
// followed by a pause.
func during(ctx context.Context, clients int, step func(client int) error) {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				if step(i) != nil {
					pause(ctx, retryPause)
				} else {
					pause(ctx, thinkTime)
				}
			}
		})
	}
	all.Wait()
}

// read runs a command that only reads until it is answered.
func read[V any](t *testing.T, command func() (V, error)) V {
	t.Helper()
	var got V
	until(t, func() bool {
		v, err := command()
		got = v
		return err == nil || errors.Is(err, redis.Nil)
	})
	return got
}

// counterLoad increments a counter: no two clients are told the same number, it
// never goes back for one of them, and in the end it is at least what was
// acknowledged and at most what was tried.
func counterLoad(t *testing.T, s *server, ctx context.Context) {
	c := s.client(t, 3)
	var known counts
	var seen sync.Map
	last := make([]int64, clientsPerLoad)
	during(ctx, clientsPerLoad, func(client int) error {
		n, err := c.Incr(t.Context(), "counter").Result()
		if err != nil {
			known.unknown.Add(1)
			return err
		}
		known.acked.Add(1)
		if other, twice := seen.LoadOrStore(n, client); twice {
			t.Errorf("counter: clients %d and %d were both told %d", client, other, n)
		}
		if n <= last[client] {
			t.Errorf("counter: a client was told %d after %d", n, last[client])
		}
		last[client] = n
		return nil
	})
	end := read(t, func() (string, error) { return c.Get(t.Context(), "counter").Result() })
	n, err := strconv.ParseInt(end, 10, 64)
	if err != nil {
		t.Errorf("counter: it is %q", end)
	}
	acked, unknown := known.acked.Load(), known.unknown.Load()
	if n < acked || n > acked+unknown {
		t.Errorf("counter: it is %d after %d acknowledged and %d unknown increments", n, acked, unknown)
	}
	t.Logf("counter: %d acknowledged, %d unknown", acked, unknown)
}

// queueLoad pushes numbers to a list and pops them: none twice, and none that was
// acknowledged is missing, but for those that a pop took whose answer was lost.
func queueLoad(t *testing.T, s *server, ctx context.Context) {
	c := s.client(t, 3)
	var pushed, popped sync.Map
	var pushes, pops counts
	take := func(client int, item string) {
		now := fmt.Sprintf("by client %d at %s", client, time.Now().Format(time.StampMilli))
		if before, twice := popped.LoadOrStore(item, now); twice {
			t.Errorf("queue: item %s was popped %v, and %s", item, before, now)
		}
	}
	next := make([]int, clientsPerLoad)
	during(ctx, clientsPerLoad, func(client int) error {
		if client%2 == 0 {
			next[client]++
			item := fmt.Sprint(client, "-", next[client])
			if err := c.LPush(t.Context(), "queue", item).Err(); err != nil {
				pushes.unknown.Add(1)
				return err
			}
			pushes.acked.Add(1)
			pushed.Store(item, true)
			return nil
		}
		pair, err := c.BRPop(t.Context(), time.Second, "queue").Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		if err != nil {
			pops.unknown.Add(1)
			return err
		}
		pops.acked.Add(1)
		take(client, pair[1])
		return nil
	})
	for _, item := range read(t, func() ([]string, error) { return c.LRange(t.Context(), "queue", 0, -1).Result() }) {
		take(clientsPerLoad, item)
	}
	missing := int64(0)
	pushed.Range(func(item, _ any) bool {
		if _, found := popped.Load(item); !found {
			missing++
		}
		return true
	})
	if missing > pops.unknown.Load() {
		t.Errorf("queue: %d acknowledged items are missing, and only %d pops are unknown", missing, pops.unknown.Load())
	}
	t.Logf("queue: %d pushes acknowledged, %d unknown; %d pops acknowledged, %d unknown", pushes.acked.Load(), pushes.unknown.Load(), pops.acked.Load(), pops.unknown.Load())
}

// bankLoad moves money between accounts with WATCH and MULTI, and reads all of
// them at once: the sum stays.
func bankLoad(t *testing.T, s *server, ctx context.Context) {
	const accounts, each = 8, 100
	c := s.client(t, 3)
	names := make([]string, accounts)
	set := map[string]any{}
	for i := range names {
		names[i] = fmt.Sprint("account:", i)
		set[names[i]] = each
	}
	until(t, func() bool { return c.MSet(t.Context(), set).Err() == nil })
	var transfers, audits counts
	audit := func() error {
		balances, err := c.MGet(t.Context(), names...).Result()
		if err != nil {
			return err
		}
		sum := 0
		for _, balance := range balances {
			text, _ := balance.(string)
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Errorf("bank: the balances are %v", balances)
			}
			sum += n
		}
		if sum != accounts*each {
			t.Errorf("bank: the balances %v add up to %d", balances, sum)
		}
		audits.acked.Add(1)
		return nil
	}
	during(ctx, clientsPerLoad, func(client int) error {
		if client == 0 {
			return audit()
		}
		pair := rand.Perm(accounts)
		from, to := names[pair[0]], names[pair[1]]
		err := c.Watch(t.Context(), func(tx *redis.Tx) error {
			a, err := tx.Get(t.Context(), from).Int()
			if err != nil {
				return err
			}
			b, err := tx.Get(t.Context(), to).Int()
			if err != nil {
				return err
			}
			amount := 1 + rand.IntN(5)
			_, err = tx.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
				p.Set(t.Context(), from, a-amount, 0)
				p.Set(t.Context(), to, b+amount, 0)
				return nil
			})
			return err
		}, from, to)
		if err == nil {
			transfers.acked.Add(1)
		}
		if errors.Is(err, redis.TxFailedErr) {
			return nil
		}
		return err
	})
	until(t, func() bool { return audit() == nil })
	t.Logf("bank: %d transfers, %d audits", transfers.acked.Load(), audits.acked.Load())
}

// appendsPerKey is after how many appends the clients of listLoad go on to the
// next keys: a history has the lists as often as they were read.
const appendsPerKey = 100

// listLoad appends unique numbers to lists and reads lists, some in one MULTI, and
// checks that the history is strictly serializable.
func listLoad(t *testing.T, s *server, ctx context.Context) {
	c := s.client(t, 3)
	recorder := history.NewRecorder(history.Lists, history.MonotonicClock())
	var known counts
	during(ctx, clientsPerLoad, func(id int) error {
		client := recorder.Client(history.ClientID(id + 1))
		generation := known.acked.Load() / appendsPerKey
		tx := client.Begin()
		reads := map[history.Key]*redis.StringSliceCmd{}
		fill := func(p redis.Pipeliner) error {
			for _, n := range rand.Perm(3)[:1+rand.IntN(2)] {
				key := history.Key(generation*3 + int64(n))
				if rand.IntN(2) == 0 {
					value := client.Unique()
					tx.Append(key, value)
					p.RPush(t.Context(), listName(key), uint64(value))
				} else {
					reads[key] = p.LRange(t.Context(), listName(key), 0, -1)
				}
			}
			return nil
		}
		if _, err := c.TxPipelined(t.Context(), fill); err != nil {
			tx.Unknown()
			known.unknown.Add(1)
			return err
		}
		for key, reply := range reads {
			tx.List(key, values(t, reply.Val()))
		}
		tx.OK()
		known.acked.Add(1)
		return nil
	})
	last := recorder.Client(clientsPerLoad + 1)
	for key := range history.Key(known.acked.Load()/appendsPerKey*3 + 3) {
		tx := last.Begin()
		tx.List(key, values(t, read(t, func() ([]string, error) { return c.LRange(t.Context(), listName(key), 0, -1).Result() })))
		tx.OK()
	}
	result, err := history.CheckListAppend(recorder.History(), history.Options{})
	if err != nil {
		t.Errorf("lists: %v", err)
	}
	for _, anomaly := range result.Anomalies {
		t.Errorf("lists: %s: %s", anomaly.Kind, anomaly.Explanation)
	}
	t.Logf("lists: %d transactions acknowledged, %d unknown", known.acked.Load(), known.unknown.Load())
}

func listName(key history.Key) string { return fmt.Sprint("list:", uint64(key)) }

func values(t *testing.T, texts []string) []history.Value {
	list := make([]history.Value, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Error(err)
		}
		list[i] = history.Value(n)
	}
	return list
}
