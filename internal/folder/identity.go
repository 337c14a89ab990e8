package folder

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/godwitdb/godwit/internal/dberr"
)

// The formats: of an embedded database's folder and of a replica's. 1 and 2 were embedded
// ones, whose logs had another format.
const (
	formatReplica  = 3
	formatEmbedded = 4

	newest           = formatEmbedded
	identityBytesMax = 4096
)

// Identity says what a folder is.
type Identity struct {
	ID   [16]byte // of the database; all its replicas have the same
	Node uint32   // whose replica it is, 0 of an embedded database
}

// String says it to people.
func (i Identity) String() string {
	if i.Node == 0 {
		return fmt.Sprintf("the embedded database %x", i.ID)
	}
	return fmt.Sprintf("node %d of cluster %x", i.Node, i.ID)
}

// encode returns the identity file: text for people, with a checksum.
func (i Identity) encode() []byte {
	if i.Node == 0 {
		return seal(fmt.Sprintf("%sformat %d\nid %x\n", title, formatEmbedded, i.ID))
	}
	return seal(fmt.Sprintf("%sformat %d\nid %x\nnode %d\n", title, formatReplica, i.ID, i.Node))
}

const title = "godwit data folder\n"

func seal(text string) []byte {
	return fmt.Appendf(nil, "%schecksum %08x\n", text, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

// decodeIdentity is the reverse of encode. name is the file's, for errors.
func decodeIdentity(name string, content []byte) (Identity, error) {
	text := string(content)
	if strings.HasPrefix(text, "godwit replica folder\n") {
		return Identity{}, fmt.Errorf("%w: %s is a replica's; let it join again, with an empty folder", dberr.ErrOlderFormat, name)
	}
	var format int
	if _, err := fmt.Sscanf(text, title+"format %d\n", &format); err != nil {
		return Identity{}, dberr.Corrupt(name, 0, "it does not begin as an identity file does")
	}
	switch {
	case format > newest:
		return Identity{}, fmt.Errorf("%w: %s has format %d, this program knows %d", dberr.ErrNewerFormat, name, format, newest)
	case format == 1 || format == 2:
		return Identity{}, fmt.Errorf("%w: %s has format %d; make a backup with the version that wrote it, and restore that", dberr.ErrOlderFormat, name, format)
	}
	if i, err := scanIdentity(text, format); err == nil && bytes.Equal(content, i.encode()) {
		return i, nil
	}
	return Identity{}, dberr.Corrupt(name, 0, "its checksum does not fit its content")
}

// scanIdentity reads what stands behind the format.
func scanIdentity(text string, format int) (i Identity, err error) {
	var id string
	if format == formatReplica {
		_, err = fmt.Sscanf(text, title+"format 3\nid %32s\nnode %d\n", &id, &i.Node)
	} else {
		_, err = fmt.Sscanf(text, title+"format 4\nid %32s\n", &id)
	}
	if err != nil {
		return i, err
	}
	raw, err := hex.DecodeString(id)
	copy(i.ID[:], raw)
	return i, err
}
