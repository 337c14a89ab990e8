package checkpoint

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/hlc"
)

// syncEveryBytes is after how much a part is synced while it is written: one
// sync of all of it at the end would keep the disk from the log for seconds.
const syncEveryBytes = 8 << 20

// Options says what a checkpoint is of.
type Options struct {
	Database  DatabaseID
	Timestamp hlc.Timestamp // of the snapshot
	Tables    []Table
	Godwit    string // version of the program
	// Attachment is kept with the checkpoint: at most 64 KiB of UTF-8.
	Attachment string
	// AfterBlock, if not nil, is called after every block by the goroutine that
	// has written it.
	AfterBlock BlockFunc
}

// Builder writes a checkpoint. At most one may be at work in a folder.
type Builder struct {
	fs     env.FS
	dir    string
	folder string
	opts   Options

	mu struct {
		sync.Mutex
		parts []Part
		open  int // parts that are not closed
		// failed is set when a part could not be written, published when the
		// manifest may have been renamed: the folder is no longer ours to remove.
		failed    error
		published bool
	}
}

var (
	errPartsOpen = errors.New("checkpoint: parts are not closed")
	errPublished = errors.New("checkpoint: already published, or tried to")
)

// Begin starts a checkpoint in dir, which it makes if it is missing; the folder
// above is the caller's to make durable. What it writes counts only once
// Publish returns nil. If it is given up, Abort removes it.
func Begin(fsys env.FS, dir string, opts Options) (*Builder, error) {
	b := &Builder{fs: fsys, dir: dir, opts: opts}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if err := syncDir(fsys, filepath.Dir(dir)); err != nil {
		return nil, err
	}
	current, _, err := Latest(fsys, dir)
	if err != nil {
		return nil, err
	}
	b.folder = timestampText(opts.Timestamp)
	if b.folder == current.Folder {
		b.folder += folderSuffix
	}
	if err := removeFolder(fsys, b.path()); err != nil {
		return nil, fmt.Errorf("checkpoint: remove what an unfinished one left: %w", err)
	}
	if err := fsys.MkdirAll(b.path()); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return b, nil
}

func (b *Builder) path() string { return filepath.Join(b.dir, b.folder) }

// NewPart begins the next part. Several goroutines may call it and write their
// parts at the same time.
func (b *Builder) NewPart() (*PartWriter, error) {
	number, err := b.addPart()
	if err != nil {
		return nil, err
	}
	p := &PartWriter{builder: b, number: number}
	if err := p.open(); err != nil {
		b.partDone(number, Summary{}, err)
		return nil, err
	}
	return p, nil
}

func (b *Builder) addPart() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.published {
		return 0, errPublished
	}
	if len(b.mu.parts) == PartsMax {
		return 0, fmt.Errorf("checkpoint: more than %d parts", PartsMax)
	}
	b.mu.parts = append(b.mu.parts, Part{})
	b.mu.open++
	return len(b.mu.parts) - 1, nil
}

// partDone takes note that a part is closed.
func (b *Builder) partDone(number int, sum Summary, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.open--
	b.mu.parts[number] = Part{sum}
	if b.mu.failed == nil {
		b.mu.failed = err
	}
}

