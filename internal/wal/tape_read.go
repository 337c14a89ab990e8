package wal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
)

// Read returns rounds from one on, at least one and then as many as have bytesMax of
// payloads together; none if the log ends before it. They are the caller's. It returns
// ErrDiscarded if the round is not there any more, and a *DamagedError if it, or the
// first of them, is not what was written.
func (t *Tape) Read(from RoundNumber, bytesMax int) ([]Round, error) {
	t.reading.RLock()
	defer t.reading.RUnlock()
	entries, err := t.find(from, int64(bytesMax))
	if err != nil {
		return nil, err
	}
	rounds := make([]Round, 0, len(entries))
	for len(rounds) < len(entries) {
		n := len(rounds)
		if rounds, err = t.readSegment(rounds, from+RoundNumber(n), entries[n:]); err != nil {
			break
		}
	}
	if len(rounds) == 0 {
		return nil, err
	}
	return rounds, nil // if the next one is not good, the next Read tells
}

// find returns the entries that Read reads. They are copies: what is on the disk stays,
// but they may be replaced meanwhile.
func (t *Tape) find(from RoundNumber, bytesMax int64) ([]tapeEntry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table := &t.mu.table
	if from <= table.base.Number {
		return nil, fmt.Errorf("%w: round %d, the log begins behind round %d", ErrDiscarded, from, table.base.Number)
	}
	var entries []tapeEntry
	for e := table.entry(from); e != nil && e.number <= t.mu.written; e = table.entry(from + RoundNumber(len(entries))) {
		bytesMax -= e.payloadBytes()
		if len(entries) > 0 && bytesMax < 0 {
			break
		}
		entries = append(entries, *e)
	}
	return entries, nil
}

// readSegment reads and verifies rounds from n on, as many as are in one segment.
func (t *Tape) readSegment(rounds []Round, n RoundNumber, entries []tapeEntry) ([]Round, error) {
	if e := &entries[0]; e.damage != nil {
		return rounds, &DamagedError{From: n, To: n, Err: e.damage}
	}
	s, total := entries[0].segment, int64(0)
	for i := range entries {
		if entries[i].segment != s || entries[i].damage != nil {
			entries = entries[:i]
			break
		}
		total += roundUp(entries[i].bytes)
	}
	f, err := t.opt.FS.OpenRead(s.name)
	if err != nil {
		return rounds, err
	}
	defer f.Close()
	r := newRoundReader(f, s.name, &s.header, s.size, t.pool)
	defer r.close()
	r.ahead = min(r.ahead, total)
	for i := range entries {
		e := &entries[i]
		payload, err := r.readEntry(n, e)
		if errors.Is(err, dberr.ErrCorrupt) {
			err = &DamagedError{From: n, To: n, Err: plain(err)}
		}
		if err != nil {
			return rounds, err
		}
		rounds = append(rounds, Round{Number: n, Epoch: e.epoch, Kind: e.kind, Watermark: e.watermark, Last: e.last, Payload: payload})
		n++
	}
	return rounds, nil
}

// readEntry reads and verifies a round, and returns a copy of its payload.
func (r *roundReader) readEntry(n RoundNumber, e *tapeEntry) ([]byte, error) {
	r.seek(n, e)
	if err := r.readHeader(); err != nil {
		return nil, err
	}
	h := &r.header
	if h.epoch != e.epoch || h.kind != e.kind || h.bytes != e.bytes || h.watermark != e.watermark || h.last != e.last {
		return nil, dberr.Corrupt(r.name, r.offset, "round %d is not the one that was found when the log was opened", h.number)
	}
	if err := r.intact(); err != nil || h.bytes == roundHeaderBytes {
		return nil, err
	}
	if h.kind != RoundData {
		return bytes.Clone(r.data[roundHeaderBytes:]), nil
	}
	p := bytes.Clone(r.data[roundHeaderBytes-payloadHeaderBytes:]) // the payload's stands in that of the round
	putPayloadHeader(p, h.batches, h.tableCRC)
	return p, nil
}
