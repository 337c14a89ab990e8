package checkpoint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
)

const (
	// PartsMax bounds the parts of a checkpoint.
	PartsMax = 1 << 16
	// manifestBytesMax bounds a manifest: every limit reached, with names that
	// need six bytes for each of theirs.
	manifestBytesMax = TablesMax*(tableLineBytesMax) + PartsMax*partLineBytesMax + 6*attachmentBytesMax + 4096
	// tableLineBytesMax and partLineBytesMax bound their lines.
	tableLineBytesMax = 6*TableNameBytesMax + 64
	partLineBytesMax  = 256
	// attachmentBytesMax bounds Manifest.Attachment.
	attachmentBytesMax = 64 << 10
	// godwitVersionBytesMax bounds Manifest.Godwit.
	godwitVersionBytesMax = 255
)

// Manifest publishes a checkpoint: what it is of and what belongs to it.
//
// It is stored as lines of JSON, for people to read: one that says what it is,
// one for each table, one for each part, and one with the CRC32C of all lines
// before it. The first line's format and the last line keep their form in all
// versions.
type Manifest struct {
	Database  DatabaseID
	Timestamp hlc.Timestamp // of the snapshot
	Created   time.Time     // when it was published, to the millisecond
	Godwit    string        // version of the program that wrote it
	// Attachment is what the writer wants to find again with the checkpoint; it means
	// nothing here.
	Attachment string
	Folder     string // where the parts are, beside the manifest
	Tables     []Table
	Parts      []Part // part i is in the file PartFile(i)
}

// Part is a file of a checkpoint.
type Part struct {
	Summary
}

// PartFile returns the name of part i.
func PartFile(i int) string { return fmt.Sprintf("part-%04d.ckp", i) }

// Total returns what all parts hold together; its checksum is 0.
func (m *Manifest) Total() Summary {
	var t Summary
	for _, p := range m.Parts {
		t.Blocks += p.Blocks
		t.Entries += p.Entries
		t.Bytes += p.Bytes
	}
	return t
}

type (
	manifestLine struct {
		Format    int       `json:"godwit_checkpoint"`
		Database  string    `json:"database"`
		Timestamp string    `json:"timestamp"`
		Created   time.Time `json:"created"`
		Godwit    string    `json:"godwit"`
		Folder    string    `json:"folder"`
		Attached  string    `json:"attachment,omitempty"`
	}
	tableLine struct {
		ID   TableID   `json:"id"`
		Kind TableKind `json:"kind"`
		Name string    `json:"name"`
	}
	partLine struct {
		File    string `json:"file"`
		Bytes   int64  `json:"bytes"`
		Blocks  int64  `json:"blocks"`
		Entries int64  `json:"entries"`
		CRC32C  string `json:"crc32c"`
	}
	// itemLine is a line between the first and the last: exactly one is set.
	itemLine struct {
		Table *tableLine `json:"table,omitempty"`
		Part  *partLine  `json:"part,omitempty"`
	}
)

// endLine is the last line of a manifest whose other lines have checksum crc.
func endLine(crc uint32) []byte { return fmt.Appendf(nil, "{\"crc32c\":\"%08x\"}\n", crc) }

const endLineBytes = len(`{"crc32c":"00000000"}` + "\n")

// encode returns the manifest as it is stored.
func (m *Manifest) encode() ([]byte, error) {
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("checkpoint: manifest: %w", err)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	err := enc.Encode(manifestLine{
		Format:    FormatVersion,
		Database:  m.Database.String(),
		Timestamp: timestampText(m.Timestamp),
		Created:   m.Created.UTC().Truncate(time.Millisecond),
		Godwit:    m.Godwit,
		Folder:    m.Folder,
		Attached:  m.Attachment,
	})
	for _, t := range m.Tables {
		err = errors.Join(err, enc.Encode(itemLine{Table: &tableLine{t.ID, t.Kind, t.Name}}))
	}
	for i, p := range m.Parts {
		err = errors.Join(err, enc.Encode(itemLine{Part: &partLine{
			File: PartFile(i), Bytes: p.Bytes, Blocks: p.Blocks, Entries: p.Entries, CRC32C: crcText(p.Checksum),
		}}))
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: manifest: %w", err)
	}
	buf.Write(endLine(crc32.Checksum(buf.Bytes(), castagnoli)))
	return buf.Bytes(), nil
}

func (m *Manifest) validate() error {
	switch {
	case m.Timestamp > hlc.Max:
		return fmt.Errorf("timestamp %d is above the largest", m.Timestamp)
	case !isFolderOf(m.Folder, m.Timestamp):
		return fmt.Errorf("folder %q is not of timestamp %s", m.Folder, timestampText(m.Timestamp))
	case len(m.Parts) > PartsMax:
		return fmt.Errorf("%d parts, at most %d are allowed", len(m.Parts), PartsMax)
	case len(m.Godwit) > godwitVersionBytesMax || !utf8.ValidString(m.Godwit):
		return fmt.Errorf("program version of %d bytes is too long or not valid UTF-8", len(m.Godwit))
	case len(m.Attachment) > attachmentBytesMax || !utf8.ValidString(m.Attachment):
		return fmt.Errorf("attachment of %d bytes is too long or not valid UTF-8", len(m.Attachment))
	case m.Created.Year() < 0 || m.Created.Year() > 9999:
		return fmt.Errorf("creation time %v cannot be written", m.Created)
	}
	for i, p := range m.Parts {
		if p.Bytes < headerBytes+footerBytes || p.Blocks < 0 || p.Entries < p.Blocks {
			return fmt.Errorf("part %d cannot have %d bytes, %d blocks and %d entries", i, p.Bytes, p.Blocks, p.Entries)
		}
	}
	return validateTables(m.Tables)
}

