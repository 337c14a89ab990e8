package checkpoint

import "io"

// Reader reads a stream in order:
//
//	for r.Next() {
//		load(r.Table(), r.Entries())
//	}
//	return r.Err()
//
// It reads not a byte beyond the footer, holds one block, and does not allocate
// per block. It serves one goroutine.
type Reader struct {
	scan    *scanner
	body    []byte
	table   TableID
	entries Entries
	// pending is a block of entries whose header was read in search of the end
	// of the table directory.
	pending block
	ahead   bool
	done    bool
	err     error
	summary Summary
}

// NewReader reads the header and the table directory of a stream. name stands
// for it in errors.
func NewReader(r io.Reader, name string) (*Reader, error) {
	scan, err := openScanner(name, &forwardReader{r: r}, unknownSize)
	if err != nil {
		return nil, err
	}
	rd := &Reader{scan: scan}
	rd.findData()
	if rd.err != nil {
		return nil, rd.err
	}
	return rd, nil
}

// findData reads the table directory.
func (r *Reader) findData() {
	for r.err == nil {
		b, err := r.scan.next()
		if err != nil {
			r.err = err
			return
		}
		if b.kind != tablesBlock {
			r.pending, r.ahead = b, true
			return
		}
		if r.body, r.err = r.scan.readBody(b, r.body); r.err == nil {
			r.err = r.scan.addTables(b, r.body)
		}
	}
}

// Header returns what the stream is of.
func (r *Reader) Header() Header { return r.scan.header }

// Tables returns the table directory.
func (r *Reader) Tables() []Table { return r.scan.tables }

// Next reads the next block of entries and tells whether there is one. The
// entries of the one before are no longer valid.
func (r *Reader) Next() bool {
	if r.err == nil {
		// What the caller left unread is checked too.
		r.err = r.entries.verify()
	}
	if r.err != nil || r.done {
		return false
	}
	b := r.pending
	if !r.ahead {
		if b, r.err = r.scan.next(); r.err != nil {
			return false
		}
	}
	r.ahead = false
	if r.body, r.err = r.scan.readBody(b, r.body); r.err != nil {
		return false
	}
	if b.kind == footerBlock {
		r.done = true
		r.summary, r.err = r.scan.finish(b, r.body)
		return false
	}
	if r.err = r.scan.knows(b); r.err != nil {
		return false
	}
	r.table = b.table
	r.entries.reset(r.scan.file, b.offset, b.entries, r.body)
	return true
}

// Table returns the table of the current block.
func (r *Reader) Table() TableID { return r.table }

// Entries returns the entries of the current block.
func (r *Reader) Entries() *Entries { return &r.entries }

// Err returns the error that ended the stream, nil if its footer was reached and
// everything before it is intact.
func (r *Reader) Err() error { return r.err }

// Summary returns what the stream holds, once Next has returned false and Err is
// nil.
func (r *Reader) Summary() Summary { return r.summary }

// Progress returns what was read so far.
func (r *Reader) Progress() Summary { return r.scan.framing.total }

// Expect checks that the stream is of the kind and of the database that the
// caller wants. The zero DatabaseID stands for any.
func (r *Reader) Expect(kind StreamKind, id DatabaseID) error {
	return r.scan.expect(kind, id)
}
