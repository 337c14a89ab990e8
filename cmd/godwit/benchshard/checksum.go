package benchshard

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/godwitdb/godwit/internal/occ"
)

// Checksum is of all that is in some tables, in whatever order they hold it.
type Checksum struct {
	Tables, Rows int
	Sum          uint64
}

func (c Checksum) String() string {
	return fmt.Sprintf("%d rows in %d tables, checksum %016x", c.Rows, c.Tables, c.Sum)
}

// Checksum reads everything.
func (s *Snapshot) Checksum(ctx context.Context) (Checksum, error) {
	var c Checksum
	for _, t := range s.engine.Tables() {
		before := c.Rows
		if err := s.add(ctx, &c, t); err != nil {
			return c, fmt.Errorf("table %d: %w", t.ID().Number(), err)
		}
		if c.Rows > before {
			c.Tables++ // one without a row is not known everywhere
		}
	}
	return c, nil
}

func (s *Snapshot) add(ctx context.Context, c *Checksum, t *occ.Table) error {
	x, err := s.snapshot.Begin(ctx)
	if err != nil {
		return err
	}
	defer x.End()
	h := fnv.New64a()
	if t.Ordered() {
		return x.EachOrdered(t, func(key, value []byte) error {
			c.Rows++
			c.Sum += rowSum(h, t.ID(), key, value)
			return ctx.Err()
		})
	}
	seen := map[string]struct{}{} // a key may be shown twice
	return x.EachHashed(t, func(key, value []byte) error {
		if _, twice := seen[string(key)]; !twice {
			seen[string(key)] = struct{}{}
			c.Rows++
			c.Sum += rowSum(h, t.ID(), key, value)
		}
		return ctx.Err()
	})
}

func rowSum(h hash.Hash64, t occ.TableID, key, value []byte) uint64 {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], uint32(t))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(key)))
	h.Reset()
	for _, b := range [][]byte{head[:], key, value} {
		_, _ = h.Write(b) // a hash takes everything
	}
	return h.Sum64()
}
