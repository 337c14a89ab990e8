package wal

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
)

// RoundKind says what a round of a group's log is.
type RoundKind uint8

// The kinds of rounds.
const (
	RoundData    RoundKind = 1 // records of transactions
	RoundOpen    RoundKind = 2 // the epoch-open barrier: the first round of a leader
	RoundMembers RoundKind = 3 // who belongs to the group from now on
	// The payload of a round of data that is too large for a message is spread over rounds:
	// RoundPart has a piece of it, and RoundLastPart its end.
	RoundPart     RoundKind = 4
	RoundLastPart RoundKind = 5
)

// String returns the kind's name.
func (k RoundKind) String() string {
	switch k {
	case RoundData:
		return "data"
	case RoundOpen:
		return "open"
	case RoundMembers:
		return "members"
	case RoundPart:
		return "part"
	case RoundLastPart:
		return "last part"
	}
	return fmt.Sprintf("RoundKind(%d)", uint8(k))
}

// Known tells whether there is such a kind.
func (k RoundKind) Known() bool { return k >= RoundData && k <= RoundLastPart }

// Round is an entry of a replica group's log: what all streams had at one time.
type Round struct {
	Number RoundNumber // its place in the log, from 1 without gaps
	Epoch  Epoch       // of the leader that made it
	Kind   RoundKind
	// Watermark: no later record of this epoch is at or below it. 0 in a barrier; it does
	// not go back within an epoch.
	Watermark hlc.Timestamp
	// Last is the largest timestamp in the round, of a record or one that was closed.
	Last hlc.Timestamp
	// Payload is what SplitPayload takes apart in RoundData, or a part of that, and what
	// the group says otherwise. nil if a round of data has no records.
	Payload []byte
	// batches is what SplitPayload has made of it, nil if nobody has asked.
	batches []Batch
}

// Batches is SplitPayload of a round of data, done once: copies of a round that was
// verified have the result, which nobody changes.
func (r *Round) Batches() ([]Batch, error) {
	if r.batches == nil {
		var err error
		if r.batches, err = SplitPayload(r.Payload); err != nil {
			return nil, err
		}
	}
	return r.batches, nil
}

// Base is what a log goes on behind: the round that would be before its first one.
// The zero Base is that of a log that begins with round 1.
type Base struct {
	Number    RoundNumber
	Epoch     Epoch
	Watermark hlc.Timestamp // of that round
	Last      hlc.Timestamp // likewise
}
