package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// packetBytesMax bounds what the suite says at once: an error with its trace.
const packetBytesMax = 64 << 20

// readPacket reads one message of the suite: its length on a line, then a Tcl list.
// Tcl counts its newlines as one byte each and sends them as two.
func readPacket(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || n < 0 || n > packetBytesMax {
		return nil, fmt.Errorf("the suite announced a message of %q bytes", line)
	}
	var payload strings.Builder
	for payload.Len() < n {
		c, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		if c == '\r' {
			if next, _ := r.Peek(1); string(next) == "\n" {
				continue
			}
		}
		payload.WriteByte(c)
	}
	return parseList(payload.String())
}

// writePacket writes one message to the suite.
func writePacket(w io.Writer, words ...string) error {
	payload := formatList(words...)
	_, err := fmt.Fprintf(w, "%d\n%s", len(payload), payload)
	return err
}

var errList = errors.New("not a Tcl list")

// parseList returns the elements of a Tcl list.
func parseList(s string) ([]string, error) {
	list := []string{}
	for {
		s = strings.TrimLeft(s, " \t\n\r\v\f")
		if s == "" {
			return list, nil
		}
		var word string
		var err error
		switch s[0] {
		case '{':
			word, s, err = braced(s)
		case '"':
			word, s, err = backslashed(s[1:], "\"")
			if err == nil && s == "" {
				err = errList
			}
			if err == nil {
				s = s[1:]
			}
		default:
			word, s, err = backslashed(s, " \t\n\r\v\f")
		}
		if err != nil {
			return nil, err
		}
		list = append(list, word)
	}
}

// braced returns the text within the braces that s begins with, and what follows them.
func braced(s string) (word, rest string, err error) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return s[1:i], s[i+1:], nil
		}
	}
	return "", "", errList
}

// backslashed returns the text before the first of the bytes end, without its
// backslashes, and what follows.
func backslashed(s, end string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if strings.IndexByte(end, c) >= 0 {
			return b.String(), s[i:], nil
		}
		if c == '\\' {
			i++
			if i == len(s) {
				return "", "", errList
			}
			c = s[i]
			if at := strings.IndexByte("ntrvfab", c); at >= 0 {
				c = "\n\t\r\v\f\a\b"[at]
			}
		}
		b.WriteByte(c)
	}
	return b.String(), "", nil
}

// formatList returns the Tcl list of the words.
func formatList(words ...string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if word == "" {
			b.WriteString("{}")
			continue
		}
		for j := range len(word) {
			switch c := word[j]; c {
			case '\n':
				b.WriteString(`\n`)
			case '\t':
				b.WriteString(`\t`)
			case '\r':
				b.WriteString(`\r`)
			case '\v':
				b.WriteString(`\v`)
			case '\f':
				b.WriteString(`\f`)
			case ' ', '{', '}', '[', ']', '"', '\\', '$', ';', '#':
				b.WriteByte('\\')
				b.WriteByte(c)
			default:
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}
