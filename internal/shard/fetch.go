package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/godwitdb/godwit/internal/checkpoint"
	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/folder"
	"github.com/godwitdb/godwit/internal/wal"
	"github.com/godwitdb/godwit/quorum"
)

// ErrRestart: a checkpoint of another replica has come in place of what this one had,
// which was too old to go on from. Open the replica again.
var ErrRestart = errors.New("shard: a newer checkpoint was fetched; open the replica again")

const (
	// pieceBytes is how much of a checkpoint goes over the network at once.
	pieceBytes = 256 << 10
	// fetchers is how many pieces are on their way at once: 80 MB in a second with a round
	// trip of 50 ms.
	fetchers = 16
	// pieceTimeout bounds the wait for one piece. It is asked for pieceAttempts times, with a
	// rest of fetchRetry between; all donors are, too.
	pieceTimeout  = 5 * time.Second
	pieceAttempts = 5
	fetchRetry    = time.Second
	// lentFor is how long after a piece has been sent the checkpoint is kept for the next one.
	lentFor = pieceAttempts * (pieceTimeout + fetchRetry)
)

// manifestReq asks for the newest checkpoint, or not to make one; pieceReq for a piece of one of its parts.
type manifestReq struct{}

func (*manifestReq) Fields(*quorum.Coder) {}

type pieceReq struct {
	folder       string
	part, offset uint64
}

func (m *pieceReq) Fields(c *quorum.Coder) {
	c.String(&m.folder)
	c.Uint(&m.part)
	c.Uint(&m.offset)
}

// bytesResp is a manifest, or a piece.
type bytesResp struct{ data []byte }

func (m *bytesResp) Fields(c *quorum.Coder) { c.Bytes(&m.data) }

func manifestMethod() quorum.Method[manifestReq, bytesResp] {
	return quorum.NewMethod[manifestReq, bytesResp](21, "shard manifest")
}

func pieceMethod() quorum.Method[pieceReq, bytesResp] {
	return quorum.NewMethod[pieceReq, bytesResp](22, "shard piece")
}

func holdMethod() quorum.Method[manifestReq, bytesResp] {
	return quorum.NewMethod[manifestReq, bytesResp](23, "shard hold")
}

// serveCheckpoints lets other replicas fetch the newest checkpoint.
func (r *Replica) serveCheckpoints(e *quorum.Endpoint) {
	f := r.folder
	manifestMethod().Handle(e, func(ctx context.Context, _ quorum.NodeID, _ *manifestReq) (*bytesResp, error) {
		r.lent = r.rt.Elapsed()
		if r.checkpointing {
			return nil, errors.New("shard: a newer checkpoint is being made")
		}
		return read(ctx, func() ([]byte, error) { return checkpoint.ReadManifest(f.FS, f.Path(folder.Checkpoint)) })
	})
	holdMethod().Handle(e, func(context.Context, quorum.NodeID, *manifestReq) (*bytesResp, error) {
		r.lent = r.rt.Elapsed()
		return &bytesResp{}, nil
	})
	pieceMethod().Handle(e, func(ctx context.Context, _ quorum.NodeID, req *pieceReq) (*bytesResp, error) {
		r.lent = r.rt.Elapsed()
		return read(ctx, func() ([]byte, error) { return f.piece(req) })
	})
	r.endpoint = e
}

func read(ctx context.Context, job func() ([]byte, error)) (*bytesResp, error) {
	data, err := quorum.Blocking(ctx, quorum.KindDisk, "shard read checkpoint", job).Wait(ctx)
	return &bytesResp{data}, err
}

// piece reads a piece of the newest checkpoint.
func (f *openedFolder) piece(req *pieceReq) ([]byte, error) {
	m, ok, err := checkpoint.Latest(f.FS, f.Path(folder.Checkpoint))
	if err != nil {
		return nil, err
	}
	if !ok || m.Folder != req.folder || req.part >= uint64(len(m.Parts)) || req.offset >= uint64(m.Parts[req.part].Bytes) {
		return nil, errors.New("shard: there is no such checkpoint any more")
	}
	file, err := f.FS.OpenRead(filepath.Join(f.Path(folder.Checkpoint), m.Folder, checkpoint.PartFile(int(req.part))))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := make([]byte, min(pieceBytes, m.Parts[req.part].Bytes-int64(req.offset)))
	_, err = file.ReadAt(b, int64(req.offset))
	return b, err
}

