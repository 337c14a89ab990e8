package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/env"
)

// partReader is a part of a published checkpoint.
type partReader struct {
	*scanner
	f        env.File
	manifest *Manifest
	number   int
}

// openPart opens part i of the checkpoint m in dir and checks that it is that.
func openPart(fsys env.FS, dir string, m *Manifest, i int) (*partReader, error) {
	name := filepath.Join(dir, m.Folder, PartFile(i))
	f, err := fsys.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, dberr.Corrupt(name, 0, "part is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	p := &partReader{f: f, manifest: m, number: i}
	if err := p.open(name); err != nil {
		_ = f.Close()
		return nil, err
	}
	return p, nil
}

func (p *partReader) open(name string) error {
	size, err := p.f.Size()
	if err != nil {
		return fmt.Errorf("checkpoint: size of %s: %w", name, err)
	}
	// A part that is too short is read nevertheless, up to where it ends: that
	// is the offset to be told.
	if p.scanner, err = openScanner(name, p.f, size); err != nil {
		return err
	}
	m := p.manifest
	if err := p.expect(PartStream, m.Database); err != nil {
		return err
	}
	if h := p.header; h.Timestamp != m.Timestamp || h.Part != uint32(p.number) {
		return dberr.Corrupt(name, 0, "it is part %d of the checkpoint at %s, not part %d of the one at %s",
			h.Part, timestampText(h.Timestamp), p.number, timestampText(m.Timestamp))
	}
	return nil
}

// finish checks the footer, and that the part is the one of the manifest.
func (p *partReader) finish(b block, body []byte) error {
	sum, err := p.scanner.finish(b, body)
	if err != nil {
		return err
	}
	if want := p.manifest.Parts[p.number].Summary; sum != want {
		return dberr.Corrupt(p.file, b.offset, "part has %+v, the manifest says %+v", sum, want)
	}
	return p.expectTables(b)
}

// expectTables checks that the part's table directory is the manifest's.
func (p *partReader) expectTables(b block) error {
	if !slices.Equal(p.tables, p.manifest.Tables) {
		return dberr.Corrupt(p.file, b.offset, "part has another table directory than the manifest")
	}
	return nil
}
