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
// exponent, or infinity, with a sign or without. It refuses NaN, spaces, hexadecimal
// digits, and what is too large or too close to zero for a float64.
func ParseFloat(text []byte) (float64, bool) {
	inf, zero, ok := scanFloat(text)
	switch {
	case !ok:
		return 0, false
	case inf:
		return math.Inf(sign(text)), true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil && (f != 0 || zero)
}

// floatLenMax is how long the text of a number may be.
const floatLenMax = 5 << 10

// scanFloat reports whether text is a number, and if so whether it is infinite or
// zero.
func scanFloat(text []byte) (inf, zero, ok bool) {
	if len(text) > floatLenMax {
		return false, false, false
	}
	rest := skipSign(text)
	if bytes.EqualFold(rest, []byte("inf")) || bytes.EqualFold(rest, []byte("infinity")) {
		return true, false, true
	}
	whole := countDigits(rest)
	mantissa := rest[:whole]
	rest = rest[whole:]
	digits := whole
	zero = allZero(mantissa)
	if len(rest) > 0 && rest[0] == '.' {
		fraction := countDigits(rest[1:])
		zero = zero && allZero(rest[1:1+fraction])
		digits += fraction
		rest = rest[1+fraction:]
	}
	if digits == 0 {
		return false, false, false
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest = skipSign(rest[1:])
		n := countDigits(rest)
		if n == 0 {
			return false, false, false
		}
		rest = rest[n:]
	}
	return false, zero, len(rest) == 0
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

func countDigits(text []byte) int {
	for i, c := range text {
		if c < '0' || c > '9' {
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
