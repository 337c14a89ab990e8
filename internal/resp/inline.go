package resp

import "bytes"

// blanks separate words.
const blanks = " \t\n\v\f\r"

// appendWords appends the words of an inline request, which alias line unless they
// are quoted. It reports whether all quotes are closed, and by a space.
//
// Within double quotes, \n \r \t \b \a and \xHH are what they are in C, and a
// backslash before another byte is dropped. Within single quotes there is only \'.
func appendWords(words [][]byte, line []byte) ([][]byte, bool) {
	for {
		line = bytes.TrimLeft(line, blanks)
		if len(line) == 0 {
			return words, true
		}
		n := bytes.IndexAny(line, " \t\r\"'")
		if n < 0 {
			n = len(line)
		}
		if n == len(line) || line[n] != '"' && line[n] != '\'' {
			words, line = append(words, line[:n:n]), line[n:]
			continue
		}
		word, rest, ok := quotedWord(line, n)
		if !ok {
			return words, false
		}
		words, line = append(words, word), rest
	}
}

// quotedWord returns the word at the start of line, whose quote is at n and ends it,
// and what follows it.
func quotedWord(line []byte, n int) (word, rest []byte, ok bool) {
	word = append(make([]byte, 0, len(line)), line[:n]...)
	word, rest, ok = appendQuoted(word, line[n+1:], line[n])
	return word, rest, ok && (len(rest) == 0 || bytes.IndexByte([]byte(blanks), rest[0]) >= 0)
}

// appendQuoted appends what stands before the closing quote, and returns what
// follows it.
func appendQuoted(word, rest []byte, quote byte) (_, _ []byte, ok bool) {
	for len(rest) > 0 {
		c := rest[0]
		switch {
		case c == quote:
			return word, rest[1:], true
		case c == '\\' && quote == '"' && len(rest) >= 4 && rest[1] == 'x' && isHex(rest[2]) && isHex(rest[3]):
			word, rest = append(word, hexDigit(rest[2])<<4|hexDigit(rest[3])), rest[4:]
		case c == '\\' && quote == '"' && len(rest) >= 2:
			word, rest = append(word, unescaped(rest[1])), rest[2:]
		case c == '\\' && quote == '\'' && len(rest) >= 2 && rest[1] == '\'':
			word, rest = append(word, '\''), rest[2:]
		default:
			word, rest = append(word, c), rest[1:]
		}
	}
	return nil, nil, false
}

func unescaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexDigit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
