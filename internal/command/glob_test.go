package command

import (
	"bytes"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"**", "", true},
		{"*", "anything", true},
		{"?", "", false},
		{"h?llo", "hallo", true},
		{"h?llo", "hllo", false},
		{"h*llo", "hllo", true},
		{"h*llo", "heeeello", true},
		{"*foo*", "a foo in it", true},
		{"*foo", "a foo in it", false},
		{"foo*", "foo", true},
		{"a*b*c", "a-b-b-c-c", true},
		{"a*b*c", "a-c-b", false},
		{"h[ae]llo", "hello", true},
		{"h[ae]llo", "hillo", false},
		{"h[^e]llo", "hello", false},
		{"h[^e]llo", "hbllo", true},
		{"[a-c]", "b", true},
		{"[c-a]", "b", true},
		{"[a-c]", "d", false},
		{"[^a-c]", "d", true},
		{"[a-]", "`", true}, // a range that ends in a bracket
		{"[a-", "-", true},
		{"[abc", "c", true},
		{"[", "[", false},
		{"[^", "x", true},
		{"[]a]", "a]", false},
		{"[\\]]", "]", true},
		{"[\\", "\\", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"\\[a]", "[a]", true},
		{"\\", "\\", true},
		{"a\\", "a\\", true},
		{"*[0-9]?x", "99 bottles 7yx", true},
		{"\xff*\x00", "\xff\xfe\x00", true},
		// The pattern of Redis's fuzzing test that once went beyond its end.
		{"[^\\", "a", true},
	} {
		if got := Match([]byte(test.pattern), []byte(test.s)); got != test.want {
			t.Errorf("Match(%q, %q) = %v", test.pattern, test.s, got)
		}
	}
}

// TestMatchIsBounded has a pattern that takes all splits of the text if each star is tried by itself.
func TestMatchIsBounded(t *testing.T) {
	pattern, s := strings.Repeat("a*", 1000)+"b", strings.Repeat("a", 4000)
	if Match([]byte(pattern), []byte(s)) {
		t.Error("a text without b matches a pattern with one")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	pattern, s := []byte("user:*:[a-f]?\\*"), []byte("user:1000:session:ab*")
	if n := testing.AllocsPerRun(100, func() { Match(pattern, s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMatch compares with a matcher that tries everything.
func FuzzMatch(f *testing.F) {
	for _, pattern := range []string{"", "*", "a*b", "[a-c]?*", "[^", "\\", "[\\]*]", "*a*a*"} {
		f.Add([]byte(pattern), []byte("aab]c"))
	}
	f.Fuzz(func(t *testing.T, pattern, s []byte) {
		const short = 12
		if len(pattern) > short || len(s) > short {
			Match(pattern, s)
			return
		}
		if got, want := Match(pattern, s), tryMatch(pattern, s); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

// tryMatch is Match by trying every length of every star.
func tryMatch(pattern, s []byte) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	if pattern[0] == '*' {
		return tryMatch(pattern[1:], s) || len(s) > 0 && tryMatch(pattern, s[1:])
	}
	if len(s) == 0 {
		return false
	}
	rest, ok := matchByte(pattern, s[0])
	return ok && tryMatch(rest, bytes.Clone(s[1:]))
}
