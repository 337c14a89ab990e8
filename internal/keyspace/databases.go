package keyspace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit"
)

// generation is a set of keys that is the contents of a database until that is flushed, when the database gets a new
// one, which is empty. So a flush writes one record, however many keys there are, and is part of a transaction
// as any other write. What was flushed is collected later. It is never used again.
type generation uint32

// ErrTooManyFlushes says that there are no more generations: 2^32 of them were used.
var ErrTooManyFlushes = errors.New("ERR databases were flushed too often")

// generationBytes is the length of a generation in names.
const generationBytes = 4

func (g generation) appendTo(dst []byte) []byte { return binary.BigEndian.AppendUint32(dst, uint32(g)) }

// generations is the record that says what databases contain. Every transaction reads it. If it is
// missing, nothing was flushed or swapped yet.
//
//	16 * 4  the generations of the databases, big-endian
//	4       the next one that is new
type generations struct {
	loaded bool // by the attempt at hand
	of     [Databases]generation
	next   generation
}

const generationsBytes = (Databases + 1) * generationBytes

// generation returns what a database contains.
func (t *Tx) generation(db int) (generation, error) {
	if g := &t.generations; g.loaded {
		return g.of[db], nil
	}
	return t.loadGeneration(db)
}

func (t *Tx) loadGeneration(db int) (generation, error) {
	g := &t.generations
	v, err := t.in.Get(t.Space.meta, []byte{metaGenerations})
	switch {
	case errors.Is(err, godwit.ErrNotFound):
		for i := range g.of {
			g.of[i] = generation(i) //nolint:gosec // below Databases
		}
		g.next = Databases
	case err != nil:
		return 0, err
	case len(v) != generationsBytes:
		return 0, fmt.Errorf("%w: the generations have %d bytes", ErrCorrupt, len(v))
	default:
		for i := range g.of {
			g.of[i] = generation(binary.BigEndian.Uint32(v[i*generationBytes:]))
		}
		g.next = generation(binary.BigEndian.Uint32(v[Databases*generationBytes:]))
	}
	g.loaded = true
	return g.of[db], nil
}

func (t *Tx) saveGenerations() error {
	t.value = t.value[:0]
	for _, g := range t.generations.of {
		t.value = g.appendTo(t.value)
	}
	t.value = t.generations.next.appendTo(t.value)
	t.Writes++
	return t.in.Put(t.Space.meta, []byte{metaGenerations}, t.value)
}

// Flush removes all keys of a database.
func (t *Tx) Flush(db int) error {
	old, err := t.generation(db)
	if err != nil {
		return err
	}
	t.Changes = append(t.Changes, Change{DB: db, All: true})
	prefix := old.appendTo(nil)
	empty := true
	for range t.in.Scan(t.Space.keys, godwit.Range{From: prefix, To: (old + 1).appendTo(nil), Limit: 1}) {
		empty = false
	}
	if empty {
		return nil
	}
	if err := t.in.Put(t.Space.meta, append([]byte{metaFlushed}, prefix...), nil); err != nil {
		return err
	}
	g := &t.generations
	if g.next+1 == 0 {
		return ErrTooManyFlushes
	}
	g.of[db] = g.next
	g.next++
	return t.saveGenerations()
}

// Swap exchanges what two databases contain.
func (t *Tx) Swap(a, b int) error {
	if _, err := t.generation(a); err != nil {
		return err
	}
	g := &t.generations
	g.of[a], g.of[b] = g.of[b], g.of[a]
	t.Changes = append(t.Changes, Change{DB: a, Ready: true, All: true}, Change{DB: b, Ready: true, All: true})
	return t.saveGenerations()
}

// database returns which database a generation is the contents of; ok is false if it was flushed.
func (t *Tx) database(g generation) (db int, ok bool, err error) {
	if _, err := t.generation(0); err != nil {
		return 0, false, err
	}
	for db, of := range t.generations.of {
		if of == g {
			return db, true, nil
		}
	}
	return 0, false, nil
}

// collectFlushed deletes keys that were flushed, those of one transaction, and tells whether there may be more.
func (s *Space) collectFlushed(ctx context.Context, db *godwit.DB) (more bool, err error) {
	err = db.Update(ctx, func(in *godwit.Tx) error {
		more = false
		t := Tx{Space: s}
		t.Begin(in, 0)
		for name := range in.Scan(s.meta, godwit.Range{From: []byte{metaFlushed}, To: []byte{metaFlushed + 1}, Limit: 1}) {
			if len(name) != 1+generationBytes {
				return fmt.Errorf("%w: a flushed generation of %d bytes", ErrCorrupt, len(name))
			}
			more = true
			g := generation(binary.BigEndian.Uint32(name[1:]))
			name = append([]byte(nil), name...)
			n, err := t.removeAll(g, collectAtOnce)
			if err != nil {
				return err
			}
			if n > 0 {
				return t.End()
			}
			return in.Delete(s.meta, name)
		}
		return nil
	})
	return more, err
}

// removeAll removes keys of a generation that was flushed, at most limit, and returns how many. When
// none are left it removes their counters.
func (t *Tx) removeAll(g generation, limit int) (n int, err error) {
	var names [][]byte
	for name := range t.in.Scan(t.Space.keys, godwit.Range{From: g.appendTo(nil), To: (g + 1).appendTo(nil), Limit: limit}) {
		if len(name) < keyPrefixBytes {
			return 0, fmt.Errorf("%w: a name of %d bytes", ErrCorrupt, len(name))
		}
		names = append(names, append([]byte(nil), name[keyPrefixBytes:]...))
	}
	for _, name := range names {
		if t.held > collectHeldBytes {
			break
		}
		k, err := t.lookup(place{generation: g}, name)
		if err != nil {
			return n, err
		}
		if err := k.remove(); err != nil {
			return n, err
		}
		n++
	}
	if n > 0 {
		return n, nil
	}
	for stripe := range countStripes {
		if err := t.in.Delete(t.Space.meta, t.countName(g, stripe)); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// Garbage counts large values that were removed and databases that were flushed whose memory is not free yet, up to a limit.
func (t *Tx) Garbage(limit int) (n int, err error) {
	for _, kind := range []byte{metaGarbage, metaFlushed} {
		for range t.in.Scan(t.Space.meta, godwit.Range{From: []byte{kind}, To: []byte{kind + 1}, Limit: limit - n}) {
			n++
		}
		if err := t.in.Err(); err != nil || n == limit {
			return n, err
		}
	}
	return n, nil
}