// Publish makes the checkpoint the current one. Every part has to be closed
// without error. created is the wall-clock time.
//
// If Publish fails, a crash may leave either this checkpoint or the one before:
// keep both, and the log behind the older one, until a later Publish succeeds.
func (b *Builder) Publish(created time.Time) (Manifest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.mu.published:
		return Manifest{}, errPublished
	case b.mu.failed != nil:
		return Manifest{}, fmt.Errorf("checkpoint: a part was not written: %w", b.mu.failed)
	case b.mu.open > 0:
		return Manifest{}, errPartsOpen
	}
	m := Manifest{
		Database:   b.opts.Database,
		Timestamp:  b.opts.Timestamp,
		Created:    created.UTC().Truncate(time.Millisecond),
		Godwit:     b.opts.Godwit,
		Folder:     b.folder,
		Attachment: b.opts.Attachment,
		Tables:     b.opts.Tables,
		Parts:      b.mu.parts,
	}
	text, err := m.encode()
	if err != nil {
		return Manifest{}, err
	}
	// The parts' names, and the folder's, have to be there before the manifest
	// that refers to them.
	if err := syncDir(b.fs, b.path()); err != nil {
		return Manifest{}, err
	}
	if err := syncDir(b.fs, b.dir); err != nil {
		return Manifest{}, err
	}
	temp := filepath.Join(b.dir, manifestTemp)
	if err := writeFile(b.fs, temp, text); err != nil {
		// Better no half of a file, but Cleanup would remove it too.
		_ = b.fs.Remove(temp)
		return Manifest{}, fmt.Errorf("checkpoint: write %s: %w", temp, err)
	}
	b.mu.published = true
	if err := b.fs.Rename(temp, filepath.Join(b.dir, ManifestFile)); err != nil {
		return Manifest{}, fmt.Errorf("checkpoint: publish: %w", err)
	}
	if err := syncDir(b.fs, b.dir); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// Abort removes what was written, unless the checkpoint is published or Publish
// has come so far that a crash might publish it. All parts have to be closed or aborted.
func (b *Builder) Abort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.published {
		return nil
	}
	if b.mu.open > 0 {
		return errPartsOpen
	}
	b.mu.failed = errors.New("checkpoint: aborted")
	if err := removeFolder(b.fs, b.path()); err != nil {
		return fmt.Errorf("checkpoint: abort: %w", err)
	}
	return nil
}

// writeFile writes a synced file.
func writeFile(fsys env.FS, name string, content []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func syncDir(fsys env.FS, dir string) error {
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("checkpoint: sync %s: %w", dir, err)
	}
	return nil
}

// PartWriter writes a part. It serves one goroutine.
type PartWriter struct {
	*Writer
	builder *Builder
	number  int
	file    fileWriter
	closed  bool
}

func (p *PartWriter) open() error {
	b := p.builder
	name := filepath.Join(b.path(), PartFile(p.number))
	f, err := b.fs.Create(name)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	p.file = fileWriter{file: f, name: name}
	p.Writer, err = NewWriter(&p.file, Header{
		Kind:      PartStream,
		Part:      uint32(p.number),
		Database:  b.opts.Database,
		Timestamp: b.opts.Timestamp,
	}, b.opts.Tables, b.opts.AfterBlock)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// Close completes and syncs the part.
func (p *PartWriter) Close() error {
	if p.closed {
		return errWriterClosed
	}
	p.closed = true
	sum, err := p.Writer.Close()
	if err == nil {
		err = p.file.sync()
	}
	err = errors.Join(err, p.file.file.Close())
	p.builder.partDone(p.number, sum, err)
	return err
}

// Abort closes the file and leaves the checkpoint without hope: call
// Builder.Abort when all parts are closed. It does nothing after Close.
func (p *PartWriter) Abort() {
	if p.closed {
		return
	}
	p.closed = true
	err := errors.Join(errors.New("part was aborted"), p.file.file.Close())
	p.builder.partDone(p.number, Summary{}, err)
}

// fileWriter appends to a file and syncs it on the way.
type fileWriter struct {
	file   env.File
	name   string
	offset int64
	synced int64
}

// Write appends b.
func (w *fileWriter) Write(b []byte) (int, error) {
	n, err := w.file.WriteAt(b, w.offset)
	w.offset += int64(n)
	if err == nil && w.offset-w.synced >= syncEveryBytes {
		err = w.sync()
	}
	if err != nil {
		return n, fmt.Errorf("%s: %w", w.name, err)
	}
	return n, nil
}

func (w *fileWriter) sync() error {
	if w.synced == w.offset {
		return nil
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.name, err)
	}
	w.synced = w.offset
	return nil
}
