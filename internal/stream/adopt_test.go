package stream

import (
	"context"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// TestFetchBehindTheBase: a candidate whose log ends where the voter's begins gets the rounds
// behind that only if it has the same round there.
func TestFetchBehindTheBase(t *testing.T) {
	rt, stop := quorum.Start(1)
	defer stop()
	const epoch, number = 5, 10
	err := rt.Run(t.Context(), "fetch", func(ctx context.Context) error {
		g := &Group{id: 1, rt: rt, options: Options{ElectionTimeout: time.Hour}.withDefaults(), epoch: epoch + 1, vote: 2, log: newLog(wal.Base{Number: number, Epoch: epoch}, Members{})}
		g.silence = newSilence(g.options.ElectionTimeout, g.options.Heartbeat)
		g.election = quorum.After(ctx, time.Hour)
		g.log.append(wal.Round{Number: number + 1, Epoch: epoch})
		for _, x := range []struct {
			prev position
			ok   bool
		}{{position{epoch, number}, true}, {position{epoch - 1, number}, false}, {position{epoch - 1, number - 1}, false}} {
			resp, err := g.handleFetch(ctx, 2, &fetchReq{epoch: g.epoch, prev: x.prev, bytesMax: 1 << 20})
			if err != nil {
				return err
			}
			if resp.ok != x.ok || len(resp.rounds) > 0 != x.ok {
				t.Errorf("behind round %d of epoch %d: ok %t, %d rounds", x.prev.number, x.prev.epoch, resp.ok, len(resp.rounds))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
