package quorum_test

import (
	"context"
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
