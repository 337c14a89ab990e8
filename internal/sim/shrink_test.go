package sim

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// careless is a scenario with a planted mistake: nodes count what clients tell
// them and keep the count in a file that nobody syncs. A loss of power takes some
// of it; nothing else does.
func careless(w *World) error {
	mix := w.DrawFaults()
	mix.PowerLoss = 1
	add := quorum.NewMethod[ping, ping](1, "add")
	counted := map[env.NodeID]uint64{}
	for id := env.NodeID(1); id <= env.NodeID(w.Choose("nodes", 1, 5)); id++ {
		w.AddNode(id, func(n *Node) {
			e := quorum.NewEndpoint(n.Runtime(), n.Network(), quorum.Options{}, nil)
			files := n.FS()
			n.Runtime().Go("main", func(ctx context.Context) error {
				var count uint64
				err := quorum.Wait(ctx, quorum.Disk(ctx, "read", func() error {
					b, err := n.Files().ReadFile("count")
					if err == nil {
						count = uint64(len(b))
					}
					return nil
				}))
				if err != nil {
					return err
				}
				if count < counted[n.ID()] {
					w.Fail("forgotten: n%d had %d and has %d", n.ID(), counted[n.ID()], count)
				}
				add.Handle(e, func(ctx context.Context, _ env.NodeID, p *ping) (*ping, error) {
					at := count
					count++
					err := quorum.Wait(ctx, quorum.Disk(ctx, "write", func() error {
						f, err := files.Open("count")
						if err != nil {
							f, err = files.Create("count")
						}
						if err != nil {
							return err
						}
						defer f.Close()
						_, err = f.WriteAt([]byte{1}, int64(at))
						return err
					}))
					if err == nil {
						counted[n.ID()] = max(counted[n.ID()], at+1)
					}
					return &ping{at + 1}, err
				})
				n.Serves(e)
				e.Listen()
				return nil
			})
		}).Start()
	}
	clients := w.Choose("clients", 1, 8)
	machine := w.AddNode(100, func(n *Node) {
		e := quorum.NewEndpoint(n.Runtime(), n.Network(), quorum.Options{CallTimeout: time.Second}, nil)
		for range clients {
			n.Runtime().Go("client", func(ctx context.Context) error {
				for {
					to := env.NodeID(1 + w.Rand().IntN(len(w.Nodes())-1))
					_, _ = add.Call(ctx, e, to, &ping{1}) // what does not come is not counted
					if err := quorum.Sleep(ctx, 10*time.Millisecond); err != nil {
						return err
					}
				}
			})
		}
	})
	machine.Immune = true
	machine.Start()
	calm := w.Chaos(mix)
	err := w.Run(time.Duration(w.Choose("seconds", 1, 20)) * time.Second)
	calm()
	return err
}

// A failing run is shrunk to a few faults, and the least that fails is the same
// again from its text.
func TestShrink(t *testing.T) {
	s := Scenario{Name: "careless", Run: careless}
	shrunk, enough := 0, 3
	if testing.Short() {
		enough = 1
	}
	for seed := uint64(1); shrunk < enough; seed++ {
		whole, w := replay(s, seed, Less{}, nil)
		if whole.Err == nil || w.faults < 3 || whole.Events < 4000 { // a short run has little that could go
			continue
		}
		shrunk++
		steps := 0
		less, least := Shrink(t.Context(), s, seed, func(Less, Result) { steps++ })
		t.Logf("seed %d: %d faults and %d events became %q and %d events in %d steps: %v", seed, w.faults, whole.Events, less, least.Events, steps, least.Err)
		if least.Err == nil || sort(least.Err) != sort(whole.Err) || len(less.Only) > 1 || least.Events > whole.Events/4 {
			t.Errorf("seed %d: %v with %v, %v", seed, least, less, least.Err)
		}
		again, err := ParseLess(less.String())
		if err != nil {
			t.Fatal(err)
		}
		var transcript bytes.Buffer
		if r := ReplayLess(s, seed, again, &transcript); fmt.Sprint(r) != fmt.Sprint(least) {
			t.Errorf("%v is %v, from its text %v", less, least, r)
		}
		for _, want := range []string{"clients: 1\n", "power lost: true", "n100 -> n1 add request #", "n1 -> n100 add reply #", "FAILED: forgotten"} {
			if !strings.Contains(transcript.String(), want) {
				t.Errorf("the transcript says nothing of %q:\n%s", want, transcript.String())
			}
		}
	}
}

func TestShrinkEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	s := Scenario{Run: func(w *World) error {
		if runs++; runs == 5 {
			cancel()
		}
		w.Choose("hopeless", 0, 1<<40)
		w.Fail("always")
		return nil
	}}
	if _, r := Shrink(ctx, s, 1, func(Less, Result) {}); r.Err == nil || runs > 6 {
		t.Errorf("%v after %d runs", r, runs)
	}
	passes := Scenario{Run: func(*World) error { return nil }}
	if less, r := Shrink(t.Context(), passes, 1, nil); r.Err != nil || less.Only != nil {
		t.Error(less, r)
	}
}

func TestParseLess(t *testing.T) {
	for _, text := range []string{"clients=1", "faults=", "faults=3", "a b: c=0, clients=1, faults=2+17"} {
		if l, err := ParseLess(text); err != nil || l.String() != text {
			t.Errorf("%q: %q, %v", text, l, err)
		}
	}
	for _, text := range []string{"", "clients", "clients=x", "faults=1+x"} {
		if l, err := ParseLess(text); err == nil {
			t.Errorf("%q is %v", text, l)
		}
	}
}
