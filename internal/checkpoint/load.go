package checkpoint

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/godwitdb/godwit/internal/env"
)

// ApplyFunc takes the entries of a block, of one table. It is called by worker
// number worker, 0 ≤ worker < workers, one call at a time for each. The entries
// are valid until it returns. Blocks come in no particular order.
type ApplyFunc func(worker int, table TableID, block *Entries) error

// Load reads the checkpoint m in dir with several goroutines, which read, verify
// and apply different blocks: workers of them, or one per processor if it is 0.
// progress may be nil; the workers call it after each block.
//
// It returns when all have ended. If the error is not nil, what was applied is
// not the checkpoint: it matches dberr.ErrCorrupt (and names file and offset),
// dberr.ErrNewerFormat or ErrForeignDatabase, or comes from reading, from apply or
// from progress. Each worker holds one block, so one value of up to ValueBytesMax.
func Load(fsys env.FS, dir string, m *Manifest, workers int, apply ApplyFunc, progress BlockFunc) error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("checkpoint: manifest: %w", err)
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	l := loader{apply: apply, progress: progress}
	for i := range m.Parts {
		open := func() (*partReader, error) { return openPart(fsys, dir, m, i) }
		// A part that is missing or of something else is found before anything is
		// applied.
		p, err := open()
		if err != nil {
			return err
		}
		_ = p.f.Close() // read only: nothing can be lost
		l.parts = append(l.parts, &partCursor{open: open})
	}
	var wg sync.WaitGroup
	for i := 1; i < workers; i++ {
		w := &loadWorker{loader: &l, number: i}
		wg.Go(w.run)
	}
	(&loadWorker{loader: &l}).run() // one alone needs no goroutine
	wg.Wait()
	for _, p := range l.parts {
		p.close()
	}
	return l.err
}

// loader is a Load at work.
type loader struct {
	parts    []*partCursor
	apply    ApplyFunc
	progress BlockFunc

	// stop is set by the first worker that fails; the others read it before each
	// block.
	stop atomic.Bool
	once sync.Once
	err  error // set in once, read when all workers have ended
}

func (l *loader) fail(err error) {
	l.once.Do(func() { l.err = err })
	l.stop.Store(true)
}

// loadWorker is one of the goroutines of a Load.
type loadWorker struct {
	*loader
	number  int
	body    []byte
	entries Entries
}

// run begins with a part of its own and then helps with the others.
func (w *loadWorker) run() {
	for i := range w.parts {
		p := w.parts[(w.number+i)%len(w.parts)]
		for more := true; more; {
			if w.stop.Load() {
				return
			}
			var err error
			if more, err = w.step(p); err != nil {
				w.fail(err)
				return
			}
		}
	}
}

// step does a block of p and tells whether there was one.
func (w *loadWorker) step(p *partCursor) (bool, error) {
	part, b, err := p.claim()
	if part == nil || err != nil {
		return false, err
	}
	defer p.release()
	if w.body, err = part.readBody(b, w.body); err != nil {
		return false, err
	}
	w.entries.reset(part.file, b.offset, b.entries, w.body)
	if err := w.apply(w.number, b.table, &w.entries); err != nil {
		return false, err
	}
	// What apply left unread is checked too.
	if err := w.entries.verify(); err != nil {
		return false, err
	}
	if w.progress == nil {
		return true, nil
	}
	return true, w.progress(blockHeaderBytes+int64(b.stored), int64(b.entries))
}

// partCursor hands out the blocks of a part. Only their headers are read under
// the lock: the bodies, and all that is done with them, are the workers' own.
// The file is open from the first claim until all blocks are done, so that
// there are no more files open than workers, however many parts there are.
type partCursor struct {
	open func() (*partReader, error)
	mu   struct {
		sync.Mutex
		part  *partReader // nil while the file is not open
		ended bool        // at the footer, or at an error
		busy  int         // claimed blocks that are not released
	}
}

// claim returns the next block of entries, which has to be released, and the
// part that it is of: nil if there are no more.
func (p *partCursor) claim() (*partReader, block, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.ended {
		return nil, block{}, nil
	}
	if p.mu.part == nil {
		part, err := p.open()
		if err != nil {
			p.mu.ended = true
			return nil, block{}, err
		}
		p.mu.part = part
	}
	b, err := p.mu.part.advance()
	if err != nil || b.kind != entriesBlock {
		p.mu.ended = true
		p.closeIfDone()
		return nil, block{}, err
	}
	p.mu.busy++
	return p.mu.part, b, nil
}

// release ends the work on a claimed block.
func (p *partCursor) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.busy--
	p.closeIfDone()
}

// close closes the file of a part that was not read to its end.
func (p *partCursor) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.ended = true
	p.closeIfDone()
}

func (p *partCursor) closeIfDone() {
	if p.mu.ended && p.mu.busy == 0 && p.mu.part != nil {
		_ = p.mu.part.f.Close() // read only: nothing can be lost
		p.mu.part = nil
	}
}

// advance moves to the next block of entries or, having checked it, the footer.
func (p *partReader) advance() (block, error) {
	var body []byte
	for {
		b, err := p.next()
		if err != nil {
			return block{}, err
		}
		if b.kind == entriesBlock {
			return b, p.knows(b)
		}
		if body, err = p.readBody(b, body); err != nil {
			return block{}, err
		}
		if b.kind == footerBlock {
			return b, p.finish(b, body)
		}
		if err := p.addTables(b, body); err != nil {
			return block{}, err
		}
	}
}
