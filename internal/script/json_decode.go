package script

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// jsonToken is a token by the name that cjson's errors have for it, or the
// text of an error.
type jsonToken string

const (
	jsonObjectBegin jsonToken = "T_OBJ_BEGIN"
	jsonObjectEnd   jsonToken = "T_OBJ_END"
	jsonArrayBegin  jsonToken = "T_ARR_BEGIN"
	jsonArrayEnd    jsonToken = "T_ARR_END"
	jsonString      jsonToken = "T_STRING"
	jsonNumber      jsonToken = "T_NUMBER"
	jsonBool        jsonToken = "T_BOOLEAN"
	jsonNull        jsonToken = "T_NULL"
	jsonColon       jsonToken = "T_COLON"
	jsonComma       jsonToken = "T_COMMA"
	jsonEnd         jsonToken = "T_END"
	jsonInvalid     jsonToken = "invalid token"
	jsonBadNumber   jsonToken = "invalid number"
	jsonBadEscape   jsonToken = "invalid escape code"
	jsonBadUnicode  jsonToken = "invalid unicode escape code"
	jsonOpenString  jsonToken = "unexpected end of string"
)

// jsonReader decodes a text. Its errors are raised through the call.
type jsonReader struct {
	call
	cfg   *jsonConfig
	text  string
	at    int
	start int // of the token, or the place of its error
	depth int
	steps int
	// value of the last token
	value lua.LValue
}

func (c call) decodeJSON(cfg *jsonConfig, text string) lua.LValue {
	if len(text) >= 2 && (text[0] == 0 || text[1] == 0) {
		c.fail("JSON parser does not support UTF-16 or UTF-32")
	}
	r := &jsonReader{call: c, cfg: cfg, text: text}
	v := r.any(r.token())
	if t := r.token(); t != jsonEnd {
		r.unexpected("the end", t)
	}
	return v
}

func (r *jsonReader) unexpected(want string, found jsonToken) {
	r.fail("Expected %s but found %s at character %d", want, string(found), r.start+1)
}

// peek is the byte at an offset; the text ends in a zero.
func (r *jsonReader) peek(offset int) byte {
	if at := r.at + offset; at < len(r.text) {
		return r.text[at]
	}
	return 0
}

func (r *jsonReader) token() jsonToken {
	for strings.IndexByte(" \t\n\r", r.peek(0)) >= 0 {
		r.at++
	}
	r.steps++
	r.step(r.steps)
	r.start = r.at
	ch := r.peek(0)
	if ch == 0 {
		return jsonEnd
	}
	if t := punctuation(ch); t != "" {
		r.at++
		return t
	}
	rest := r.text[r.at:]
	switch {
	case ch == '"':
		return r.string()
	case ch == '-' || ch >= '0' && ch <= '9':
		if !r.cfg.decodeInvalid && unusualNumber(rest) {
			return jsonBadNumber
		}
		return r.number()
	case strings.HasPrefix(rest, "true"):
		r.at, r.value = r.at+4, lua.LTrue
		return jsonBool
	case strings.HasPrefix(rest, "false"):
		r.at, r.value = r.at+5, lua.LFalse
		return jsonBool
	case strings.HasPrefix(rest, "null"):
		r.at, r.value = r.at+4, r.null
		return jsonNull
	case strings.IndexByte("+iInN", ch) >= 0 && r.cfg.decodeInvalid && unusualNumber(rest):
		return r.number()
	}
	return jsonInvalid
}

func punctuation(ch byte) jsonToken {
	switch ch {
	case '{':
		return jsonObjectBegin
	case '}':
		return jsonObjectEnd
	case '[':
		return jsonArrayBegin
	case ']':
		return jsonArrayEnd
	case ',':
		return jsonComma
	case ':':
		return jsonColon
	}
	return ""
}

// unusualNumber says that a number is none of JSON: it has a plus sign or
// leading zeros, is hexadecimal, infinite or not a number.
func unusualNumber(s string) bool {
	if s[0] == '+' {
		return true
	}
	s = strings.ToLower(strings.TrimPrefix(s[:min(len(s), 4)], "-"))
	if strings.HasPrefix(s, "0") {
		return len(s) > 1 && (s[1] == 'x' || s[1] >= '0' && s[1] <= '9')
	}
	return strings.HasPrefix(s, "inf") || strings.HasPrefix(s, "nan")
}

// number reads as much as C's strtod would.
func (r *jsonReader) number() jsonToken {
	n := numberPrefix(r.text[r.at:])
	digits := r.text[r.at : r.at+n]
	f, ok := parseNumber(digits)
	if n > 0 && strings.HasSuffix(strings.ToLower(digits), "nan") {
		f, ok = math.NaN(), true
	}
	if !ok {
		return jsonBadNumber
	}
	r.at += n
	r.value = lua.LNumber(f)
	return jsonNumber
}

