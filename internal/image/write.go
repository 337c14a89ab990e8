package image

import (
	"context"
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/occ"
)

// partBytesMax is where a checkpoint goes on in a new part: parts are loaded
// in parallel.
const partBytesMax = 64 << 20

// Table is a table and what it is called.
type Table struct {
	Name string
	In   *occ.Table
}

// Describe returns the directory of tables.
func Describe(tables []Table) []checkpoint.Table {
	out := make([]checkpoint.Table, len(tables))
	for i, t := range tables {
		kind := KindHashed
		if t.In.Ordered() {
			kind = KindOrdered
		}
		out[i] = checkpoint.Table{ID: checkpoint.TableID(t.In.ID()), Name: t.Name, Kind: kind}
	}
	return out
}

// The kinds of tables in a directory.
const (
	KindOrdered checkpoint.TableKind = 1
	KindHashed  checkpoint.TableKind = 2
)

// Write writes the tables, as the snapshot shows them, into a checkpoint's parts and
// publishes it. After an error the checkpoint is given up.
func Write(ctx context.Context, b *checkpoint.Builder, snap *occ.Snapshot, tables []Table, created func() time.Time) (checkpoint.Manifest, error) {
	to := &parts{builder: b}
	if err := Walk(ctx, snap, tables, to); err != nil {
		to.abort()
		return checkpoint.Manifest{}, errors.Join(err, b.Abort())
	}
	if err := to.close(); err != nil {
		return checkpoint.Manifest{}, errors.Join(err, b.Abort())
	}
	m, err := b.Publish(created())
	if err != nil {
		return m, errors.Join(err, b.Abort())
	}
	return m, nil
}

// Sink takes the entries of a snapshot, table after table.
type Sink interface {
	BeginTable(id checkpoint.TableID) error
	Add(key, value []byte) error
}

// Walk shows all entries of the tables as of the snapshot.
func Walk(ctx context.Context, snap *occ.Snapshot, tables []Table, to Sink) error {
	for _, t := range tables {
		if err := to.BeginTable(checkpoint.TableID(t.In.ID())); err != nil {
			return err
		}
		if err := WalkTable(ctx, snap, t.In, to.Add); err != nil {
			return err
		}
	}
	return nil
}

// WalkTable shows all entries of a table as of the snapshot.
func WalkTable(ctx context.Context, snap *occ.Snapshot, t *occ.Table, add func(key, value []byte) error) error {
	tx, err := snap.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.End()
	if t.Ordered() {
		return tx.EachOrdered(t, add)
	}
	return tx.EachHashed(t, add)
}

// parts writes a checkpoint's parts one after the other.
type parts struct {
	builder *checkpoint.Builder
	current *checkpoint.PartWriter
	table   checkpoint.TableID
}

// BeginTable implements Sink.
func (p *parts) BeginTable(id checkpoint.TableID) error {
	p.table = id
	if p.current == nil {
		return p.next()
	}
	return p.current.BeginTable(id)
}

// Add implements Sink.
func (p *parts) Add(key, value []byte) error {
	if p.current.Progress().Bytes >= partBytesMax {
		if err := p.next(); err != nil {
			return err
		}
	}
	return p.current.Add(key, value)
}

func (p *parts) next() error {
	if err := p.close(); err != nil {
		return err
	}
	part, err := p.builder.NewPart()
	if err != nil {
		return err
	}
	p.current = part
	return part.BeginTable(p.table)
}

func (p *parts) close() error {
	if p.current == nil {
		return nil
	}
	part := p.current
	p.current = nil
	return part.Close()
}

func (p *parts) abort() {
	if p.current != nil {
		p.current.Abort()
	}
}
