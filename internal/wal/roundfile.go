package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// roundFile reads single rounds of a segment. It believes nothing.
type roundFile struct {
	file   env.File
	name   string
	header *segmentHeader
}

// read fills b from an offset.
func (f *roundFile) read(b []byte, at int64) error {
	switch n, err := f.file.ReadAt(b, at); {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return dberr.Corrupt(f.name, at+int64(n), "the file ends, %d bytes are missing", len(b)-n)
	default:
		return fmt.Errorf("reading %s at %d: %w", f.name, at, err)
	}
}

// round reads the header of round want at an offset, which ends before end. What a
// crash can have left is a tornError.
func (f *roundFile) round(at, end int64, want RoundNumber) (roundHeader, error) {
	b := make([]byte, roundHeaderBytes)
	if err := f.read(b, at); err != nil {
		return roundHeader{}, err
	}
	h, reason := decodeRoundHeader(b, placeIn(f.header.id, f.header.number).at(at))
	if reason == "" {
		reason = h.misfit(f.header.nonce, want, end-at)
	}
	if reason != "" {
		return h, torn(f.name, at, "%s", reason)
	}
	return h, nil
}

// payload reads and verifies the payload of a round. One that is not what was written is
// a tornError.
func (f *roundFile) payload(h *roundHeader, at int64) ([]byte, error) {
	size := int64(roundHeaderBytes)
	if h.bytes == size {
		return nil, f.verify(h, nil, at)
	}
	if h.kind == RoundData {
		size -= payloadHeaderBytes // stands in the header
	}
	p := make([]byte, h.bytes-size)
	if err := f.read(p, at+size); err != nil {
		return nil, err
	}
	if h.kind == RoundData {
		putPayloadHeader(p, h.batches, h.tableCRC)
	}
	return p, f.verify(h, p, at+size)
}

// verify checks a payload that was read at an offset.
func (f *roundFile) verify(h *roundHeader, p []byte, at int64) error {
	if h.kind != RoundData {
		if crc := checksum(0, p); crc != h.tableCRC {
			return torn(f.name, at, "checksum of the payload of round %d is %08x, stored is %08x", h.number, crc, h.tableCRC)
		}
		return nil
	}
	_, err := openPayload(p)
	var bad *FormatError
	if errors.As(err, &bad) {
		return torn(f.name, at+int64(bad.Offset), "round %d: %s", h.number, bad.Reason)
	}
	return err
}
