package resp

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestParseInt(t *testing.T) {
	for _, text := range []string{"0", "1", "-1", "10", "123456789", "9223372036854775807", "-9223372036854775808", "999999999999999999"} {
		want, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ParseInt([]byte(text)); !ok || got != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "a", "1.0", "1e3", "9223372036854775808", "-9223372036854775809",
		"18446744073709551616", "18446744073709551617", "-18446744073709551617", "10000000000000000000", "99999999999999999999", "--1", "1\x00",
	} {
		if got, ok := ParseInt([]byte(text)); ok {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestParseFloat(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "1": 1, "+1": 1, "-1.5": -1.5, ".5": .5, "5.": 5, "1e3": 1000, "1E-3": .001, "1e+3": 1000,
		"001": 1, "0e999": 0, "0.000e-999": 0, "inf": math.Inf(1), "+inf": math.Inf(1), "-inf": math.Inf(-1), "INF": math.Inf(1), "Infinity": math.Inf(1),
		"-infinity": math.Inf(-1), "17976931348623157e292": math.MaxFloat64, "5e-324": 5e-324,
		"0x10": 16, "-0X1F": -31, "0x1p3": 8, "0x.8P1": 1, "0x1.8": 1.5, "0x0p-9999": 0,
	} {
		got, ok := ParseFloat([]byte(text))
		if !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", " ", " 1", "1 ", "nan", "NaN", "-nan", "0x", "0x1p", "0x1_0", "0x1e+1", "0x1p9999", "0x1p-9999", "1p3", "1_000", "e3", ".", "+", "-", "+-1", "1e", "1e+", "1.2.3", "inf ", "infi",
		"1e309", "-1e309", "1e-400", "1\x00", "one", strings.Repeat("1", floatLenMax+1),
	} {
		if got, ok := ParseFloat([]byte(text)); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseLoose(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, "1": 1, " \t\n1": 1, "1\x00x": 1, "\x00": 0, "0x1p3": 8, "inf": math.Inf(1), "1e400": math.Inf(1), "-1e400": math.Inf(-1), "1e-400": 0,
	} {
		got, inRange, ok := ParseLoose([]byte(text))
		if !ok || got != want || inRange == strings.Contains(text, "400") {
			t.Errorf("%q: %v, %v, %v", text, got, inRange, ok)
		}
	}
	for _, text := range []string{" ", "1 ", "nan", "0x", "1e", "( 1", "one"} {
		if got, _, ok := ParseLoose([]byte(text)); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestAppendDouble(t *testing.T) {
	for want, f := range map[string]float64{
		"0": 0, "-0": math.Copysign(0, -1), "1": 1, "-1.5": -1.5, "3.3": 3.3, "1000000": 1e6, "0.0001": 1e-4,
		"1e-05": 1e-5, "10000000000000000": 1e16, "1e+17": 1e17, "1e+100": 1e100, "0.3333333333333333": 1.0 / 3, "inf": math.Inf(1), "-inf": math.Inf(-1),
		"nan": math.NaN(),
	} {
		if got := string(AppendDouble(nil, f)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLongDouble(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"0", "1", "1"},
		{"1", "0.25", "1.25"},
		{"1", "-1.1", "-0.1"},
		{"0.1", "0.2", "0.3"},
		{"10.50", "0.1", "10.6"},
		{"5.0e3", "2.0e2", "5200"},
		{"3.0", "1.1", "4.1"},
		{"-0", "-0", "0"},
		{"1", "-1", "0"},
		{"17179869184", "1.5", "17179869185.5"},
		{"1e20", "0", "100000000000000000000"},
		{"1e-20", "0", "0"},
		{"-1e-20", "0", "0"},
		{"1e-4950", "1.5", "1.5"},
		{"1e-4900", "1e-4900", "0"},
		{"6e-18", "0", "0.00000000000000001"},
		{"5.0001e-18", "0", "0.00000000000000001"},
		{"-4.9999e-18", "0", "0"},
		{"1e4000", "1e4000", ""},
	} {
		a, ok := ParseLongDouble([]byte(c.a))
		b, ok2 := ParseLongDouble([]byte(c.b))
		sum, ok3 := a.Add(&b)
		if !ok || !ok2 || !ok3 {
			t.Errorf("%s + %s: %v %v %v", c.a, c.b, ok, ok2, ok3)
		}
		if got := string(sum.Append(nil)); c.want != "" && got != c.want {
			t.Errorf("%s + %s = %s, want %s", c.a, c.b, got, c.want)
		}
	}
	largest, _ := ParseLongDouble([]byte("1.1e4932"))
	inf, ok := ParseLongDouble([]byte("-inf"))
	if !ok || inf.IsFinite() {
		t.Error("-inf is taken for finite")
	}
	for _, d := range []*LongDouble{&largest, &inf} {
		if sum, ok := d.Add(d); ok {
			t.Errorf("the sum %s is finite", sum.Append(nil))
		}
	}
	for _, text := range []string{"", "nan", "1 ", "1p3", "0x", "1e5000", "1e99999999999", "1e2000000000", "1e-5000", "1e-20000000", "1e-2000000000"} {
		if d, ok := ParseLongDouble([]byte(text)); ok {
			t.Errorf("%q: %s", text, d.Append(nil))
		}
	}
}

// FuzzNumbers: numbers that are parsed are printed as the same.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{"1", "-9223372036854775808", "1.5e-7", "inf", "1e2000000000", "1e-20000000", "1e-4950"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := ParseInt([]byte(text)); ok && strconv.FormatInt(n, 10) != text {
			t.Fatalf("%q is %d", text, n)
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
			if got, ok := ParseInt([]byte(text)); !ok || got != n {
				t.Fatalf("%q is %d, %v", text, got, ok)
			}
		}
		if n, ok := ParseFloat([]byte(text)); ok {
			if again, ok := ParseFloat(AppendDouble(nil, n)); !ok || again != n {
				t.Fatalf("%q is %v and then %v", text, n, again)
			}
		}
		if d, ok := ParseLongDouble([]byte(text)); ok && d.IsFinite() {
			if _, ok := ParseLongDouble(d.Append(nil)); !ok {
				t.Fatalf("%q cannot be parsed again", d.Append(nil))
			}
		}
	})
}

func TestCeilTimes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1000, "0.0001": 1, "-0.0001": 0, "-1.5": -1500, "0x1p-4": 63, "9223372036854775": 9223372036854775000,
		"9223372036854776": -1, "1e400": -1, "-1e400": -1, "inf": -1, "-inf": -1,
	} {
		d, ok := ParseLongDouble([]byte(text))
		if !ok {
			t.Fatal(text)
		}
		if got, ok := d.CeilTimes(1000); ok != (want != -1) || ok && got != want {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
}
