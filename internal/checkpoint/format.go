package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/record"
)

const (
	// FormatVersion is the version of streams and manifests that this package
	// writes, and the newest one that it reads.
	FormatVersion = 1

	// KeyBytesMax and ValueBytesMax bound an entry.
	KeyBytesMax   = record.KeyBytesMax
	ValueBytesMax = 64 << 20
	// TableNameBytesMax bounds a table's name, which is also valid UTF-8 and
	// not empty.
	TableNameBytesMax = 255
	// TablesMax bounds a table directory.
	TablesMax = 1 << 16

	// BlockTargetBytes is how large blocks grow. It is large enough to make the
	// work per block small and small enough that a block stays in the cache
	// between its checksum and its use.
	BlockTargetBytes = 256 << 10
	// blockBytesMax bounds a block's body: an entry larger than the target has a
	// block of its own.
	blockBytesMax = ValueBytesMax + KeyBytesMax + 2*binary.MaxVarintLen32
	// entryBytesMin is the smallest entry: an empty key and an empty value.
	entryBytesMin = 2

	headerBytes      = 48
	headerCRCOffset  = headerBytes - 4
	blockHeaderBytes = 32
	blockCRCOffset   = blockHeaderBytes - 4
	footerBodyBytes  = 32
	footerBytes      = blockHeaderBytes + footerBodyBytes
	tableKeyBytes    = 5
)

// magic begins every stream. Magic, version and checksum of a header stay where
// they are in all versions.
var magic = [8]byte{'G', 'O', 'D', 'W', 'I', 'T', 'C', 'K'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrForeignDatabase: the checkpoint or backup is intact but of another database.
var ErrForeignDatabase = errors.New("godwit: the checkpoint belongs to another database")

// DatabaseID tells databases apart: it is drawn when one is created.
type DatabaseID [16]byte

// String returns the id as 32 hexadecimal digits.
func (id DatabaseID) String() string { return hex.EncodeToString(id[:]) }

// expectDatabase checks that file is of the database want; the zero id stands
// for any.
func expectDatabase(file string, got, want DatabaseID) error {
	if want != (DatabaseID{}) && got != want {
		return fmt.Errorf("%s is of database %v, not of %v: %w", file, got, want, ErrForeignDatabase)
	}
	return nil
}

// TableID is a table's number in records and blocks.
type TableID uint32

// TableKind tells how a table is indexed. Its values are the engine's: here they
// are only kept.
type TableKind uint8

// Table is an entry of the table directory.
type Table struct {
	ID   TableID
	Kind TableKind
	Name string
}

// validate tells whether t can be stored.
func (t Table) validate() error {
	switch {
	case t.Name == "":
		return fmt.Errorf("table %d has no name", t.ID)
	case len(t.Name) > TableNameBytesMax:
		return fmt.Errorf("name of table %d has %d bytes, at most %d are allowed", t.ID, len(t.Name), TableNameBytesMax)
	case !utf8.ValidString(t.Name):
		return fmt.Errorf("name of table %d is not valid UTF-8", t.ID)
	}
	return nil
}

// validateTables tells whether the tables can be a directory: ids and names are
// unique.
func validateTables(tables []Table) error {
	if len(tables) > TablesMax {
		return fmt.Errorf("%d tables, at most %d are allowed", len(tables), TablesMax)
	}
	ids := make(map[TableID]struct{}, len(tables))
	names := make(map[string]struct{}, len(tables))
	for _, t := range tables {
		if err := t.validate(); err != nil {
			return err
		}
		if _, twice := ids[t.ID]; twice {
			return fmt.Errorf("table id %d occurs twice", t.ID)
		}
		if _, twice := names[t.Name]; twice {
			return fmt.Errorf("table name %q occurs twice", t.Name)
		}
		ids[t.ID], names[t.Name] = struct{}{}, struct{}{}
	}
	return nil
}

// StreamKind tells what a stream is.
type StreamKind uint8

const (
	// PartStream is a part of a checkpoint.
	PartStream StreamKind = 1
	// BackupStream is a whole database.
	BackupStream StreamKind = 2
)

// String returns "part" or "backup".
func (k StreamKind) String() string {
	switch k {
	case PartStream:
		return "part"
	case BackupStream:
		return "backup"
	}
	return fmt.Sprintf("stream of kind %d", uint8(k))
}

// Header begins a stream and says what it is of.
//
//	offset  0  magic            8 bytes
//	        8  format version   uint16, little endian like all that follow
//	       10  kind             uint8
//	       11  0                uint8
//	       12  part             uint32
//	       16  database         16 bytes
//	       32  timestamp        uint64
//	       40  0                uint32
//	       44  CRC32C of the above
type Header struct {
	Kind      StreamKind
	Part      uint32 // number of the part, 0 for a backup
	Database  DatabaseID
	Timestamp hlc.Timestamp // of the snapshot
}

func (h Header) encode() (b [headerBytes]byte) {
	copy(b[:], magic[:])
	binary.LittleEndian.PutUint16(b[8:], FormatVersion)
	b[10] = byte(h.Kind)
	binary.LittleEndian.PutUint32(b[12:], h.Part)
	copy(b[16:], h.Database[:])
	binary.LittleEndian.PutUint64(b[32:], uint64(h.Timestamp))
	binary.LittleEndian.PutUint32(b[headerCRCOffset:], crc32.Checksum(b[:headerCRCOffset], castagnoli))
	return b
}

// decodeHeader reads the header of file.
func decodeHeader(file string, b *[headerBytes]byte) (Header, error) {
	if !bytes.Equal(b[:8], magic[:]) {
		return Header{}, dberr.Corrupt(file, 0, "it does not begin like a checkpoint or backup")
	}
	if binary.LittleEndian.Uint32(b[headerCRCOffset:]) != crc32.Checksum(b[:headerCRCOffset], castagnoli) {
		return Header{}, dberr.Corrupt(file, 0, "checksum of the header does not match")
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v > FormatVersion {
		return Header{}, fmt.Errorf("%s has format %d, this version reads up to %d: %w", file, v, FormatVersion, dberr.ErrNewerFormat)
	} else if v == 0 {
		return Header{}, dberr.Corrupt(file, 0, "format 0 does not exist")
	}
	h := Header{
		Kind:      StreamKind(b[10]),
		Part:      binary.LittleEndian.Uint32(b[12:]),
		Database:  DatabaseID(b[16:32]),
		Timestamp: hlc.Timestamp(binary.LittleEndian.Uint64(b[32:])),
	}
	if h.encode() != *b || h.validate() != nil {
		return Header{}, dberr.Corrupt(file, 0, "header has fields that format %d does not allow", FormatVersion)
	}
	return h, nil
}

func (h Header) validate() error {
	switch {
	case h.Kind != PartStream && h.Kind != BackupStream:
		return fmt.Errorf("stream kind %d does not exist", h.Kind)
	case h.Kind == BackupStream && h.Part != 0:
		return fmt.Errorf("a backup has no part %d", h.Part)
	case h.Timestamp > hlc.Max:
		return fmt.Errorf("timestamp %d is above the largest", h.Timestamp)
	}
	return nil
}

// Summary is what a stream holds: a footer's content, and the progress of the
// one who writes or reads it.
type Summary struct {
	Blocks  int64 // of entries
	Entries int64
	Bytes   int64 // of the whole stream, header and footer included
	// Checksum covers all bytes of the stream before its footer.
	Checksum uint32
}
