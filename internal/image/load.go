package image

import (
	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/occ"
)

// Load puts the checkpoint of a manifest into an engine, with one goroutine for each
// replayer. progress, if not nil, is called after each block.
func Load(fs env.FS, dir string, m *checkpoint.Manifest, engine *occ.Engine, replayers []*occ.Replayer, progress checkpoint.BlockFunc) error {
	tables := map[checkpoint.TableID]*occ.Table{}
	for _, t := range m.Tables {
		in, err := engine.AddTable(occ.TableID(t.ID))
		if err != nil {
			return err
		}
		tables[t.ID] = in
	}
	apply := func(worker int, table checkpoint.TableID, block *checkpoint.Entries) error {
		r := replayers[worker]
		r.Begin()
		defer r.End()
		for block.Next() {
			if err := r.Put(tables[table], block.Key(), block.Value(), m.Timestamp); err != nil {
				return err
			}
		}
		return block.Err()
	}
	return checkpoint.Load(fs, dir, m, len(replayers), apply, progress)
}
