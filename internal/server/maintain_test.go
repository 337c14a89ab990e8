package server

import (
	"context"
	"testing"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/keyspace"
)

// There is nothing to remove until something is executed, another leads or a key expires.
func TestMaintained(t *testing.T) {
	done := &maintained{calls: 5, epoch: 2, at: 100, until: 200}
	for _, c := range []struct {
		name string
		now  maintained
		want bool
	}{
		{"the same", maintained{calls: 5, epoch: 2, at: 199}, true},
		{"a call", maintained{calls: 6, epoch: 2, at: 101}, false},
		{"calls are counted anew", maintained{epoch: 2, at: 101}, false},
		{"another epoch", maintained{calls: 5, epoch: 3, at: 101}, false},
		{"a key expires", maintained{calls: 5, epoch: 2, at: 200}, false},
	} {
		if got := done.lasts(&c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	done = nil
	if done.lasts(&maintained{}) {
		t.Error("nothing is known, and lasts")
	}
}

// Keys that expire go although nobody calls the server meanwhile.
func TestExpiredKeysGoWhileNobodyCalls(t *testing.T) {
	s, _ := startServer(t, nil)
	for _, key := range []string{"1", "200", "500"} {
		if got := say(t, s, "", "SET", "expires in "+key, "v", "PX", key); got != "OK" {
			t.Fatal(got)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for left := true; left; {
		err := s.db.View(ctx, func(tx *godwit.Tx) (err error) {
			in := keyspace.Tx{Space: s.space.Load()}
			in.Begin(tx, 0)
			_, left, err = in.NextExpiry()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("keys that have expired are not removed")
		}
	}
}
