package acl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/internal/command"
)

func testCatalogue() *Catalogue { return NewCatalogue(command.NewTable()) }

// What is accepted is written as rules that make the same user.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{
		"on nopass ~* &* +@all", "+@all -@string +get -script|kill (+get ~x &y) ( %W~w +set )", "+select|0 -select", "%R~a %W~a %RW~b ~c",
		"reset +@read -get +get clearselectors", "&a &a resetchannels", "+script|load -script +script|exists", "((", "%~x", "+", "-@", "~", "&",
		"+@all +get -get +@all",
	} {
		f.Add(seed)
	}
	c, p := testCatalogue(), NewPasswords()
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Fields(text)
		for _, w := range words {
			if strings.ContainsRune("><#!", rune(w[0])) {
				return // slow
			}
		}
		u, err := New("u").Apply(context.Background(), c, p, words)
		if err != nil {
			if command.Reply(err) == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := New("u").Apply(context.Background(), c, p, strings.Fields(strings.Join(u.Rules(), " ")))
		if err != nil {
			t.Fatalf("%q: %q: %v", text, u, err)
		}
		if again.String() != u.String() {
			t.Fatalf("%q:\n%s\n%s", text, u, again)
		}
		for _, cmd := range c.list {
			args := [][]byte{[]byte(cmd.Name), []byte("a"), []byte("0"), []byte("0"), []byte("0")}
			r := &Request{Command: cmd, Args: args}
			if a, b := u.Check(r), again.Check(r); a != b {
				t.Fatalf("%q: %s: %v and %v", text, cmd.Name, a, b)
			}
		}
	})
}

func TestPasswords(t *testing.T) {
	c, p, ctx := testCatalogue(), NewPasswords(), context.Background()
	u, err := New("u").Apply(ctx, c, p, []string{"on", ">one", ">two", "#" + sha256hex([]byte("three")), ">one"})
	if err != nil {
		t.Fatal(err)
	}
	if hashes := u.Hashes(); len(hashes) != 3 || strings.Contains(strings.Join(hashes, " "), sha256hex([]byte("three"))) {
		t.Error(hashes)
	}
	for password, want := range map[string]bool{"one": true, "two": true, "three": true, "four": false, "": false} {
		for range 2 { // the second time from memory
			if ok, err := u.Admits(ctx, p, []byte(password)); ok != want || err != nil {
				t.Errorf("%q: %v, %v", password, ok, err)
			}
		}
	}
	// What is listed is accepted.
	again, err := New("v").Apply(ctx, c, NewPasswords(), u.Rules())
	if err != nil || !slices.Equal(again.Hashes(), u.Hashes()) {
		t.Error(again, err)
	}
	if u, err = u.Apply(ctx, c, p, []string{"<one", "!" + sha256hex([]byte("three"))}); err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"one": false, "two": true, "three": false} {
		if ok, err := u.Admits(ctx, p, []byte(password)); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	// Whoever waits for others' hashes does not wait for ever.
	ended, cancel := context.WithCancel(ctx)
	cancel()
	p.slots <- struct{}{}
	if _, err := u.Admits(ended, p, []byte("new")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	c, p, ctx := testCatalogue(), NewPasswords(), context.Background()
	var many []string
	for i := range rulesMax {
		many = append(many, "~"+strings.Repeat("x", i+1))
	}
	if _, err := New("u").Apply(ctx, c, p, many); err == nil {
		t.Error("a user has too many rules")
	}
	for i := range 2 * verifiedMax {
		p.remember(p.mark("digest", strings.Repeat("x", i)))
	}
	if len(p.mu.verified) > verifiedMax {
		t.Errorf("%d passwords are remembered", len(p.mu.verified))
	}
}
