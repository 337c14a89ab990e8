package shard

import (
	"errors"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// FirstBase returns what the log of a group goes on behind if an embedded database
// becomes its only member, and the attachment that says so to its checkpoint at ts, which
// has everything: it stands for the epoch of an opening that went on behind the round
// opened.
func FirstBase(node quorum.NodeID, opened wal.Base, ts hlc.Timestamp) (base wal.Base, attachment string, err error) {
	b := groupBase{
		Base:    wal.Base{Number: opened.Number + 1, Epoch: opened.Epoch + 1, Watermark: ts, Last: ts},
		Members: stream.Members{Voters: []quorum.NodeID{node}},
	}
	attachment, err = b.encode()
	return b.Base, attachment, err
}

// Adopt makes the folder of an embedded database a replica's, whose log is the same one
// and goes on behind base. Its newest checkpoint has everything, and the attachment that
// FirstBase gives with the base. Interrupted, it is still an embedded database's.
func Adopt(f *folder.Folder, id Identity, base wal.Base, rand env.Rand) error {
	tape, _, err := wal.OpenTape(wal.TapeOptions{FS: f.FS, Rand: rand, Dir: f.Path(folder.Log), Reach: f.Path(folder.Reach), ID: id.Cluster})
	if err != nil {
		return err
	}
	if err := errors.Join(tape.Reset(base), tape.Close()); err != nil {
		return err
	}
	// It was the only voter in all epochs so far, and has what it has acknowledged.
	if err := wal.CreateBallot(f.FS, f.Path(folder.Ballot), id.Cluster, wal.Ballot{Epoch: base.Epoch}, rand); err != nil {
		return err
	}
	return f.Name(folder.Identity{ID: id.Cluster, Node: uint32(id.Node)})
}