// numberPrefix is the length of the longest number at the start of a text.
func numberPrefix(s string) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	for _, word := range []string{"infinity", "inf", "nan"} {
		if len(s)-i >= len(word) && strings.EqualFold(s[i:i+len(word)], word) {
			return i + len(word)
		}
	}
	digits := func(set string) bool {
		start := i
		for i < len(s) && strings.IndexByte(set, s[i]) >= 0 {
			i++
		}
		return i > start
	}
	set, exponent := "0123456789", "eE"
	if i+2 < len(s) && s[i] == '0' && s[i+1]|0x20 == 'x' && strings.IndexByte("0123456789abcdefABCDEF", s[i+2]) >= 0 {
		set, exponent = "0123456789abcdefABCDEF", "pP"
		i += 2
	}
	found := digits(set)
	if i < len(s) && s[i] == '.' {
		i++
		found = digits(set) || found
	}
	if !found {
		return 0
	}
	end := i
	if i < len(s) && strings.IndexByte(exponent, s[i]) >= 0 {
		i++
		if i < len(s) && (s[i] == '-' || s[i] == '+') {
			i++
		}
		if digits("0123456789") {
			end = i
		}
	}
	return end
}

func (r *jsonReader) string() jsonToken {
	r.at++
	if n := strings.IndexAny(r.text[r.at:], "\"\\\x00"); n >= 0 && r.text[r.at+n] == '"' {
		r.value = lua.LString(r.text[r.at : r.at+n]) // nothing to unescape
		r.at += n + 1
		return jsonString
	}
	var b []byte
	for {
		switch ch := r.peek(0); ch {
		case '"':
			r.at++
			r.value = lua.LString(b)
			return jsonString
		case 0:
			r.start = r.at
			return jsonOpenString
		case '\\':
			var problem jsonToken
			if b, problem = r.escape(b); problem != "" {
				r.start = r.at
				return problem
			}
		default:
			b = append(b, ch)
			r.at++
		}
	}
}

func (r *jsonReader) escape(b []byte) ([]byte, jsonToken) {
	switch ch := r.peek(1); ch {
	case '"', '\\', '/':
		b = append(b, ch)
	case 'b':
		b = append(b, '\b')
	case 't':
		b = append(b, '\t')
	case 'n':
		b = append(b, '\n')
	case 'f':
		b = append(b, '\f')
	case 'r':
		b = append(b, '\r')
	case 'u':
		return r.unicode(b)
	default:
		return b, jsonBadEscape
	}
	r.at += 2
	return b, ""
}

// unicode reads \uXXXX, or two of them that make a surrogate pair.
func (r *jsonReader) unicode(b []byte) ([]byte, jsonToken) {
	code, ok := r.hex4(2)
	if !ok {
		return b, jsonBadUnicode
	}
	n := 6
	if code&0xF800 == 0xD800 {
		low, ok := r.hex4(8)
		if code&0x400 != 0 || r.peek(6) != '\\' || r.peek(7) != 'u' || !ok || low&0xFC00 != 0xDC00 {
			return b, jsonBadUnicode
		}
		code = (code&0x3FF)<<10 | low&0x3FF + 0x10000
		n = 12
	}
	r.at += n
	return utf8.AppendRune(b, code), ""
}

func (r *jsonReader) hex4(offset int) (rune, bool) {
	from := r.at + offset
	if from+4 > len(r.text) {
		return 0, false
	}
	n, err := strconv.ParseUint(r.text[from:from+4], 16, 16)
	return rune(n), err == nil
}

// any reads the value that begins with a token.
func (r *jsonReader) any(t jsonToken) lua.LValue {
	switch t {
	case jsonString, jsonNumber, jsonBool, jsonNull:
		return r.value
	case jsonObjectBegin:
		return r.object()
	case jsonArrayBegin:
		return r.array()
	}
	r.unexpected("value", t)
	return nil
}

func (r *jsonReader) descend() {
	if r.depth++; r.depth > min(r.cfg.decodeDepthMax, dataDepthMax) {
		r.fail("Found too many nested data structures (%d) at character %d", r.depth, r.at)
	}
}

func (r *jsonReader) object() lua.LValue {
	r.descend()
	table := r.L.NewTable()
	t := r.token()
	for t != jsonObjectEnd {
		if t != jsonString {
			r.unexpected("object key string", t)
		}
		key := string(r.value.(lua.LString))
		if t = r.token(); t != jsonColon {
			r.unexpected("colon", t)
		}
		table.RawSetString(key, r.any(r.token()))
		if t = r.token(); t == jsonObjectEnd {
			break
		}
		if t != jsonComma {
			r.unexpected("comma or object end", t)
		}
		if t = r.token(); t == jsonObjectEnd { // a comma promises another key
			r.unexpected("object key string", t)
		}
	}
	r.depth--
	return table
}

func (r *jsonReader) array() lua.LValue {
	r.descend()
	table := r.L.NewTable()
	t := r.token()
	for i := 1; t != jsonArrayEnd; i++ {
		table.RawSetInt(i, r.any(t))
		if t = r.token(); t == jsonArrayEnd {
			break
		}
		if t != jsonComma {
			r.unexpected("comma or array end", t)
		}
		if t = r.token(); t == jsonArrayEnd { // a comma promises another value
			r.unexpected("value", t)
		}
	}
	r.depth--
	return table
}
