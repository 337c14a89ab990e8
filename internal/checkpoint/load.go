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
	defer l.close()
	for i := range m.Parts {
		p, err := openPart(fsys, dir, m, i)
		if err != nil {
			return err
		}
		l.parts = append(l.parts, &partCursor{part: p})
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { l.work(w) })
	}
	wg.Wait()
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

func (l *loader) close() {
	for _, p := range l.parts {
		p.part.f.Close() // read only: nothing can be lost
	}
}

// work begins with a part of its own and then helps with the others.
func (l *loader) work(worker int) {
	var (
		body    []byte
		entries Entries
	)
	for i := range l.parts {
		p := l.parts[(worker+i)%len(l.parts)]
		for !l.stop.Load() {
			b, more, err := p.claim()
			if err != nil {
				l.fail(err)
				return
			}
			if !more {
				break
			}
			if body, err = p.part.readBody(b, body); err == nil {
				entries.reset(p.part.file, b.offset, b.entries, body)
				err = l.use(worker, b, &entries)
			}
			if err != nil {
				l.fail(err)
				return
			}
		}
	}
}

// use applies a block.
func (l *loader) use(worker int, b block, entries *Entries) error {
	if err := l.apply(worker, b.table, entries); err != nil {
		return err
	}
	// What apply left unread is checked too.
	if err := entries.verify(); err != nil {
		return err
	}
	if l.progress == nil {
		return nil
	}
	return l.progress(blockHeaderBytes+int64(b.stored), int64(b.entries))
}

// partCursor hands out the blocks of a part. Only their headers are read under
// the lock: the bodies, and all that is done with them, are the workers' own.
type partCursor struct {
	part *partReader
	mu   struct {
		sync.Mutex
		ended bool // at the footer, or at an error
	}
}

// claim returns the next block of entries and whether there is one.
func (p *partCursor) claim() (b block, more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.ended {
		return block{}, false, nil
	}
	b, err = p.advance()
	if err == nil && b.kind == entriesBlock {
		return b, true, nil
	}
	p.mu.ended = true
	return block{}, false, err
}

// advance moves to the next block of entries or, having checked it, the footer.
func (p *partCursor) advance() (block, error) {
	var body []byte
	for {
		b, err := p.part.next()
		if err != nil {
			return block{}, err
		}
		if b.kind == entriesBlock {
			return b, p.part.knows(b)
		}
		if body, err = p.part.readBody(b, body); err != nil {
			return block{}, err
		}
		if b.kind == footerBlock {
			return b, p.part.finish(b, body)
		}
		if err := p.part.addTables(b, body); err != nil {
			return block{}, err
		}
	}
}
