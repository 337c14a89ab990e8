package shard

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// FirstBase returns the attachment of a checkpoint at ts that a new group begins with, of
// which a node is the only member.
func FirstBase(node quorum.NodeID, ts hlc.Timestamp) (string, error) {
	b := groupBase{Base: wal.Base{Number: 1, Epoch: 1, Watermark: ts, Last: ts}, Members: stream.Members{Voters: []quorum.NodeID{node}}}
	return b.encode()
}

// Adopt makes the folder of an embedded database a replica's. Its newest checkpoint, at
// from, has everything, and the attachment of FirstBase. Interrupted, it is still an embedded
// database's.
func Adopt(f *folder.Folder, id Identity, from hlc.Timestamp, rand env.Rand) error {
	// First nothing of the log is needed any more, then it goes; a replica's begins anew.
	if err := wal.ReplaceReach(f.FS, f.Path(folder.Reach), id.Cluster, wal.Reach{Start: from}); err != nil {
		return err
	}
	names, err := f.FS.List(f.Path(folder.Log))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, n := range names { // oldest first: what is left is a log
		if err := f.FS.Remove(filepath.Join(f.Path(folder.Log), n)); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		if err := f.FS.SyncDir(f.Path(folder.Log)); err != nil {
			return err
		}
	}
	if err := wal.CreateBallot(f.FS, f.Path(folder.Ballot), id.Cluster, rand); err != nil {
		return err
	}
	return f.Name(folder.Identity{ID: id.Cluster, Node: uint32(id.Node)})
}
