package shard

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/once"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
)

var (
	// ErrNotLeader: this replica does not execute now. Nothing was done; ask the one that
	// leads (Replica.Status).
	ErrNotLeader = errors.New("shard: this replica does not lead")
	// ErrDropped: the transaction was executed by a leader that was deposed before it was
	// durable, and is gone for good. It may be run again.
	ErrDropped = errors.New("shard: the transaction was dropped when the leader changed; run it again")
	// ErrStopped: the replica has stopped before the outcome was known. The transaction
	// may be there or not.
	ErrStopped = errors.New("shard: the replica has stopped; the outcome is unknown")
)

// Options are a replica's. Zero stands for a default where there is one.
type Options struct {
	// Group is how the group's log is kept. Lag is how often a follower that has caught up replays
	// at most, too. What the folder says is filled in; Voters are the
	// first members of a new group.
	Group stream.Options
	// Arena holds the data.
	Arena *arena.Arena
	// Workers is how many streams the replica executes on. Replicas may differ in it.
	Workers int
	// ReplayParallel is how many goroutines replay. Default: Workers. With 1 it is done
	// in the job itself, as the simulator wants it.
	ReplayParallel int
	// Time, if not nil, lets workers yield now and then, and has checkpoints made slowly
	// while transactions run. The simulator has none.
	Time env.Clock
	// Gathered, if not nil, is called while a round is gathered, behind each stream: the
	// simulator executes transactions there, as other threads would.
	Gathered func()
	// HashSeed, if not 0, gives hashed tables one order in all runs (occ.Config): checkpoints,
	// which others fetch, have it.
	HashSeed uint64
	// Shed refuses transactions instead of having them wait for room.
	Shed bool
	// PendingBytesMax bounds what workers have executed and was not gathered.
	PendingBytesMax int64
	// RoundWait is how long records wait for an earlier round to become durable before
	// they are sent behind it; RoundBytes is how many do not wait. Defaults: 1 ms, 256 KiB.
	RoundWait  time.Duration
	RoundBytes int64
	// CheckpointBytes is how much log there is when it is time for a checkpoint. Default:
	// 1 GiB, which a restart replays in a few seconds. Below 0 there are none but those that are asked for.
	CheckpointBytes int64
	// ClientsMax is how many clients' last requests are remembered (ExecuteOnce), and an
	// eighth more. Default: a million.
	ClientsMax int
	// Catalog: there are the tables of the catalog (package catalog), which CreateTable and DropTable
	// change. Without it a table is there from its first record on, for good.
	Catalog bool
	// OnCheckpoint, if not nil, is called when a checkpoint was made, with the time that took and its
	// bytes. It must not block.
	OnCheckpoint func(took time.Duration, bytes int64)
	// Version is the program's, for checkpoints.
	Version string
	// PaceBytes is how much has to be in a round for the next one to be made no earlier
	// than RoundWait after it; with eight times as much in that time it is twice RoundWait.
	// Default: 8 KiB.
	PaceBytes int64
	// StepBytesMax bounds the rounds that are replayed in one step. Default: 4 MiB.
	StepBytesMax int
}

func (o Options) withDefaults() (Options, error) {
	o.RoundWait = cmp.Or(o.RoundWait, time.Millisecond)
	o.RoundBytes = cmp.Or(o.RoundBytes, 256<<10)
	o.CheckpointBytes = cmp.Or(o.CheckpointBytes, 1<<30)
	o.PaceBytes = cmp.Or(o.PaceBytes, 8<<10)
	o.StepBytesMax = cmp.Or(o.StepBytesMax, 4<<20)
	o.ClientsMax = cmp.Or(o.ClientsMax, once.ClientsMax)
	o.ReplayParallel = cmp.Or(o.ReplayParallel, o.Workers)
	if o.Group.Logf == nil {
		o.Group.Logf = func(string, ...any) {}
	}
	if o.RoundWait < 0 || o.RoundBytes < 0 || o.PaceBytes < 0 || o.StepBytesMax < 0 || o.PendingBytesMax < 0 || o.ClientsMax < 0 {
		return o, fmt.Errorf("shard: a bound is negative: RoundWait %v, RoundBytes %d, PaceBytes %d, StepBytesMax %d, PendingBytesMax %d, ClientsMax %d",
			o.RoundWait, o.RoundBytes, o.PaceBytes, o.StepBytesMax, o.PendingBytesMax, o.ClientsMax)
	}
	if err := o.Group.Validate(); err != nil {
		return o, err
	}
	if o.Workers > wal.StreamsMax {
		return o, fmt.Errorf("shard: %d workers, at most %d are allowed", o.Workers, wal.StreamsMax)
	}
	if o.Arena == nil || o.Workers < 1 || o.ReplayParallel < 1 {
		return o, fmt.Errorf("shard: an arena and at least one worker are required; there are %d workers", o.Workers)
	}
	return o, nil
}
