package godwit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
)

// ID returns what tells the database from all others. Opened with Options.Cluster, and this
// as Cluster.ID, an embedded database becomes the first node of a cluster. It is zero with
// DurabilityNone.
func (db *DB) ID() ClusterID {
	switch {
	case db.replica != nil:
		return db.opts.Cluster.ID
	case db.store != nil:
		return db.store.id
	}
	return ClusterID{}
}

// grow makes the folder of an embedded database, if that is what it is, that of a replica
// which is the only one of its group: all data goes into a checkpoint, behind which its log
// goes on as the group's. Whenever it is interrupted, the folder is one or the other.
func (db *DB) grow() error {
	c := db.opts.Cluster
	id, err := identityOf(db)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // whoever opens it looks at what there is
	case err != nil:
		return err
	case id.Node != 0:
		return nil
	case id.ID != c.ID:
		return fmt.Errorf("%w: it is of %v, which becomes a cluster of that id only, this is cluster %v", ErrForeignFolder, id, c.ID)
	case c.Join:
		return fmt.Errorf("%w: it is of %v; a node that joins has an empty folder and gets the data from the others", ErrForeignFolder, id)
	}
	o := db.opts
	o.Cluster, o.Durability, o.CheckpointBytes = nil, DurabilityDisk, -1
	alone := newDB(db.dir, o)
	var base wal.Base
	alone.attach = func(ts hlc.Timestamp) (attachment string, err error) {
		base, attachment, err = shard.FirstBase(c.Node, alone.log.Opened(), ts)
		return attachment, err
	}
	if err := alone.open(); err != nil {
		return err
	}
	err = alone.Checkpoint(context.Background())
	if cerr := alone.end(); err != nil || cerr != nil {
		return errors.Join(err, cerr, alone.store.Close())
	}
	db.logger.Info("an embedded database becomes a replica", "folder", db.dir, "node", c.Node)
	err = shard.Adopt(alone.store.Folder, shard.Identity{Cluster: wal.DatabaseID(c.ID), Node: c.Node}, base, env.RealRand())
	return errors.Join(err, alone.store.Close())
}

// identityOf reads what the folder is.
func identityOf(db *DB) (folder.Identity, error) {
	held, err := folder.Hold(db.opts.fs, db.dir)
	if err != nil {
		return folder.Identity{}, err
	}
	id, err := held.Identify()
	return id, errors.Join(err, held.Close())
}
