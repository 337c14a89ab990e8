package shard

import "context"

// Confirm waits until it is known that nobody else led when x was executed, so that it has
// seen all that had been released anywhere before it began, without a round in the log. Transactions
// that only read need it; of one that has written its release says so.
func (r *Replica) Confirm(ctx context.Context, x *Executed) error {
	// A majority that follows this leader now has followed nobody else since it began to lead.
	if err := r.Read(ctx); err != nil {
		return err
	}
	if r.leading.Load() != x.lead || r.group.Status().Epoch != x.lead.Epoch {
		return ErrNotLeader
	}
	return nil
}
