package wal

import (
	"encoding/binary"
	"fmt"

	"github.com/godwitdb/godwit/internal/hlc"
)

// The payload of a round of data stands for itself, on its way to other members:
//
//	0 batches u32   4 checksum u32 of the batch headers
//
// then batch headers and records as in a round on the disk, where the header of the
// round has these eight bytes instead.
const payloadHeaderBytes = 8

// decodeTable decodes batch headers whose checksum is right. recordBytes is how much
// there is of records.
func decodeTable(batches []batchHeader, table []byte, recordBytes int64) ([]batchHeader, *FormatError) {
	left := recordBytes
	for at := 0; at < len(table); at += batchHeaderBytes {
		h, reason := decodeBatchHeader(table[at:])
		switch n := len(batches); {
		case reason != "":
		case n > 0 && h.stream <= batches[n-1].stream:
			reason = fmt.Sprintf("a batch of stream %d after one of stream %d", h.stream, batches[n-1].stream)
		case h.bytes > left:
			reason = fmt.Sprintf("a batch of %d bytes where %d are left", h.bytes, left)
		}
		if reason != "" {
			return batches, &FormatError{Offset: at, Reason: reason}
		}
		left -= h.bytes
		batches = append(batches, h)
	}
	if left != 0 {
		return batches, &FormatError{Offset: len(table), Reason: fmt.Sprintf("%d bytes belong to no batch", left)}
	}
	return batches, nil
}

// encodeTable encodes the headers of batches into b and returns the largest timestamp
// that one of them has closed, and that a record has.
func encodeTable(b []byte, batches []Batch) (closed, newest hlc.Timestamp) {
	for i := range batches {
		p := &batches[i]
		h := batchHeader{
			stream: p.Stream, records: uint32(p.Records), bytes: int64(len(p.data)),
			first: p.First, last: p.Last, closed: p.Closed, crc: checksum(0, p.data),
		}
		h.put(b[i*batchHeaderBytes:])
		closed, newest = max(closed, p.Closed), max(newest, p.Last)
	}
	return closed, newest
}

// encodePayload puts batches together.
func encodePayload(batches []Batch, recordBytes int64) (p []byte, closed, newest hlc.Timestamp) {
	if len(batches) == 0 {
		return nil, 0, 0
	}
	tableEnd := payloadHeaderBytes + len(batches)*batchHeaderBytes
	p = make([]byte, tableEnd, int64(tableEnd)+recordBytes)
	closed, newest = encodeTable(p[payloadHeaderBytes:], batches)
	putPayloadHeader(p, len(batches), checksum(0, p[payloadHeaderBytes:]))
	for i := range batches {
		p = append(p, batches[i].data...)
	}
	return p, closed, newest
}

func putPayloadHeader(p []byte, batches int, tableCRC uint32) {
	binary.LittleEndian.PutUint32(p, uint32(batches))
	binary.LittleEndian.PutUint32(p[4:], tableCRC)
}

// payloadHeader reads what a payload begins with.
func payloadHeader(p []byte) (batches int, tableCRC uint32, err error) {
	if len(p) == 0 {
		return 0, 0, nil
	}
	if len(p) < payloadHeaderBytes {
		return 0, 0, &FormatError{Reason: fmt.Sprintf("%d bytes are too few for a payload", len(p))}
	}
	batches = int(binary.LittleEndian.Uint32(p))
	if batches == 0 || batches > StreamsMax || payloadHeaderBytes+batches*batchHeaderBytes > len(p) {
		return 0, 0, &FormatError{Reason: fmt.Sprintf("a payload of %d batches in %d bytes", batches, len(p))}
	}
	return batches, binary.LittleEndian.Uint32(p[4:]), nil
}

// openPayload takes a payload apart and verifies its checksums.
func openPayload(p []byte) ([]Batch, error) {
	n, tableCRC, err := payloadHeader(p)
	if n == 0 || err != nil {
		return nil, err
	}
	at := payloadHeaderBytes + n*batchHeaderBytes
	table := p[payloadHeaderBytes:at]
	if crc := checksum(0, table); crc != tableCRC {
		return nil, &FormatError{Reason: fmt.Sprintf("checksum of the batch headers is %08x, stored is %08x", crc, tableCRC)}
	}
	headers, bad := decodeTable(make([]batchHeader, 0, n), table, int64(len(p)-at))
	if bad != nil {
		bad.Offset += payloadHeaderBytes
		return nil, bad
	}
	batches := make([]Batch, n)
	for i := range headers {
		h, end := &headers[i], at+int(headers[i].bytes)
		data := p[at:end:end]
		if crc := checksum(0, data); crc != h.crc {
			return nil, &FormatError{Offset: at, Reason: fmt.Sprintf("checksum of the records of stream %d is %08x, stored is %08x", h.stream, crc, h.crc)}
		}
		batches[i] = Batch{Stream: h.stream, Closed: h.closed, First: h.first, Last: h.last, Records: int(h.records), data: data, to: hlc.Max}
		at = end
	}
	return batches, nil
}

// SplitPayload takes the payload of a round of data apart into the batches of its
// streams, which point into it. It trusts nothing: an error (a *FormatError) says what
// is not as Gather makes it. Without one, all records can be read.
func SplitPayload(p []byte) ([]Batch, error) {
	batches, err := openPayload(p)
	if err != nil {
		return nil, err
	}
	at := payloadHeaderBytes + len(batches)*batchHeaderBytes
	for i := range batches {
		if _, err := batches[i].validate(); err != nil {
			return nil, shift(err, at)
		}
		at += len(batches[i].data)
	}
	return batches, nil
}

// UpTo makes readers of the batch show no record above ts: what is above an epoch's
// final watermark is dropped.
func (b *Batch) UpTo(ts hlc.Timestamp) { b.to = min(b.to, ts) }
