package shell

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Word is one word of a command.
type Word struct {
	Text string // its bytes, quotes and escapes resolved
	Bare bool   // written without quotes, so that it may be a keyword
}

// Bytes returns the word as a key or value.
func (w Word) Bytes() []byte { return []byte(w.Text) }

// Is tells whether the word is that keyword.
func (w Word) Is(keyword string) bool { return w.Bare && strings.EqualFold(w.Text, keyword) }

// Parse splits a line into its words.
func Parse(line string) ([]Word, error) {
	var words []Word
	rest := line
	for {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" || rest[0] == '#' {
			return words, nil
		}
		column := utf8.RuneCountInString(line[:len(line)-len(rest)]) + 1
		word, n, err := next(rest)
		if err == nil && n < len(rest) && !isSpace(rest[n]) {
			err = fmt.Errorf("a space is missing after %s", rest[:n])
		}
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", column, err)
		}
		words = append(words, word)
		rest = rest[n:]
	}
}

// next reads the word that s begins with and returns how many bytes of s it
// takes.
func next(s string) (Word, int, error) {
	switch s[0] {
	case '"':
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return Word{}, 0, fmt.Errorf(`the quoted word has no end or an unknown escape; \" \\ \n \t \x00 \u00e4 are known`)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return Word{}, 0, fmt.Errorf("the quoted word has an unknown escape")
		}
		return Word{Text: text}, len(quoted), nil
	case '\'':
		end := strings.IndexByte(s[1:], '\'')
		if end < 0 {
			return Word{}, 0, fmt.Errorf("the quoted word has no end")
		}
		return Word{Text: s[1 : 1+end]}, end + 2, nil
	}
	n := 0
	for n < len(s) && !isSpace(s[n]) {
		switch s[n] {
		case '"', '\'':
			return Word{}, 0, fmt.Errorf("a quote inside of a word: quote the whole word")
		case '\\':
			return Word{}, 0, fmt.Errorf(`a backslash outside of quotes: write "..." for escapes, '...' for the character itself`)
		}
		n++
	}
	if digits, ok := strings.CutPrefix(s[:n], "0x"); ok {
		text, err := hex.DecodeString(digits)
		if err != nil {
			return Word{}, 0, fmt.Errorf("%s is not an even number of hexadecimal digits: quote it if it is text", s[:n])
		}
		return Word{Text: string(text)}, n, nil
	}
	return Word{Text: s[:n], Bare: true}, n, nil
}

// isSpace tells whether c separates words.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// Format is how keys and values are printed.
type Format int

// The formats.
const (
	Quoted Format = iota // as in Go, readable and exact
	Hex                  // 0x and digits, exact
	Raw                  // the bytes themselves
)

// formats are the names of the formats.
var formats = [...]string{"quoted", "hex", "raw"}

// String returns the format's name.
func (f Format) String() string { return formats[f] }

// ParseFormat returns the format with that name.
func ParseFormat(name string) (Format, error) {
	for i, known := range formats {
		if name == known {
			return Format(i), nil
		}
	}
	return 0, fmt.Errorf("unknown format %q: it is one of %s", name, strings.Join(formats[:], ", "))
}

// Append appends b as the format prints it.
func (f Format) Append(dst, b []byte) []byte {
	switch f {
	case Hex:
		return hex.AppendEncode(append(dst, "0x"...), b)
	case Raw:
		return append(dst, b...)
	default:
		return strconv.AppendQuote(dst, string(b))
	}
}
