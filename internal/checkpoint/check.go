package checkpoint

import (
	"fmt"
	"io"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// ReportFunc is told of a problem. Its error names file and offset.
type ReportFunc func(problem error)

// Checked is what a check has gone through.
type Checked struct {
	// Found tells whether there is a checkpoint, Manifest is its manifest if that
	// could be read.
	Found    bool
	Manifest Manifest
	Blocks   int64 // of entries, intact
	Entries  int64 // in them
	Bytes    int64 // read and verified, or found damaged
	Problems int
}

// checker is a check at work.
type checker struct {
	Checked
	report   ReportFunc
	progress BlockFunc
	body     []byte
}

func (c *checker) problem(err error) {
	c.Problems++
	c.report(err)
}

// Check verifies the current checkpoint in dir as a whole, the manifest and every
// block and entry, and reports every problem it finds. The zero id stands for
// any database. progress may be nil; its error ends the check and is returned.
// No checkpoint at all is not a problem.
func Check(fsys env.FS, dir string, id DatabaseID, report ReportFunc, progress BlockFunc) (Checked, error) {
	c := checker{report: report, progress: progress}
	m, found, err := Latest(fsys, dir)
	if err != nil {
		c.Found = true
		c.problem(err)
		return c.Checked, nil
	}
	c.Found, c.Manifest = found, m
	if !found {
		return c.Checked, nil
	}
	if err := m.ExpectDatabase(id); err != nil {
		c.problem(err)
	}
	for i := range m.Parts {
		if err := c.part(fsys, dir, &m, i); err != nil {
			return c.Checked, err
		}
	}
	return c.Checked, nil
}

// CheckBackup verifies a backup as Check does a checkpoint. name stands for it
// in problems. It stops where the stream cannot be read.
func CheckBackup(r io.Reader, name string, id DatabaseID, report ReportFunc, progress BlockFunc) (Checked, error) {
	c := checker{report: report, progress: progress, Checked: Checked{Found: true}}
	s, err := openScanner(name, &forwardReader{r: r}, unknownSize)
	if err != nil {
		c.problem(err)
		return c.Checked, nil
	}
	if err := s.expect(BackupStream, id); err != nil {
		c.problem(err)
	}
	err = c.stream(s, func(b block, body []byte, _ bool) error {
		_, err := s.finish(b, body)
		return err
	})
	return c.Checked, err
}

func (c *checker) part(fsys env.FS, dir string, m *Manifest, i int) error {
	p, err := openPart(fsys, dir, m, i)
	if err != nil {
		c.problem(err)
		return nil
	}
	defer p.f.Close()
	if want := m.Parts[i].Bytes; p.size != want {
		c.problem(dberr.Corrupt(p.file, min(p.size, want), "part has %d bytes, the manifest says %d", p.size, want))
	}
	return c.stream(p.scanner, func(b block, body []byte, tablesIntact bool) error {
		if !tablesIntact {
			// The directory was reported; compare the rest.
			p.tables = m.Tables
		}
		return p.finish(b, body)
	})
}

// stream goes through a stream, from behind its header to its footer, for which
// it calls finish. A damaged body does not stop it, a damaged header does:
// nothing tells where the next block begins. The error is progress's.
func (c *checker) stream(s *scanner, finish func(b block, body []byte, tablesIntact bool) error) error {
	c.Bytes += headerBytes
	tablesIntact := true
	for {
		b, err := s.next()
		if err != nil {
			c.problem(err)
			c.unreadable(s)
			return nil
		}
		c.body, err = s.readBody(b, c.body)
		if err == nil {
			err = c.block(s, b, tablesIntact, finish)
		}
		if err != nil {
			c.problem(err)
			tablesIntact = tablesIntact && b.kind != tablesBlock
		}
		if f, ok := s.src.(*forwardReader); ok && f.at != b.offset+blockHeaderBytes+int64(b.stored) {
			return nil // a read error, or the end: there is no way on
		}
		c.Bytes += blockHeaderBytes + int64(b.stored)
		if b.kind == footerBlock {
			return nil
		}
		if c.progress != nil {
			if err := c.progress(blockHeaderBytes+int64(b.stored), int64(b.entries)); err != nil {
				return err
			}
		}
	}
}

// block checks a block whose checksum matches.
func (c *checker) block(s *scanner, b block, tablesIntact bool, finish func(block, []byte, bool) error) error {
	switch b.kind {
	case tablesBlock:
		return s.addTables(b, c.body)
	case footerBlock:
		return finish(b, c.body, tablesIntact)
	}
	if tablesIntact {
		if err := s.knows(b); err != nil {
			return err
		}
	}
	var e Entries
	e.reset(s.file, b.offset, b.entries, c.body)
	if err := e.verify(); err != nil {
		return err
	}
	c.Blocks++
	c.Entries += int64(b.entries)
	return nil
}

// unreadable reports what follows a damaged block header.
func (c *checker) unreadable(s *scanner) {
	if rest := s.size - s.framing.offset; s.size != unknownSize && rest > blockHeaderBytes {
		c.problem(fmt.Errorf("%s: the %d bytes from offset %d on cannot be checked", s.file, rest, s.framing.offset))
	}
}
