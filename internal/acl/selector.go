package acl

import (
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// Access is what a call does with a key.
type Access uint8

// The kinds of access. None is for commands that only tell whether something is there, and how much.
const (
	Read Access = 1 << iota
	Write
	None Access = 0
)

// pattern is which keys may be used, and how.
type pattern struct {
	text   string
	access Access
}

func (p pattern) String() string {
	switch p.access {
	case Read:
		return "%R~" + p.text
	case Write:
		return "%W~" + p.text
	}
	return "~" + p.text
}

// selector is a set of permissions. One of a user's selectors must allow all that a call does.
type selector struct {
	// everything: all commands, those of the future too. Else those in allowed.
	everything bool
	allowed    map[*command.Command]struct{}
	// first has commands that are allowed with these first arguments.
	first map[*command.Command][]string
	rules []string // about commands, as they came: the first is +@all or -@all

	allKeys     bool
	keys        []pattern
	allChannels bool
	channels    []string
}

func newSelector() *selector {
	s := &selector{}
	s.setAll(false)
	return s
}

func (s *selector) clone() *selector {
	c := *s
	c.allowed, c.first = map[*command.Command]struct{}{}, map[*command.Command][]string{}
	for cmd := range s.allowed {
		c.allowed[cmd] = struct{}{}
	}
	for cmd, args := range s.first {
		c.first[cmd] = append([]string(nil), args...)
	}
	c.rules = append([]string(nil), s.rules...)
	c.keys = append([]pattern(nil), s.keys...)
	c.channels = append([]string(nil), s.channels...)
	return &c
}

// setAll allows all commands, or none.
func (s *selector) setAll(allow bool) {
	s.everything, s.allowed, s.first = allow, map[*command.Command]struct{}{}, map[*command.Command][]string{}
	s.rules = []string{"-@all"}
	if allow {
		s.rules = []string{"+@all"}
	}
}

// set allows or forbids some commands.
func (s *selector) set(c *Catalogue, allow bool, which func(*command.Command) bool) {
	if s.everything && !allow {
		s.everything = false
		for _, cmd := range c.list {
			s.allowed[cmd] = struct{}{}
		}
	}
	for _, cmd := range c.list {
		if !which(cmd) {
			continue
		}
		delete(s.first, cmd)
		if allow {
			s.allowed[cmd] = struct{}{}
		} else {
			delete(s.allowed, cmd)
		}
	}
}

// note keeps a rule about commands instead of those that it makes void.
func (s *selector) note(sign byte, name string, void func(name string) bool) {
	kept := s.rules[:1:1]
	for _, r := range s.rules[1:] {
		if other := r[1:]; other != name && !void(other) {
			kept = append(kept, r)
		}
	}
	s.rules = append(kept, string(sign)+name)
}

func (s *selector) keyRules() string {
	if s.allKeys {
		return "~*"
	}
	words := make([]string, 0, len(s.keys))
	for _, k := range s.keys {
		words = append(words, k.String())
	}
	return strings.Join(words, " ")
}

func (s *selector) channelRules() string {
	if s.allChannels {
		return "&*"
	}
	words := make([]string, 0, len(s.channels))
	for _, c := range s.channels {
		words = append(words, "&"+c)
	}
	return strings.Join(words, " ")
}

func (s *selector) commandRules() string { return strings.Join(s.rules, " ") }

// String returns the selector as rules.
func (s *selector) String() string {
	channels := s.channelRules()
	if !s.allChannels {
		channels = strings.TrimSuffix("resetchannels "+channels, " ")
	}
	return strings.TrimPrefix(s.keyRules()+" "+channels+" "+s.commandRules(), " ")
}
