package wal

import "github.com/godwitdb/godwit/internal/hlc"

// Split cuts a round of data of Gather into rounds whose payloads have no more than
// bytesMax bytes each, in the order in which they have to follow on each other: what has
// to fit into a message. A record that is larger is in parts (RoundPart). before is the
// watermark of the round before. All of them but the last one keep it, because records at
// or below the round's own one are still to come. The payloads of more than one are
// copies.
func (r *Round) Split(bytesMax int, before hlc.Timestamp) ([]Round, error) {
	if len(r.Payload) <= bytesMax {
		return []Round{*r}, nil
	}
	batches, err := openPayload(r.Payload)
	if err != nil {
		return nil, err
	}
	s := splitting{bytesMax: bytesMax - payloadHeaderBytes}
	for i := range batches {
		if err := s.add(&batches[i]); err != nil {
			return nil, err
		}
	}
	s.cut()
	for i := range s.rounds {
		s.rounds[i].Watermark = before
	}
	last := &s.rounds[len(s.rounds)-1]
	last.Watermark, last.Last = r.Watermark, r.Last
	return s.rounds, nil
}

// splitting is a round that is being cut.
type splitting struct {
	rounds   []Round
	batches  []Batch // of the next one
	bytes    int     // of these and their headers
	bytesMax int
}

// add adds a stream's batch, record by record.
func (s *splitting) add(b *Batch) error {
	r := b.Read()
	from := 0 // of what is not in a round yet
	part := Batch{Stream: b.Stream, to: b.to}
	put := func() {
		if part.Records > 0 {
			part.data = b.data[from:r.at]
			s.batches = append(s.batches, part)
			from = r.at
		}
		part = Batch{Stream: b.Stream, to: b.to}
	}
	s.bytes += batchHeaderBytes
	for r.Next() {
		bytes := r.next - r.at
		if s.bytes+bytes > s.bytesMax && len(s.batches)+part.Records > 0 {
			put()
			s.cut()
			s.bytes = batchHeaderBytes
		}
		if part.Records++; part.Records == 1 {
			part.First = r.ts
		}
		part.Last, part.Closed = r.ts, r.ts
		s.bytes += bytes
	}
	r.at = len(b.data)
	part.Closed = b.Closed
	put()
	return r.err
}

// cut makes a round of what there is.
func (s *splitting) cut() {
	if len(s.batches) == 0 {
		return
	}
	var bytes int64
	for i := range s.batches {
		bytes += int64(len(s.batches[i].data))
	}
	payload, closed, _ := encodePayload(s.batches, bytes)
	round := Round{Kind: RoundData, Last: closed, Payload: payload}
	for most := s.bytesMax + payloadHeaderBytes; len(round.Payload) > most; {
		s.rounds = append(s.rounds, Round{Kind: RoundPart, Last: closed, Payload: round.Payload[:most:most]})
		round.Kind, round.Payload = RoundLastPart, round.Payload[most:]
	}
	s.rounds = append(s.rounds, round)
	s.batches, s.bytes = s.batches[:0], 0
}
