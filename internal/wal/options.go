package wal

import (
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// Defaults of Options.
const (
	SegmentBytesDefault    = 64 << 20
	PendingBytesMaxDefault = 64 << 20
	RoundBytesDefault      = 1 << 20
	RoundIntervalDefault   = 5 * time.Millisecond
	SparesMaxDefault       = 4
)

const (
	// segmentBytesMin keeps room for the segment's header and a few rounds.
	segmentBytesMin = 8 * blockBytes
	// unsyncedBytesMax is how much a log that is synced in the background writes
	// before it syncs ahead of time: a sync of more would hold up the rounds
	// behind it until workers are throttled.
	unsyncedBytesMax = 16 << 20
	// retryInterval is how long to wait before trying again to prepare a
	// segment, retriesMax how often anything but a full disk is tried again.
	retryInterval = 100 * time.Millisecond
	retriesMax    = 10
)

// Options say where a log is and how it works. FS, Clock, HLC, Rand, Dir, Reach
// and Streams are required; zero stands for the default elsewhere.
type Options struct {
	FS    env.FS
	Clock env.Clock
	// Rand draws what tells the lives of a recycled segment apart.
	Rand env.Rand
	// HLC is the clock that transactions take their timestamps from.
	HLC *hlc.Clock
	// Dir is the folder of the segments. Its parent exists and is synced by Open.
	Dir string
	// Reach is the name of the file that CreateReach has made, outside of Dir.
	Reach string
	// ID is the database that the log belongs to.
	ID DatabaseID
	// Streams are those of NewStreams. They may hold records already.
	Streams []*Stream

	// SegmentBytes is the size of a segment. One that has to hold a larger round
	// is larger.
	SegmentBytes int64
	// SparesMax is how many segments that are not needed any more are kept to be
	// used again; 0 stands for the default, less for none.
	SparesMax int
	// SyncInterval is 0 if every round is synced before it counts as durable.
	// Otherwise rounds are written at once and synced every SyncInterval. A power
	// loss can take what was appended in a SyncInterval and a sync, or in two syncs
	// if those take longer, or in SyncInterval and StallMax if the disk stalls.
	SyncInterval time.Duration
	// With a SyncInterval, a round is written RoundInterval after its first
	// record, or when RoundBytes are pending.
	RoundInterval time.Duration
	RoundBytes    int64
	// PendingBytesMax is how many bytes may wait to be written before Throttle
	// holds workers up.
	PendingBytesMax int64

	// Reserve, if not nil, returns how much of the disk has to be left free for what
	// makes the log smaller. The disk counts as full when a new segment would not leave
	// that, if there are segments to be rid of; and no file is kept to be used
	// again. It is called by any goroutine and must not call the log.
	Reserve func() int64

	// OnDurable is called by the flusher after Durable has moved, OnFailure once
	// if the log fails. They must not block and not call the log, but for Durable
	// and Stats.
	OnDurable func(hlc.Timestamp)
	OnFailure func(error)
	// OnSync is called by the flusher after every sync of rounds, with the time it
	// took and the bytes that it made durable. It must not block.
	OnSync func(took time.Duration, bytes int64)
}

// withDefaults fills in defaults and returns what is wrong with the rest.
func (o Options) withDefaults() (Options, error) {
	orDefault(&o.SegmentBytes, SegmentBytesDefault)
	orDefault(&o.SparesMax, SparesMaxDefault)
	orDefault(&o.RoundInterval, RoundIntervalDefault)
	orDefault(&o.RoundBytes, RoundBytesDefault)
	orDefault(&o.PendingBytesMax, PendingBytesMaxDefault)
	o.SegmentBytes = roundUp(o.SegmentBytes)
	switch {
	case o.FS == nil || o.Clock == nil || o.Rand == nil || o.HLC == nil || o.Dir == "" || o.Reach == "":
		return o, errors.New("wal: FS, Clock, Rand, HLC, Dir and Reach are required")
	case len(o.Streams) == 0 || len(o.Streams) > StreamsMax:
		return o, fmt.Errorf("wal: %d streams, allowed are 1 to %d", len(o.Streams), StreamsMax)
	case o.SegmentBytes < segmentBytesMin:
		return o, fmt.Errorf("wal: SegmentBytes is %d, the least is %d", o.SegmentBytes, segmentBytesMin)
	case o.SyncInterval < 0 || o.RoundInterval < 0 || o.RoundBytes < 0 || o.PendingBytesMax < 0:
		return o, errors.New("wal: intervals and sizes are not negative")
	}
	for i, s := range o.Streams {
		if s.id != StreamID(i) {
			return o, fmt.Errorf("wal: stream %d is in the place of stream %d", s.id, i)
		}
	}
	return o, nil
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
