package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/image"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/stream"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// Disk says where a replica keeps its state.
type Disk struct {
	FS  env.FS
	Dir string
	// Identity is whose folder it is.
	Identity Identity
	// Refill gives up a checkpoint that is damaged: the replica begins anew and gets
	// another's. It is refused on the only member of a group. A checkpoint that is whole
	// stays.
	Refill bool
	// SegmentBytes is the size of the log's segments; 0 stands for the tape's default.
	SegmentBytes int64
	// OnSync, if not nil, is called after every sync of the log with the time it took, which
	// Options.Time measures, and the bytes that it made durable. It must not block.
	OnSync func(took time.Duration, bytes int64)
}

// Open makes a node a replica with the state that its folder has, which is made if
// there is none: the newest checkpoint is loaded; the log behind it is applied when the
// group says how much of it is durable. The endpoint must not listen yet. Close must
// follow when the Runtime's tasks have ended.
//
// dberr.ErrLocked: another process runs the replica. ErrForeignFolder: the folder is of
// another cluster or node. dberr.ErrNewerFormat, dberr.ErrCorrupt: as they say. Nothing was
// changed then. Damage of the log is none of these: the group repairs it from others
// (stream.Status.Damaged). The caller says in which folder it was.
func Open(ctx context.Context, e *quorum.Endpoint, d Disk, o Options) (*Replica, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	message, err := messageBytesMax(e.Options())
	if err != nil {
		return nil, err
	}
	if node := quorum.RuntimeOf(ctx).Node(); d.Identity.Node != node {
		return nil, fmt.Errorf("shard: the folder's Identity is of node %d, the runtime is node %d", d.Identity.Node, node)
	}
	rand := hostRand{quorum.RuntimeOf(ctx).Host()}
	f, err := quorum.Blocking(ctx, quorum.KindDisk, "shard open", func() (*openedFolder, error) {
		return openFolder(d, &o, rand)
	}).Wait(ctx)
	if err != nil {
		return nil, err
	}
	o.Group.Contents, o.Group.Ballot, o.Group.Folder = f.contents, f.ballot, f.ballots.Folder()
	if f.manifest != nil {
		o.Group.Durable, o.Group.Members = f.base.Base, f.base.Members
	}
	r, err := newReplica(ctx, message, o)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	r.folder = f
	if err := r.load(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if r.group, err = stream.Start(ctx, e, f.tape, f.ballots, r.options.Group); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.serveCheckpoints(e)
	return r, nil
}

const (
	// pieceBytesMax is how much of a round is replicated at once.
	pieceBytesMax = 1 << 20
	// messageRest is what there is in a message beside a record.
	messageRest = 4 << 10
)

// messageBytesMax returns how long a round's payload can be to be sent to the others: it has
// to fit into a frame, and that into an outbox beside what is on its way already.
func messageBytesMax(o quorum.Options) (int, error) {
	most := min(o.FrameBytesMax, o.OutboxBytesMax/2) - messageRest
	if most < wal.AdmitBytes {
		return 0, fmt.Errorf("shard: the endpoint's FrameBytesMax is %d and its OutboxBytesMax %d, required are %d and twice as much", o.FrameBytesMax, o.OutboxBytesMax, wal.AdmitBytes+messageRest)
	}
	return most, nil
}

// hostRand is a runtime's randomness.
type hostRand struct{ host quorum.Host }

// Uint64 implements env.Rand.
func (h hostRand) Uint64() uint64 { return h.host.Uint64() }

// load puts the checkpoint into the engine.
func (r *Replica) load(ctx context.Context) error {
	f := r.folder
	r.applier.next, r.applier.epoch, r.applier.last = f.base.Number+1, f.base.Epoch, f.contents.Last
	if f.manifest == nil {
		return nil
	}
	err := r.job(ctx, "shard load", func() error {
		replayers := make([]*occ.Replayer, len(r.applier.replayers))
		for i := range replayers {
			replayers[i] = r.engine.NewReplayer(i)
			defer replayers[i].Close()
		}
		if r.options.ReplayParallel == 1 {
			replayers = replayers[:1]
		}
		return image.Load(f.FS, f.Path(folder.Checkpoint), f.manifest, r.engine, replayers, nil)
	})
	if err == nil {
		err = r.readCatalog(ctx, f.manifest.Timestamp)
	}
	if err != nil {
		return err
	}
	r.applier.applied = f.manifest.Timestamp
	r.clock.Observe(max(f.manifest.Timestamp, r.applier.last))
	r.release(f.manifest.Timestamp)
	r.newest.Store(f.manifest)
	r.bases.list, r.kept = []wal.Base{f.base.Base}, f.base.Number
	return nil
}

// findCheckpoint reads which checkpoint there is.
func (f *openedFolder) findCheckpoint() error {
	dir := f.Path(folder.Checkpoint)
	// Whoever has published it may have been killed before that was durable. It must be before
	// the log begins behind it.
	if err := f.FS.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m, ok, err := checkpoint.Latest(f.FS, dir)
	if err != nil || !ok {
		return err
	}
	if err := m.ExpectDatabase(checkpoint.DatabaseID(f.id.Cluster)); err != nil {
		return err
	}
	if f.base, err = decodeGroupBase(dir, m.Attachment); err != nil {
		return err
	}
	f.manifest = &m
	return nil
}
