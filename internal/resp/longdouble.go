package resp

import (
	"bytes"
	"math/big"
)

const (
	// The range and the precision are those of an x87 register.
	longDoublePrecision   = 64
	longDoubleExponentMax = 16384
	longDoubleExponentMin = -16444
	// longDoubleDecimals is how many decimals are printed.
	longDoubleDecimals = 17
	// longDoubleShownExponentMin is the exponent below which all of them are zero.
	longDoubleShownExponentMin = -58
)

// LongDouble is a number of INCRBYFLOAT and HINCRBYFLOAT. It has the precision of
// Redis's, so that 1 - 1.1 is -0.1 when it is printed.
type LongDouble struct{ f big.Float }

// ParseLongDouble parses the same texts as ParseFloat, and refuses what is too large
// or too close to zero for a LongDouble.
func ParseLongDouble(text []byte) (LongDouble, bool) {
	n, ok := scanFloat(text)
	if !ok {
		return LongDouble{}, false
	}
	var d LongDouble
	if n.infinite {
		d.f.SetInf(text[0] == '-')
		return d, true
	}
	d.f.SetPrec(longDoublePrecision)
	base := 10
	if n.hex {
		base = 0 // as the prefix has it
	}
	if _, _, err := d.f.Parse(string(text), base); err != nil || !d.IsFinite() {
		return LongDouble{}, false
	}
	return d, n.zero || d.f.Sign() != 0 && d.f.MantExp(nil) >= longDoubleExponentMin
}

// CeilTimes returns the integer from the product with a number on, or false if that is beyond an int64.
func (d *LongDouble) CeilTimes(n int64) (int64, bool) {
	var product, whole big.Float
	product.SetPrec(longDoublePrecision).Mul(&d.f, whole.SetInt64(n))
	i, _ := product.Int(nil)
	if i == nil {
		return 0, false
	}
	if product.Cmp(whole.SetInt(i)) > 0 {
		i.Add(i, big.NewInt(1))
	}
	return i.Int64(), i.IsInt64()
}

// IsFinite reports whether the number is in the range of a LongDouble.
func (d *LongDouble) IsFinite() bool {
	return !d.f.IsInf() && d.f.MantExp(nil) <= longDoubleExponentMax
}

// Add returns the sum, or false if it is infinite or none.
func (d *LongDouble) Add(other *LongDouble) (LongDouble, bool) {
	if d.f.IsInf() || other.f.IsInf() {
		return LongDouble{}, false
	}
	var sum LongDouble
	sum.f.SetPrec(longDoublePrecision).Add(&d.f, &other.f)
	return sum, sum.IsFinite()
}

// Append prints the number for people: with up to 17 decimals and no exponent.
func (d *LongDouble) Append(dst []byte) []byte {
	// Big numbers are printed from all their bits, which are many if the exponent is small.
	if d.f.MantExp(nil) < longDoubleShownExponentMin {
		return append(dst, '0')
	}
	start := len(dst)
	dst = d.f.Append(dst, 'f', longDoubleDecimals)
	if bytes.IndexByte(dst[start:], '.') >= 0 {
		dst = bytes.TrimSuffix(bytes.TrimRight(dst, "0"), []byte{'.'})
	}
	if string(dst[start:]) == "-0" {
		dst = append(dst[:start], '0')
	}
	return dst
}
