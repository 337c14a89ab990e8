package resp

import (
	"bytes"
	"math"
	"strconv"
)

// intLenMax is the length of the longest int64.
const intLenMax = len("-9223372036854775808")

// ParseInt parses an integer that is written in the one way in which it would be
// printed: no plus, no leading zero, no space.
func ParseInt(text []byte) (int64, bool) {
	digits := text
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		digits = text[1:]
	}
	if len(digits) == 0 || len(text) > intLenMax {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(text) == 1
	}
	var n uint64 // holds all numbers of 19 digits
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case len(digits) == intLenMax: // 20 digits
		return 0, false
	case negative && n <= -math.MinInt64:
		return -int64(n), true
	case !negative && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}

// ParseFloat parses a number as Redis does for scores: a decimal with an optional
// exponent, a hexadecimal number with an optional binary one, or infinity, with a sign or without. It refuses NaN, spaces,
// and what is too large or too close to zero for a float64.
func ParseFloat(text []byte) (float64, bool) {
	f, inRange, ok := parseFloat(text)
	return f, inRange && ok
}

// ParseLoose parses a number as Redis does where it only looks whether C's strtod has come to the end of a string: blanks
// may be before it, nothing is zero, and a zero byte is the end. What is too large or too close to zero is infinite or zero, and
// not in range.
func ParseLoose(text []byte) (f float64, inRange, ok bool) {
	text, _, _ = bytes.Cut(text, []byte{0})
	if len(text) == 0 {
		return 0, true, true
	}
	return parseFloat(bytes.TrimLeft(text, " \t\n\v\f\r"))
}

func parseFloat(text []byte) (f float64, inRange, ok bool) {
	n, ok := scanFloat(text)
	switch {
	case !ok:
		return 0, false, false
	case n.infinite:
		return math.Inf(sign(text)), true, true
	}
	f, err := strconv.ParseFloat(n.goText(text), 64)
	return f, err == nil && (f != 0 || n.zero), true
}

// floatLenMax is how long the text of a number may be.
const floatLenMax = 5 << 10

// floatText says what a number is like that is a text.
type floatText struct {
	infinite, zero bool
	hex, exponent  bool // it has one
}

// goText returns a text as Go wants it: a hexadecimal number with an exponent.
func (n floatText) goText(text []byte) string {
	if n.hex && !n.exponent {
		return string(text) + "p0"
	}
	return string(text)
}

// scanFloat reports whether text is a number, and what it is like.
func scanFloat(text []byte) (n floatText, ok bool) {
	if len(text) > floatLenMax {
		return n, false
	}
	rest := skipSign(text)
	if bytes.EqualFold(rest, []byte("inf")) || bytes.EqualFold(rest, []byte("infinity")) {
		return floatText{infinite: true}, true
	}
	isDigit, exponent := isDecimal, byte('e')
	if n.hex = len(rest) > 1 && rest[0] == '0' && rest[1]|0x20 == 'x'; n.hex {
		rest, isDigit, exponent = rest[2:], isHexadecimal, 'p'
	}
	whole := countDigits(rest, isDigit)
	n.zero = allZero(rest[:whole])
	rest = rest[whole:]
	digits := whole
	if len(rest) > 0 && rest[0] == '.' {
		fraction := countDigits(rest[1:], isDigit)
		n.zero = n.zero && allZero(rest[1:1+fraction])
		digits += fraction
		rest = rest[1+fraction:]
	}
	if digits == 0 {
		return n, false
	}
	if n.exponent = len(rest) > 0 && rest[0]|0x20 == exponent; n.exponent {
		rest = skipSign(rest[1:])
		length := countDigits(rest, isDecimal)
		if length == 0 {
			return n, false
		}
		rest = rest[length:]
	}
	return n, len(rest) == 0
}

func skipSign(text []byte) []byte {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		return text[1:]
	}
	return text
}

func sign(text []byte) int {
	if text[0] == '-' {
		return -1
	}
	return 1
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

func isHexadecimal(c byte) bool { return isDecimal(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func countDigits(text []byte, isDigit func(byte) bool) int {
	for i, c := range text {
		if !isDigit(c) {
			return i
		}
	}
	return len(text)
}

func allZero(digits []byte) bool {
	return len(bytes.TrimLeft(digits, "0")) == 0
}

// AppendDouble prints a number as replies and scores have it: with as few digits as
// tell it from any other (Redis before 7.2 prints 17), with an exponent where C's
// %.17g has one.
func AppendDouble(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case abs != 0 && (abs < 1e-4 || abs >= 1e17):
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}