// fetchWhenBehind fetches a checkpoint when the group's log does not begin early enough for
// this replica, or has a round that it has to apply and nobody can read any more. It ends with
// ErrRestart.
func (r *Replica) fetchWhenBehind(ctx context.Context) error {
	for {
		seen, told, commit := r.changed.Value(), r.group.Behind().Value(), r.group.Commit().Value()
		first := r.group.First()
		if r.gone > 0 {
			first = max(first, r.gone+1)
		} else if uint64(first) <= commit+1 {
			if _, err := quorum.Select(ctx, r.group.Behind().Reached(told+1), r.changed.Reached(seen+1)); err != nil {
				return err
			}
			continue
		}
		for _, from := range r.donors() {
			err := r.fetch(ctx, from, first)
			if err == nil {
				// Nothing is lost by that restart.
				return cmp.Or(r.group.Retire(ctx), ErrRestart)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.options.Group.Logf("no checkpoint from n%d: %v", from, err)
		}
		if err := quorum.Sleep(ctx, fetchRetry); err != nil {
			return err
		}
	}
}

// donors returns whom to ask for a checkpoint: the leader last, who has most to do.
func (r *Replica) donors() []quorum.NodeID {
	s := r.group.Status()
	var donors []quorum.NodeID
	for _, id := range s.Members.All() {
		if id != r.rt.Node() && id != s.Leader {
			donors = append(donors, id)
		}
	}
	if s.Leader != 0 && s.Leader != r.rt.Node() {
		donors = append(donors, s.Leader)
	}
	return donors
}

// fetch puts another replica's newest checkpoint in place of the own one, if the leader
// can go on from where it ends: first is the first round that it can send.
func (r *Replica) fetch(ctx context.Context, from quorum.NodeID, first wal.RoundNumber) error {
	resp, err := call(ctx, manifestMethod(), r.endpoint, from, &manifestReq{})
	if err != nil {
		return err
	}
	m, err := checkpoint.ParseManifest(fmt.Sprintf("n%d's manifest", from), resp.data)
	if err != nil {
		return err
	}
	f := r.folder
	if err := m.ExpectDatabase(checkpoint.DatabaseID(f.id.Cluster)); err != nil {
		return err
	}
	base, err := decodeGroupBase("manifest", m.Attachment)
	if err != nil {
		return err
	}
	if base.Number+1 < first || m.Timestamp < r.Released() {
		return fmt.Errorf("shard: its checkpoint ends at round %d and shows timestamp %d; the leader's log begins at round %d, and %d is here already",
			base.Number, m.Timestamp, first, r.Released())
	}
	r.options.Group.Logf("fetches a checkpoint of %d bytes from n%d", m.Total().Bytes, from)
	if err := r.job(ctx, "shard incoming", f.clearIncoming); err != nil {
		return err
	}
	fetching, done := quorum.WithCancel(ctx)
	quorum.Go(fetching, "shard hold", r.hold)
	err = r.fetchParts(ctx, from, &m)
	done()
	if err != nil {
		return err
	}
	// One at a time writes in the folder of checkpoints.
	for r.checkpointing {
		if err := quorum.Sleep(ctx, checkpointLook); err != nil {
			return err
		}
	}
	r.checkpointing = true
	defer func() { r.checkpointing = false }()
	return r.job(ctx, "shard take in", func() error { return f.takeIn(&m) })
}

// hold asks whoever leads, again and again, not to discard the log that goes on behind a
// checkpoint which this replica is fetching, maybe from another.
func (r *Replica) hold(ctx context.Context) error {
	for {
		if leader := r.group.Status().Leader; leader != 0 {
			_, _ = call(ctx, holdMethod(), r.endpoint, leader, &manifestReq{}) // the next one may arrive
		}
		if err := quorum.Sleep(ctx, lentFor/4); err != nil {
			return err
		}
	}
}

// fetchParts brings the parts of a checkpoint into the folder, some pieces at a time.
func (r *Replica) fetchParts(ctx context.Context, from quorum.NodeID, m *checkpoint.Manifest) (err error) {
	files := make([]env.File, 0, len(m.Parts))
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	for i := range m.Parts {
		name := filepath.Join(r.folder.Path(folder.Incoming), checkpoint.PartFile(i))
		file, err := quorum.Blocking(ctx, quorum.KindDisk, "shard create", func() (env.File, error) { return r.folder.FS.Create(name) }).Wait(ctx)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	all, cancel := quorum.WithCancel(ctx)
	defer cancel()
	next, at := 0, int64(0) // the piece that nobody fetches yet
	fetcher := func(ctx context.Context) error {
		for next < len(m.Parts) {
			part, offset := next, at
			bytes := min(pieceBytes, m.Parts[part].Bytes-offset)
			if at += bytes; at == m.Parts[part].Bytes {
				next, at = next+1, 0
			}
			if err := r.fetchPiece(ctx, from, pieceReq{m.Folder, uint64(part), uint64(offset)}, bytes, files[part]); err != nil {
				cancel()
				return err
			}
		}
		return nil
	}
	tasks := make([]*quorum.Task, fetchers)
	for i := range tasks {
		tasks[i] = quorum.Go(all, "shard fetch pieces", fetcher)
	}
	for _, t := range tasks {
		if e := t.Wait(ctx); e != nil && (err == nil || errors.Is(err, context.Canceled)) {
			err = e
		}
	}
	return err
}

// fetchPiece brings bytes of a part into its file. A donor that does not answer is asked
// again for a while: it may be starting.
func (r *Replica) fetchPiece(ctx context.Context, from quorum.NodeID, req pieceReq, bytes int64, file env.File) error {
	failed := 0
	for bytes > 0 {
		resp, err := call(ctx, pieceMethod(), r.endpoint, from, &req)
		if err != nil {
			var refused *quorum.RemoteError
			if failed++; failed == pieceAttempts || errors.As(err, &refused) || ctx.Err() != nil {
				return err
			}
			if err := quorum.Sleep(ctx, fetchRetry); err != nil {
				return err
			}
			continue
		}
		n := int64(len(resp.data))
		if n == 0 || n > bytes {
			return fmt.Errorf("shard: a piece of %d bytes where %d are left", n, bytes)
		}
		if err := r.job(ctx, "shard write piece", func() error { _, err := file.WriteAt(resp.data, int64(req.offset)); return err }); err != nil {
			return err
		}
		req.offset += uint64(n)
		bytes -= n
	}
	return nil
}

// call waits for an answer, but not for long.
func call[Req any](ctx context.Context, m quorum.Method[Req, bytesResp], e *quorum.Endpoint, to quorum.NodeID, req *Req) (*bytesResp, error) {
	ctx, cancel := quorum.WithTimeout(ctx, pieceTimeout)
	defer cancel()
	return m.Call(ctx, e, to, req)
}

// clearIncoming makes the folder for what comes in, empty.
func (f *openedFolder) clearIncoming() error {
	dir := f.Path(folder.Incoming)
	if err := f.FS.MkdirAll(dir); err != nil {
		return err
	}
	names, err := f.FS.List(dir)
	for _, n := range names {
		err = errors.Join(err, f.FS.Remove(filepath.Join(dir, n)))
	}
	return err
}

// takeIn makes a checkpoint of the parts that have come in, and verifies them on the way.
func (f *openedFolder) takeIn(m *checkpoint.Manifest) error {
	b, err := checkpoint.Begin(f.FS, f.Path(folder.Checkpoint), checkpoint.Options{
		Database: m.Database, Timestamp: m.Timestamp, Tables: m.Tables, Godwit: m.Godwit, Attachment: m.Attachment})
	if err != nil {
		return err
	}
	for i := range m.Parts {
		if err := f.takePart(b, m, i); err != nil {
			return errors.Join(err, b.Abort())
		}
	}
	if _, err := b.Publish(m.Created); err != nil {
		return errors.Join(err, b.Abort())
	}
	if _, err := checkpoint.Cleanup(f.FS, f.Path(folder.Checkpoint)); err != nil {
		return err
	}
	return f.clearIncoming()
}

func (f *openedFolder) takePart(b *checkpoint.Builder, m *checkpoint.Manifest, part int) error {
	name := filepath.Join(f.Path(folder.Incoming), checkpoint.PartFile(part))
	file, err := f.FS.OpenRead(name)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return err
	}
	in, err := checkpoint.NewReader(io.NewSectionReader(file, 0, size), name)
	if err != nil {
		return err
	}
	if err := in.Expect(checkpoint.PartStream, checkpoint.DatabaseID(f.id.Cluster)); err != nil {
		return err
	}
	if h := in.Header(); h.Timestamp != m.Timestamp || h.Part != uint32(part) {
		return dberr.Corrupt(name, 0, "it is part %d of a checkpoint at %d", h.Part, h.Timestamp)
	}
	out, err := b.NewPart()
	if err != nil {
		return err
	}
	if err := copyEntries(out, in); err != nil {
		out.Abort()
		return err
	}
	return out.Close()
}

func copyEntries(out *checkpoint.PartWriter, in *checkpoint.Reader) error {
	for in.Next() {
		if err := out.BeginTable(in.Table()); err != nil {
			return err
		}
		entries := in.Entries()
		for entries.Next() {
			if err := out.Add(entries.Key(), entries.Value()); err != nil {
				return err
			}
		}
		if err := entries.Err(); err != nil {
			return err
		}
	}
	return in.Err()
}
