package script

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// numberDigits is the precision at which Lua prints a number (%.14g).
const numberDigits = 14

const spaces = " \t\n\v\f\r"

// formatNumber prints as C's %.<digits>g does.
func formatNumber(f float64, digits int) string {
	switch {
	case math.IsNaN(f):
		if math.Signbit(f) {
			return "-nan"
		}
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if i := int64(f); float64(i) == f && i > -1e14 && i < 1e14 && (i != 0 || !math.Signbit(f)) {
		return strconv.FormatInt(i, 10)
	}
	return strconv.FormatFloat(f, 'g', digits, 64)
}

// parseNumber reads what C's strtod reads, the whole string but for spaces
// around it.
func parseNumber(s string) (float64, bool) {
	s = strings.Trim(s, spaces)
	if s == "" || strings.Contains(s, "_") {
		return 0, false
	}
	if rest := strings.TrimLeft(s, "+-"); len(s)-len(rest) <= 1 && len(rest) > 2 && rest[0] == '0' && rest[1]|0x20 == 'x' {
		if !strings.ContainsAny(rest, "pP") {
			s += "p0" // Go wants the exponent of a hexadecimal number
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// toInt64 converts as the x86 does: what does not fit is the smallest integer.
func toInt64(f float64) int64 {
	if f >= -(1<<63) && f < 1<<63 {
		return int64(f)
	}
	return math.MinInt64
}

// toString converts a string or a number; ok is false for all else.
func toString(v lua.LValue) (s string, ok bool) {
	switch v := v.(type) {
	case lua.LString:
		return string(v), true
	case lua.LNumber:
		return formatNumber(float64(v), numberDigits), true
	}
	return "", false
}

// toNumber converts a number or a string that reads as one.
func toNumber(v lua.LValue) (f float64, ok bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return parseNumber(string(v))
	}
	return 0, false
}
