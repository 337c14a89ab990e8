package stream

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Durability is what a member has done with a round that it acknowledges.
type Durability uint8

// The durabilities.
const (
	Disk Durability = iota // it has synced it
	// Memory: it has received it, and its disk follows. After a restart for which
	// it has not retired the member does not vote before it has caught up; so a group of which
	// a majority is killed at one time waits until somebody says GiveUpLost.
	Memory
)

// Options are a member's. Zero values stand for defaults.
type Options struct {
	// Contents is what is on the tape, and Ballot what the member has promised.
	Contents *wal.TapeContents
	Ballot   wal.Ballot
	// Durable is the round up to which all are known to be durable: a checkpoint has them.
	// The zero Base stands for none.
	Durable wal.Base
	// Folder is where the member keeps all this (BallotFile.Folder).
	Folder wal.FolderID
	// Members are those where the tape begins: of a new group the first ones, without
	// folders, later those that the checkpoint says. A member that is to join a group has
	// none.
	Members Members
	// Durability is the same for all members.
	Durability Durability
	// GiveUpLost makes a member vote at once after a restart: what it has acknowledged with
	// Memory, or with a log that is damaged, and lost may be lost for good.
	GiveUpLost bool
	// ElectionTimeout is how long a member does not hear from a leader at most before it
	// wants to be one. It should be four round trips at least. Default: 500 ms.
	ElectionTimeout time.Duration
	// Heartbeat is how long a leader says nothing at most. Default: a tenth of
	// ElectionTimeout.
	Heartbeat time.Duration
	// PieceBytesMax bounds the rounds of one message; one round always fits. Default:
	// 1 MiB.
	PieceBytesMax int
	// WindowRequestsMax and WindowBytesMax bound what is on its way to one follower. The
	// bytes are fewer, down to a 32nd part, when answers take longer than a quarter of
	// ElectionTimeout. Defaults: 16 requests, 16 MiB.
	WindowRequestsMax int
	WindowBytesMax    uint64
	// BacklogBytesMax bounds the rounds that are not durable. Default: 64 MiB.
	BacklogBytesMax uint64
	// TailBytesMax bounds the rounds that are kept in memory beside those that are not
	// on the own disk yet. Default: 64 MiB.
	TailBytesMax uint64
	// Lag is how long behind a request a member is told at the earliest that its rounds are
	// durable, if nothing else goes to it: under load the next rounds tell it before. Default: 0,
	// at once.
	Lag time.Duration
	// Preferred, if not 0, is the member that leads when it can.
	Preferred quorum.NodeID
	// Logf, if set, is told what the member does.
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	o.ElectionTimeout = cmp.Or(o.ElectionTimeout, 500*time.Millisecond)
	o.Heartbeat = cmp.Or(o.Heartbeat, o.ElectionTimeout/10)
	o.PieceBytesMax = cmp.Or(o.PieceBytesMax, 1<<20)
	o.WindowRequestsMax = cmp.Or(o.WindowRequestsMax, 16)
	o.WindowBytesMax = cmp.Or(o.WindowBytesMax, 16<<20)
	o.BacklogBytesMax = cmp.Or(o.BacklogBytesMax, 64<<20)
	o.TailBytesMax = cmp.Or(o.TailBytesMax, 64<<20)
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// Validate tells what is wrong with options, zero values of which stand for defaults.
func (o Options) Validate() error {
	if o.ElectionTimeout < 0 || o.Heartbeat < 0 || o.PieceBytesMax < 0 || o.WindowRequestsMax < 0 || o.Lag < 0 {
		return fmt.Errorf("stream: a bound is negative: ElectionTimeout %v, Heartbeat %v, PieceBytesMax %d, WindowRequestsMax %d, Lag %v",
			o.ElectionTimeout, o.Heartbeat, o.PieceBytesMax, o.WindowRequestsMax, o.Lag)
	}
	if d := o.withDefaults(); d.Heartbeat < time.Millisecond || d.Heartbeat > d.ElectionTimeout/2 {
		return fmt.Errorf("stream: a Heartbeat of %v with an ElectionTimeout of %v, allowed are 1ms to half of that", d.Heartbeat, d.ElectionTimeout)
	}
	all := slices.Sorted(slices.Values(o.Members.All()))
	if len(all) > 0 && all[0] == 0 || len(slices.Compact(slices.Clone(all))) != len(all) {
		return fmt.Errorf("stream: the voters %v and learners %v: each member is named once, and 0 is none", o.Members.Voters, o.Members.Learners)
	}
	if !o.Members.known() && len(o.Members.Learners) > 0 {
		return fmt.Errorf("stream: the learners %v of a new group: it has voters, and learners are added to it", o.Members.Learners)
	}
	return nil
}
