package shard

import (
	"encoding/json"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
)

// groupBase is where a checkpoint stands in the group's log, and who belongs to the group
// there. All records of the rounds up to it are in the checkpoint or were dropped, and
// the log behind it, which may begin earlier, makes the checkpoint newer.
type groupBase struct {
	wal.Base
	Members stream.Members
}

func (b *groupBase) encode() (string, error) {
	text, err := json.Marshal(b)
	return string(text), err
}

func decodeGroupBase(file, text string) (groupBase, error) {
	var b groupBase
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return b, dberr.Corrupt(file, 0, "the checkpoint is not one of a replica group: %v", err)
	}
	if b.Watermark > b.Last || b.Last > hlc.Max || (b.Number == 0) != (b.Epoch == 0) {
		return b, dberr.Corrupt(file, 0, "a checkpoint behind round %d of epoch %d, watermark %d, last timestamp %d", b.Number, b.Epoch, b.Watermark, b.Last)
	}
	return b, nil
}

// bases are rounds that checkpoints may be based on, oldest first. The first one is the
// newest of which everything is released, or the one before all.
type bases struct {
	list []wal.Base
}

// add adds a round that is durable. released is up to where everything is there.
func (b *bases) add(r *wal.Round, released hlc.Timestamp) {
	if n := len(b.list); n > 0 && r.Number <= b.list[n-1].Number {
		return
	}
	b.list = append(b.list, wal.Base{Number: r.Number, Epoch: r.Epoch, Watermark: r.Watermark, Last: r.Last})
	b.trim(released)
}

// trim forgets the rounds before the newest one of which everything is released.
func (b *bases) trim(released hlc.Timestamp) {
	// A round may end before an earlier piece of the same gathering does; what an ended epoch
	// has left above its final watermark is dropped.
	over := func(n int) bool { return b.list[n].Last <= released || b.list[n+1].Epoch > b.list[n].Epoch }
	n := 0
	for n+1 < len(b.list) && b.list[n+1].Last <= released && over(n) {
		n++
	}
	b.list = b.list[n:]
}

// first returns the newest round that everything up to released makes superfluous.
func (b *bases) first(released hlc.Timestamp) (wal.Base, error) {
	if len(b.list) == 0 || b.list[0].Last > released {
		return wal.Base{}, fmt.Errorf("shard: there is nothing to make a checkpoint of yet")
	}
	return b.list[0], nil
}