// decodeManifest reads the manifest in file.
func decodeManifest(file string, b []byte) (Manifest, error) {
	end := len(b) - endLineBytes
	if end <= 0 || !bytes.Equal(b[end:], endLine(crc32.Checksum(b[:end], castagnoli))) {
		return Manifest{}, dberr.Corrupt(file, 0, "checksum line of the manifest is missing or does not match")
	}
	d := manifestDecoder{file: file, rest: b[:end]}
	m, err := d.decode()
	if err != nil {
		return Manifest{}, err
	}
	if err := m.validate(); err != nil {
		return Manifest{}, dberr.Corrupt(file, 0, "manifest: %v", err)
	}
	return m, nil
}

// manifestDecoder walks over the lines of a manifest.
type manifestDecoder struct {
	file   string
	rest   []byte
	offset int64 // of the last line returned
	next   int64
}

// line decodes the next line into v and tells whether there was one.
func (d *manifestDecoder) line(v any) (bool, error) {
	if len(d.rest) == 0 {
		return false, nil
	}
	line, rest, _ := bytes.Cut(d.rest, []byte("\n"))
	d.offset, d.rest = d.next, rest
	d.next += int64(len(line)) + 1
	if err := json.Unmarshal(line, v); err != nil {
		return false, d.corrupt("%v", err)
	}
	return true, nil
}

func (d *manifestDecoder) corrupt(format string, args ...any) error {
	return dberr.Corrupt(d.file, d.offset, "manifest: "+format, args...)
}

func (d *manifestDecoder) decode() (Manifest, error) {
	var format struct {
		Format int `json:"godwit_checkpoint"`
	}
	whole := *d
	if _, err := d.line(&format); err != nil {
		return Manifest{}, err
	}
	if format.Format > FormatVersion {
		return Manifest{}, fmt.Errorf("%s has format %d, this version reads up to %d: %w", d.file, format.Format, FormatVersion, dberr.ErrNewerFormat)
	}
	if format.Format < 1 {
		return Manifest{}, d.corrupt("format %d does not exist", format.Format)
	}
	*d = whole
	var head manifestLine
	if _, err := d.line(&head); err != nil {
		return Manifest{}, err
	}
	m := Manifest{Created: head.Created.UTC(), Godwit: head.Godwit, Folder: head.Folder, Attachment: head.Attached}
	id, err := hex.DecodeString(head.Database)
	if err != nil || len(id) != len(m.Database) {
		return Manifest{}, d.corrupt("database id %q is not 32 hexadecimal digits", head.Database)
	}
	m.Database = DatabaseID(id)
	ts, err := strconv.ParseUint(head.Timestamp, 16, 64)
	if err != nil || timestampText(hlc.Timestamp(ts)) != head.Timestamp {
		return Manifest{}, d.corrupt("timestamp %q is not 16 hexadecimal digits", head.Timestamp)
	}
	m.Timestamp = hlc.Timestamp(ts)
	return m, d.items(&m)
}

// items reads the lines of tables and parts.
func (d *manifestDecoder) items(m *Manifest) error {
	for {
		var item itemLine
		if more, err := d.line(&item); !more {
			return err
		}
		t, p := item.Table, item.Part
		switch {
		case t != nil && p == nil && len(m.Parts) == 0 && len(m.Tables) < TablesMax:
			m.Tables = append(m.Tables, Table{t.ID, t.Kind, t.Name})
		case p != nil && t == nil && len(m.Parts) < PartsMax:
			crc, err := strconv.ParseUint(p.CRC32C, 16, 32)
			if err != nil || crcText(uint32(crc)) != p.CRC32C {
				return d.corrupt("checksum %q is not 8 hexadecimal digits", p.CRC32C)
			}
			if want := PartFile(len(m.Parts)); p.File != want {
				return d.corrupt("part %q where %q was to come", p.File, want)
			}
			m.Parts = append(m.Parts, Part{Summary{Bytes: p.Bytes, Blocks: p.Blocks, Entries: p.Entries, Checksum: uint32(crc)}})
		default:
			return d.corrupt("line is neither a table nor a part, or there are too many")
		}
	}
}

// timestampText returns ts as 16 hexadecimal digits: JSON numbers are too small
// for it.
func timestampText(ts hlc.Timestamp) string { return fmt.Sprintf("%016x", uint64(ts)) }

func crcText(crc uint32) string { return fmt.Sprintf("%08x", crc) }

// Folders have the snapshot's timestamp for a name. A second checkpoint at a
// timestamp, of a database that did not change, cannot use the name of the
// published one and gets another.
const folderSuffix = "-2"

// isFolderOf tells whether name is a folder for a checkpoint at ts.
func isFolderOf(name string, ts hlc.Timestamp) bool {
	return name == timestampText(ts) || name == timestampText(ts)+folderSuffix
}

// isFolder tells whether name is a folder for a checkpoint at any timestamp.
func isFolder(name string) bool {
	if len(name) < 16 {
		return false
	}
	ts, err := strconv.ParseUint(name[:16], 16, 64)
	return err == nil && isFolderOf(name, hlc.Timestamp(ts))
}
