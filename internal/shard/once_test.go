package shard

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/quorum"
)

// TestForgetClients: of more clients than are to be remembered those go that have been silent
// for longest, on every replica; the others get their first answers.
func TestForgetClients(t *testing.T) {
	const most, clients = 16, 600
	c := newCluster(t, 3)
	c.options.ClientsMax = most
	nodes := []*node{c.start(1), c.start(2), c.start(3)}
	l := leader(t, nodes...)
	var runs byte
	once := func(client uint64) byte {
		t.Helper()
		for {
			x, answer, err := l.ExecuteOnce(t.Context(), Request{Client: client, Number: 1}, func(*occ.Tx) ([]byte, error) {
				runs++
				return []byte{runs}, nil
			})
			if err == nil {
				err = x.Wait(t.Context())
			}
			if err == nil {
				return answer[0]
			}
			l = leader(t, nodes...) // a busy machine may change leaders
		}
	}
	for i := range uint64(clients) {
		once(i)
	}
	for _, n := range nodes {
		n.must(func(ctx context.Context) error {
			for {
				left, err := remembered(ctx, n)
				if err != nil {
					return err
				}
				if left <= most+most/8 {
					return nil
				}
				if err := quorum.Sleep(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
		})
	}
	before := runs
	last := once(clients - 1)
	if runs != before || last == 0 {
		t.Errorf("the newest client's request ran again")
	}
	if once(1); runs != before+1 {
		t.Errorf("the oldest client is still remembered")
	}
}

// remembered counts the clients that a replica remembers.
func remembered(ctx context.Context, n *node) (clients int, err error) {
	table, err := n.engine.AddTable(once.TableID())
	if err != nil {
		return 0, err
	}
	snap, err := n.Snapshot(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	err = once.Each(snap, table, func(key []byte, at uint64) bool {
		if binary.BigEndian.Uint64(key) < 1<<32 && at > 0 {
			clients++
		}
		return true
	})
	return clients, err
}
