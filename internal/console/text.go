package console

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns bytes as a text: what cannot be shown as \xNN, and a backslash doubled if there is any such.
func printable(b []byte) string {
	if utf8.Valid(b) && strings.IndexFunc(string(b), unprintable) < 0 {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1 || unprintable(r):
			for _, c := range b[:n] {
				fmt.Fprintf(&s, `\x%02x`, c)
			}
		case r == '\\':
			s.WriteString(`\\`)
		default:
			s.WriteRune(r)
		}
		b = b[n:]
	}
	return s.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }

var errQuotes = errors.New("the quotes are not closed, or no space is behind them")

// words divides a line as redis-cli does: words in double quotes have escapes (\n \r \t \b \a \" \\ \xNN), those in single
// quotes only \'.
func words(line string) (list []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return list, nil
		}
		var word string
		switch line[0] {
		case '"':
			word, line, err = quoted(line[1:], '"')
		case '\'':
			word, line, err = quoted(line[1:], '\'')
		default:
			end := strings.IndexAny(line, " \t\r\n")
			if end < 0 {
				end = len(line)
			}
			word, line = line[:end], line[end:]
		}
		if err != nil {
			return nil, err
		}
		list = append(list, word)
	}
}

// quoted reads a word up to its closing quote and returns what is behind.
func quoted(s string, quote byte) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			if rest = s[i+1:]; rest != "" && strings.IndexByte(" \t\r\n", rest[0]) < 0 {
				return "", "", errQuotes
			}
			return b.String(), rest, nil
		case c != '\\' || i+1 == len(s):
			b.WriteByte(c)
		case quote == '\'':
			if s[i+1] == '\'' {
				i++
			}
			b.WriteByte(s[i])
		default:
			i++
			i += escape(&b, s[i:])
		}
	}
	return "", "", errQuotes
}

// escape writes what follows a backslash and returns how many bytes more than one it has.
func escape(b *strings.Builder, s string) (more int) {
	if len(s) >= 3 && s[0] == 'x' {
		if c, err := hex.DecodeString(s[1:3]); err == nil {
			b.Write(c)
			return 2
		}
	}
	if i := strings.IndexByte("nrtba", s[0]); i >= 0 {
		b.WriteByte("\n\r\t\b\a"[i])
	} else {
		b.WriteByte(s[0])
	}
	return 0
}
