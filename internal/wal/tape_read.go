package wal

import "fmt"

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
	var rounds []Round
	var f *roundFile
	var opened *segment
	defer func() {
		if f != nil {
			_ = f.file.Close() // it was read only
		}
	}()
	for i := range entries {
		e := &entries[i]
		n := from + RoundNumber(i)
		if e.damage == nil && e.segment != opened {
			if f != nil {
				_ = f.file.Close()
				f = nil
			}
			file, err := t.opt.FS.OpenRead(e.segment.name)
			if err != nil {
				return nil, err
			}
			f, opened = &roundFile{file, e.segment.name, &e.segment.header}, e.segment
		}
		r, err := f.readEntry(n, e)
		if err != nil {
			if i > 0 {
				break // those before it are good, and the next Read tells
			}
			return nil, err
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
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

// readEntry reads and verifies a round.
func (f *roundFile) readEntry(n RoundNumber, e *tapeEntry) (Round, error) {
	if e.damage != nil {
		return Round{}, &DamagedError{From: n, To: n, Err: e.damage}
	}
	h, err := f.round(e.offset, e.segment.size, e.number)
	if err == nil && (h.epoch != e.epoch || h.kind != e.kind || h.bytes != e.bytes || h.watermark != e.watermark || h.last != e.last) {
		err = torn(f.name, e.offset, "round %d is not the one that was found when the log was opened", h.number)
	}
	var payload []byte
	if err == nil {
		payload, err = f.payload(&h, e.offset)
	}
	if isTorn(err) {
		return Round{}, &DamagedError{From: n, To: n, Err: plain(err)}
	}
	if err != nil {
		return Round{}, err
	}
	return Round{Number: n, Epoch: e.epoch, Kind: e.kind, Watermark: e.watermark, Last: e.last, Payload: payload}, nil
}
