package shard

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/stream"
)

// setAside is the name of a manifest that was given up.
const setAside = checkpoint.ManifestFile + ".damaged"

// giveUpCheckpoint sets a checkpoint aside if it is damaged. Without it the log begins too
// late, or with round 1. In the first case the group has the replica begin anew, which the ballot
// then says, and it fetches a checkpoint; so wherever a crash comes, this goes on. members are
// those of a new group, for a checkpoint that does not say who they are.
func (f *openedFolder) giveUpCheckpoint(members stream.Members) error {
	dir := f.Path(folder.Checkpoint)
	var damage error
	c, err := checkpoint.Check(f.FS, dir, checkpoint.DatabaseID(f.id.Cluster), func(err error) { damage = errors.Join(damage, err) }, nil)
	switch {
	case err != nil:
		return err
	case damage == nil:
		return nil
	case !errors.Is(damage, dberr.ErrCorrupt):
		return damage
	}
	if base, err := decodeGroupBase(dir, c.Manifest.Attachment); err == nil {
		members = base.Members
	}
	if v := members.Voters; len(v) == 1 && v[0] == f.id.Node {
		return fmt.Errorf("nobody else has what the checkpoint of a group's only member had; restore a backup: %w", damage)
	}
	if err := f.FS.Rename(filepath.Join(dir, checkpoint.ManifestFile), filepath.Join(dir, setAside)); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}
