package godwit

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// FuzzIdentity: what is accepted encodes to the same file.
func FuzzIdentity(f *testing.F) {
	for _, format := range []int{0, 1, folderFormat, folderFormat + 1, -1} {
		whole := formatIdentity(format, [16]byte{1, 2, 3, 255})
		text, _, _ := strings.Cut(string(whole), "checksum")
		f.Add(whole, false)
		f.Add([]byte(text), true)
		f.Add([]byte(strings.ToUpper(text)), true)
		f.Add([]byte(strings.ReplaceAll(text, " ", "  ")), true)
	}
	f.Add([]byte(nil), false)
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		if sealed { // what got its checksum is wrong in other ways
			content = sealIdentity(string(content))
		}
		format, id, err := parseIdentity("file", content)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerFormat) {
				t.Fatal(err)
			}
			return
		}
		if format < 1 || format > folderFormat || !bytes.Equal(formatIdentity(format, id), content) {
			t.Fatalf("%q was read as format %d of %x", content, format, id)
		}
	})
}
