package folder

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/dberr"
)

// FuzzIdentity: what is accepted encodes to the same file.
func FuzzIdentity(f *testing.F) {
	for _, node := range []uint32{0, 1, 1<<32 - 1} {
		whole := Identity{[16]byte{1, 2, 3, 255}, node}.encode()
		text, _, _ := strings.Cut(string(whole), "checksum")
		f.Add(whole, false)
		f.Add([]byte(text), true)
		for _, format := range []string{"format -1", "format 0", "format 1", "format 2", "format 3", "format 5"} {
			f.Add([]byte(strings.Replace(text, "format 4", format, 1)), true)
		}
		f.Add([]byte(strings.ToUpper(text)), true)
		f.Add([]byte(strings.ReplaceAll(text, " ", "  ")), true)
	}
	f.Add([]byte(nil), false)
	f.Add([]byte("godwit replica folder\nformat 1\n"), false)
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		if sealed { // what got its checksum is wrong in other ways
			content = seal(string(content))
		}
		i, err := decodeIdentity("file", content)
		if err != nil {
			if !errors.Is(err, dberr.ErrCorrupt) && !errors.Is(err, dberr.ErrNewerFormat) && !errors.Is(err, dberr.ErrOlderFormat) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(i.encode(), content) {
			t.Fatalf("%q was read as %v", content, i)
		}
	})
}

// TestFormats: both kinds are read, those of other versions are refused by what they are.
func TestFormats(t *testing.T) {
	for _, i := range []Identity{{ID: [16]byte{1, 255}}, {[16]byte{2}, 7}} {
		if got, err := decodeIdentity("file", i.encode()); err != nil || got != i {
			t.Errorf("%v was read as %v: %v", i, got, err)
		}
	}
	for text, want := range map[string]error{
		title + "format 1\nid 01000000000000000000000000000000\n":                             dberr.ErrOlderFormat,
		title + "format 2\nid 01000000000000000000000000000000\n":                             dberr.ErrOlderFormat,
		"godwit replica folder\nformat 1\ncluster 01000000000000000000000000000000\nnode 1\n": dberr.ErrOlderFormat,
		title + "format 5\nwho knows\n":                                                       dberr.ErrNewerFormat,
		title + "format 0\nid 01000000000000000000000000000000\n":                             dberr.ErrCorrupt,
		title + "format 3\nid 01000000000000000000000000000000\nnode 0\n":                     dberr.ErrCorrupt,
		title + "format 3\nid 01000000000000000000000000000000\n":                             dberr.ErrCorrupt,
	} {
		if _, err := decodeIdentity("file", seal(text)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
