package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/quorum"
)

// Two rules judge the same votes: three of four would be quick, two are enough.
func ExampleVotes() {
	r, stop := quorum.Start(1)
	defer stop()
	err := r.Run(context.Background(), "example", func(ctx context.Context) error {
		votes := quorum.NewVotes[string](ctx, "colour", []quorum.NodeID{1, 2, 3, 4})
		blue := func(_ quorum.NodeID, colour string) bool { return colour == "blue" }
		fast, slow := votes.Need(3, blue), votes.Need(2, blue)

		quorum.Go(ctx, "voters", func(ctx context.Context) error {
			votes.Add(2, "blue", nil)
			votes.Add(2, "blue", nil) // does not count again
			votes.Add(3, "red", nil)
			votes.Add(4, "red", nil) // blue cannot get three any more
			votes.Add(1, "blue", nil)
			return nil
		})
		which, err := quorum.Select(ctx, fast, slow)
		if err != nil {
			return err
		}
		fmt.Println("decided first:", []string{"fast", "slow"}[which])
		fmt.Println("fast:", fast.Wait(ctx))
		fmt.Println("slow:", slow.Wait(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// decided first: fast
	// fast: quorum: lost
	// slow: <nil>
	// <nil>
}

// The own disk is one voter of three. Nobody waits for the third one.
func ExampleVotes_AddEvent() {
	r, stop := quorum.Start(1)
	defer stop()
	err := r.Run(context.Background(), "example", func(ctx context.Context) error {
		votes := quorum.NewVotes[string](ctx, "kept", []quorum.NodeID{1, 2, 3})
		votes.AddEvent(1, "kept", quorum.Disk(ctx, "keep", func() error { return nil }))
		fmt.Println("a voter:", votes.Add(2, "kept", nil))
		fmt.Println("no voter:", votes.Add(4, "kept", nil))
		return quorum.WaitFor(ctx, votes.Majority(nil), time.Minute)
	})
	fmt.Println(err)
	// Output:
	// a voter: true
	// no voter: false
	// <nil>
}

// A task that waits for either of two things, with a deadline on all of it.
func ExampleOr() {
	r, stop := quorum.Start(1)
	defer stop()
	err := r.Run(context.Background(), "example", func(ctx context.Context) error {
		ctx, cancel := quorum.WithTimeout(ctx, time.Minute)
		defer cancel()
		answer := quorum.NewValue[int](ctx, "answer")
		never := quorum.NewValue[int](ctx, "never")
		quorum.Go(ctx, "thinker", func(ctx context.Context) error {
			if err := quorum.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			answer.Set(42)
			return nil
		})
		if err := quorum.Wait(ctx, quorum.Or(never, quorum.And(answer, quorum.After(ctx, time.Millisecond)))); err != nil {
			return err
		}
		fmt.Println(answer.Get())
		return nil
	})
	fmt.Println(err)
	// Output:
	// 42
	// <nil>
}

// Keep and Kept are the messages of a method.
type Keep struct{ Key, Value string }

func (m *Keep) Fields(c *quorum.Coder) { c.String(&m.Key); c.String(&m.Value) }

type Kept struct{ Values uint64 }

func (m *Kept) Fields(c *quorum.Coder) { c.Uint(&m.Values) }

// Three servers on real sockets keep values; a client has enough with two of them.
func ExampleMethod() {
	ctx := context.Background()
	keep := quorum.NewMethod[Keep, Kept](1, "keep")
	options := quorum.Options{Cluster: quorum.ClusterID{4, 2}}

	servers := []quorum.NodeID{1, 2, 3}
	addrs := map[quorum.NodeID]string{4: ""} // the client is not called
	for _, id := range servers {
		r, stop := quorum.Start(id)
		defer stop()
		var e *quorum.Endpoint
		err := r.Run(ctx, "start", func(context.Context) error {
			tcp, err := quorum.ListenTCP(r, map[quorum.NodeID]string{id: "127.0.0.1:0"})
			if err != nil {
				return err
			}
			addrs[id] = tcp.Addr()
			values := map[string]string{}
			e = quorum.NewEndpoint(r, tcp, options, func(from quorum.NodeID) bool { return from == 4 })
			keep.Handle(e, func(_ context.Context, _ quorum.NodeID, m *Keep) (*Kept, error) {
				values[m.Key] = m.Value // no lock: tasks run one at a time
				return &Kept{Values: uint64(len(values))}, nil
			})
			e.Listen()
			return nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer r.Run(ctx, "end", func(context.Context) error { e.Close(); return nil })
	}

	r, stop := quorum.Start(4)
	defer stop()
	err := r.Run(ctx, "client", func(ctx context.Context) error {
		tcp, err := quorum.ListenTCP(r, addrs)
		if err != nil {
			return err
		}
		e := quorum.NewEndpoint(r, tcp, options, nil)
		defer e.Close()
		votes := keep.Broadcast(ctx, e, servers, func(quorum.NodeID) *Keep { return &Keep{"colour", "blue"} })
		defer votes.Drop() // the third one's reply
		if err := quorum.WaitFor(ctx, votes.Majority(nil), time.Minute); err != nil {
			return fmt.Errorf("%w: %w", err, votes.Errors())
		}
		fmt.Println("kept by a majority of", len(servers))

		_, err = keep.Call(ctx, e, 5, &Keep{})
		fmt.Println(errors.Is(err, quorum.ErrUnreachable), err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// kept by a majority of 3
	// true quorum: unreachable: node 5: no address of node 5
	// <nil>
}
