package shell

import (
	"bytes"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		line string
		want []string // a bare word is marked with a dot before it
	}{
		{"", nil},
		{"  \t ", nil},
		{"# nothing", nil},
		{"get t k", []string{".get", ".t", ".k"}},
		{"get\tt  k \r\n", []string{".get", ".t", ".k"}},
		{"put t k v # a comment", []string{".put", ".t", ".k", ".v"}},
		{"put t a#b #", []string{".put", ".t", ".a#b"}},
		{`put "a b" "" 'it is' ''`, []string{".put", "a b", "", "it is", ""}},
		{`"\x00\xff\n\"\\ü" '\x00"'`, []string{"\x00\xff\n\"\\ü", `\x00"`}},
		{"0x00ff 0x 0xAb", []string{"\x00\xff", "", "\xab"}},
		{`"0x61" 0X61`, []string{"0x61", ".0X61"}},
		{"\xff\xfe x", []string{".\xff\xfe", ".x"}},
		{`"from" from`, []string{"from", ".from"}},
	}
	for _, test := range tests {
		words, err := Parse(test.line)
		if err != nil {
			t.Errorf("%q: %v", test.line, err)
			continue
		}
		var got []string
		for _, w := range words {
			if w.Bare {
				got = append(got, "."+w.Text)
			} else {
				got = append(got, w.Text)
			}
		}
		if strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for line, want := range map[string]string{
		`get "a`:        "column 5: the quoted word has no end",
		`get 'a`:        "column 5: the quoted word has no end",
		`"\q"`:          "column 1: the quoted word has no end or an unknown escape",
		`ü a"b"`:        "column 3: a quote inside of a word",
		`a\x00`:         "column 1: a backslash outside of quotes",
		`"a""b"`:        `column 1: a space is missing after "a"`,
		`'a'b`:          "column 1: a space is missing after 'a'",
		"get 0x123":     "column 5: 0x123 is not an even number",
		"get 0xgg":      "column 5: 0xgg is not an even number",
		"put t k v\"\"": "column 9: a quote inside",
	} {
		if words, err := Parse(line); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %s", line, words, err, want)
		}
	}
}

// FuzzParse: what the shell prints, it reads back as it was.
func FuzzParse(f *testing.F) {
	f.Add("get t k", []byte("\x00 \"\\"))
	f.Add(`put "a" 'b' 0x00 # c`, []byte("0x61"))
	f.Fuzz(func(t *testing.T, line string, key []byte) {
		words, err := Parse(line)
		if err == nil {
			for _, w := range words {
				if w.Bare && w.Text == "" {
					t.Fatalf("%q: an empty bare word", line)
				}
			}
		}
		for _, format := range []Format{Quoted, Hex} {
			printed := format.Append([]byte("get t "), key)
			words, err := Parse(string(printed))
			if err != nil || len(words) != 3 || !bytes.Equal(words[2].Bytes(), key) {
				t.Fatalf("%q printed as %s reads back as %v, %v", key, printed, words, err)
			}
		}
	})
}

func TestFormat(t *testing.T) {
	for name, want := range map[string]string{"quoted": `"a\x00"`, "hex": "0x6100", "raw": "a\x00"} {
		format, err := ParseFormat(name)
		if err != nil || format.String() != name {
			t.Fatalf("%s: %v, %v", name, format, err)
		}
		if got := string(format.Append(nil, []byte("a\x00"))); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if _, err := ParseFormat("json"); err == nil {
		t.Error("an unknown format is taken")
	}
}
