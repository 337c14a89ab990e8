package copilot

import (
	"context"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env/faultfs"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/journal"
)

// asPilot runs f in a task of a node that is the first pilot of three, none of which it
// can reach. Tasks of the pilot are started in as.
func asPilot(t *testing.T, f func(ctx, as context.Context, p *pilot)) {
	t.Helper()
	rt, stop := quorum.Start(1)
	defer stop()
	if err := rt.Run(t.Context(), "test", func(ctx context.Context) error {
		j, _, err := journal.Open(ctx, faultfs.New(1), "copilot")
		if err != nil {
			return err
		}
		quorum.Go(ctx, "journal", j.Run)
		n := &Node{id: 1, rt: rt, machine: blank{}, options: Options{Members: []quorum.NodeID{1, 2, 3}}.withDefaults(),
			journal: j, waiting: map[key]*waiter{}, changed: quorum.NewWatermark(ctx, "changed", 0),
			opened: 1, promised: 1, pilots: [logs]quorum.NodeID{1, 2},
			election: quorum.After(ctx, time.Hour), heard: -time.Hour, promisedAt: -time.Hour}
		n.saveAll()
		as, cancel := quorum.WithCancel(ctx)
		defer cancel()
		p := &pilot{n: n, log: &n.logs[0], cancel: cancel, offers: quorum.NewWatermark(ctx, "offers", 0)}
		for _, id := range n.options.Members {
			p.peers = append(p.peers, &peer{id: id, work: quorum.NewWatermark(ctx, "work", 0)})
		}
		p.other, n.pilot = p.peers[1], p
		f(ctx, as, p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// What a pilot's disk has when the pilot has been retired is no vote: the logs may be
// another epoch's, which was not committed there.
func TestRetiredPilotCommitsNothing(t *testing.T) {
	for _, retire := range []bool{false, true} {
		asPilot(t, func(ctx, as context.Context, p *pilot) {
			p.enter([]Command{{1, 1, nil}})
			p.peers[1].match = 1
			own := quorum.Go(as, "own disk", func(ctx context.Context) error { return p.ownDisk(ctx, p.peers[0]) })
			if err := p.n.journal.Sync(ctx); err != nil { // it is told before the pilot's task
				t.Error(err)
			}
			if retire {
				p.n.retire()
				_ = quorum.Wait(ctx, own)
			} else if err := p.n.changed.Wait(ctx, 1); err != nil {
				t.Error(err)
			}
			if got := p.log.commit; got > 0 == retire {
				t.Errorf("retired: %v, committed up to %d", retire, got)
			}
		})
	}
}

// An answer that comes just before a pilot is retired, and is looked at behind that, is no
// vote either.
func TestRetiredPilotCountsNoAnswer(t *testing.T) {
	for _, retire := range []bool{false, true} {
		asPilot(t, func(_, _ context.Context, p *pilot) {
			n := p.n
			p.enter([]Command{{1, 1, nil}})
			p.peers[0].match = 1
			req := p.request(p.peers[1])
			resp := &appendResp{promised: 1, opened: 1, last: pair{1, 0}}
			if retire {
				s := n.since(n.executed)
				s.epoch, s.pilots = 2<<32|3, [logs]quorum.NodeID{3, 2}
				if resp.promised, resp.opened = s.epoch, s.epoch; !n.take(s) {
					t.Error("the next epoch is not taken")
				}
			}
			p.answered(p.peers[1], req, resp)
			if got := p.log.commit; got > 0 == retire {
				t.Errorf("retired: %v, committed up to %d", retire, got)
			}
		})
	}
}

// A command that comes just before a pilot is retired is not proposed: there may be
// another pilot who writes that log.
func TestRetiredPilotProposesNothing(t *testing.T) {
	for _, retire := range []bool{false, true} {
		asPilot(t, func(ctx, as context.Context, p *pilot) {
			propose := quorum.Go(as, "propose", p.propose)
			_ = quorum.Yield(ctx) // the pilot looks what there is
			p.n.queue = append(p.n.queue, &waiter{command: Command{1, 1, nil}, result: quorum.NewValue[[]byte](ctx, "command")})
			p.offer()
			if !retire {
				_ = quorum.Yield(ctx) // the pilot looks what there is
			}
			p.n.retire()
			_ = quorum.Wait(ctx, propose)
			if got := p.log.last(); got > 0 == retire {
				t.Errorf("retired: %v, %d entries", retire, got)
			}
		})
	}
}

// A request to prepare that comes twice is promised once: the answer to the second may
// be there first, and has no logs in it.
func TestPromisedOnce(t *testing.T) {
	asPilot(t, func(ctx, _ context.Context, p *pilot) {
		granted := 0
		var asked []quorum.Event
		for range 2 {
			asked = append(asked, quorum.Go(ctx, "prepare", func(ctx context.Context) error {
				resp, err := p.n.handlePrepare(ctx, 2, &prepareReq{epoch: 2<<32 | 2, opened: p.n.opened})
				if err == nil && resp.granted {
					granted++
				}
				return err
			}))
		}
		if err := quorum.Wait(ctx, quorum.And(asked...)); err != nil || granted != 1 {
			t.Errorf("%d promises, %v", granted, err)
		}
	})
}
