package wal

import "github.com/godwitdb/godwit/internal/hlc"

// NewBatch returns what a stream contributes to a round if data are its records, encoded,
// in the order of their timestamps. An error (a *FormatError) says why they are not.
func NewBatch(id StreamID, closed hlc.Timestamp, data []byte) (Batch, error) {
	b := Batch{Stream: id, Closed: closed, data: data, to: hlc.Max}
	r := b.Read()
	for r.Next() {
		if b.Records++; b.Records == 1 {
			b.First = r.Timestamp()
		}
		b.Last = r.Timestamp()
	}
	return b, r.Err()
}

// JoinPayload makes a payload of the batches of streams, which are in the order of their
// numbers: what SplitPayload takes apart. It is nil if there are none.
func JoinPayload(batches []Batch) []byte {
	var bytes int64
	for i := range batches {
		bytes += int64(len(batches[i].data))
	}
	payload, _, _ := encodePayload(batches, bytes)
	return payload
}
