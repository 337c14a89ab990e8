package acl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

const (
	// passwordsMax is how many passwords a user may have, rulesMax how many rules about commands, patterns
	// and selectors together.
	passwordsMax = 16
	rulesMax     = 4096
)

// User is somebody who may do something.
type User struct {
	Name   string
	On     bool // the user may authenticate
	NoPass bool // with any password

	passwords []string    // hashes, see Passwords
	selectors []*selector // the first is the user's own
	unlimited bool        // the user may do all there is
}

// New returns a user who may do nothing yet.
func New(name string) *User { return &User{Name: name, selectors: []*selector{newSelector()}} }

func (u *User) clone() *User {
	c := *u
	c.passwords = slices.Clone(u.passwords)
	c.selectors = make([]*selector, len(u.selectors))
	for i, s := range u.selectors {
		c.selectors[i] = s.clone()
	}
	return &c
}

// Apply returns what the user is after some rules. The error is a reply.
func (u *User) Apply(ctx context.Context, c *Catalogue, p *Passwords, rules []string) (*User, error) {
	rules, err := joinSelectors(rules)
	if err != nil {
		return nil, err
	}
	n := u.clone()
	for _, rule := range rules {
		if err := n.apply(ctx, c, p, rule); err != nil {
			if text := command.Reply(err); text != "" {
				err = command.Errorf("ERR Error in ACL SETUSER modifier '%s': %s", rule, text)
			}
			return nil, err
		}
	}
	if len(n.passwords) > passwordsMax {
		return nil, command.Errorf("ERR a user has at most %d passwords", passwordsMax)
	}
	if size := n.size(); size > rulesMax {
		return nil, command.Errorf("ERR a user has at most %d rules", rulesMax)
	}
	n.unlimited = slices.ContainsFunc(n.selectors, func(s *selector) bool { return s.everything && s.allKeys && s.allChannels })
	return n, nil
}

func (u *User) size() (n int) {
	for _, s := range u.selectors {
		n += 1 + len(s.rules) + len(s.keys) + len(s.channels)
	}
	return n
}

// joinSelectors makes one rule of a selector that came in several words.
func joinSelectors(words []string) (rules []string, err error) {
	for i := 0; i < len(words); i++ {
		rule := words[i]
		if strings.HasPrefix(rule, "(") {
			start := rule
			for !strings.HasSuffix(rule, ")") {
				if i++; i == len(words) {
					return nil, command.Errorf("ERR Unmatched parenthesis in acl selector starting at '%s'.", start)
				}
				rule += " " + words[i]
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// apply carries out one rule.
func (u *User) apply(ctx context.Context, c *Catalogue, p *Passwords, rule string) (err error) {
	switch strings.ToLower(rule) {
	case "on", "off":
		u.On = strings.EqualFold(rule, "on")
		return nil
	case "nopass":
		u.NoPass, u.passwords = true, nil
		return nil
	case "resetpass":
		u.NoPass, u.passwords = false, nil
		return nil
	case "sanitize-payload", "skip-sanitize-payload": // payloads are always checked
		return nil
	case "clearselectors":
		u.selectors = u.selectors[:1]
		return nil
	case "reset":
		*u = *New(u.Name)
		return nil
	}
	switch {
	case rule == "":
		return errRuleSyntax
	case strings.ContainsRune("><#!", rune(rule[0])):
		return u.applyPassword(ctx, p, rule)
	case rule[0] == '(':
		s := newSelector()
		for _, r := range strings.Fields(rule[1 : len(rule)-1]) {
			if strings.HasSuffix(r, ")") { // it would end the selector where that is read again
				return errRuleSyntax
			}
			if err := s.apply(c, r); err != nil {
				return err
			}
		}
		u.selectors = append(u.selectors, s)
		return nil
	}
	return u.selectors[0].apply(c, rule)
}

// applyPassword adds or removes a password.
func (u *User) applyPassword(ctx context.Context, p *Passwords, rule string) (err error) {
	var digest string // what the password is known by
	switch text := rule[1:]; {
	case rule[0] == '>' || rule[0] == '<':
		digest = sha256hex([]byte(text))
	case isHash(text):
		return u.setPassword(text, rule[0] == '#')
	case !isSHA256(text):
		return errPasswordHash
	default:
		digest = text
	}
	if rule[0] == '>' || rule[0] == '#' {
		// All of a user's passwords have one salt: to compare with them all costs no more than with one.
		hash, err := p.hash(ctx, digest, u.passwords)
		if err != nil {
			return err
		}
		return u.setPassword(hash, true)
	}
	hash, err := p.match(ctx, digest, u.passwords)
	if err != nil {
		return err
	}
	return u.setPassword(hash, false)
}

func (u *User) setPassword(hash string, add bool) error {
	has := slices.Contains(u.passwords, hash)
	switch {
	case add:
		u.NoPass = false
		if !has {
			u.passwords = append(u.passwords, hash)
		}
	case !has:
		return errNoPassword
	default:
		u.passwords = slices.DeleteFunc(u.passwords, func(p string) bool { return p == hash })
	}
	return nil
}

// state returns the rules that are about the user and not about permissions.
func (u *User) state() []string {
	words := []string{"off"}
	if u.On {
		words[0] = "on"
	}
	if u.NoPass {
		words = append(words, "nopass")
	}
	return words
}

// Rules returns the rules that make the user from a new one.
func (u *User) Rules() []string {
	rules := u.state()
	for _, p := range u.passwords {
		rules = append(rules, "#"+p)
	}
	rules = append(rules, strings.Fields(u.selectors[0].String())...)
	for _, s := range u.selectors[1:] {
		rules = append(rules, fmt.Sprintf("(%s)", s))
	}
	return rules
}

// String returns the user as ACL LIST shows it.
func (u *User) String() string { return "user " + u.Name + " " + strings.Join(u.Rules(), " ") }

// Flags returns the state of the user as ACL GETUSER shows it.
func (u *User) Flags() []string { return u.state() }

// Hashes returns what is stored of the user's passwords.
func (u *User) Hashes() []string { return slices.Clone(u.passwords) }

// Permissions are a selector as ACL GETUSER shows it.
type Permissions struct{ Commands, Keys, Channels string }

// Permissions returns the user's selectors, its own first.
func (u *User) Permissions() []Permissions {
	all := make([]Permissions, 0, len(u.selectors))
	for _, s := range u.selectors {
		all = append(all, Permissions{s.commandRules(), s.keyRules(), s.channelRules()})
	}
	return all
}

// Admits tells whether a password is one of the user's.
func (u *User) Admits(ctx context.Context, p *Passwords, password []byte) (bool, error) {
	if !u.On {
		return false, nil
	}
	if u.NoPass {
		return true, nil
	}
	hash, err := p.match(ctx, sha256hex(password), u.passwords)
	return hash != "", err
}
