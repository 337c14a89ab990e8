package acl

import (
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// What is wrong with a rule, in Redis's words.
const (
	errRuleSyntax   command.Error = "Syntax error"
	errRuleName     command.Error = "Unknown command or category name in ACL"
	errRuleFirst    command.Error = "Allowing first-arg of a subcommand is not supported"
	errRuleKeys     command.Error = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
	errRuleChannels command.Error = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
	errPasswordHash command.Error = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
	errNoPassword   command.Error = "The password you are trying to remove from the user does not exist"
)

// apply carries out one rule.
func (s *selector) apply(c *Catalogue, rule string) error {
	switch strings.ToLower(rule) {
	case "allkeys", "~*":
		s.allKeys, s.keys = true, nil
		return nil
	case "resetkeys":
		s.allKeys, s.keys = false, nil
		return nil
	case "allchannels", "&*":
		s.allChannels, s.channels = true, nil
		return nil
	case "resetchannels":
		s.allChannels, s.channels = false, nil
		return nil
	case "allcommands", "+@all":
		s.setAll(true)
		return nil
	case "nocommands", "-@all":
		s.setAll(false)
		return nil
	}
	switch rule[0] {
	case '~', '%':
		return s.applyKeys(rule)
	case '&':
		switch {
		case !valid(rule[1:]):
			return errRuleSyntax
		case s.allChannels:
			return errRuleChannels
		case !slices.Contains(s.channels, rule[1:]):
			s.channels = append(s.channels, rule[1:])
		}
		return nil
	case '+', '-':
		return s.applyCommand(c, rule[0], strings.ToLower(rule[1:]))
	}
	return errRuleSyntax
}

// valid tells whether a pattern can be written as a rule.
func valid(pattern string) bool { return !strings.ContainsAny(pattern, " \t\r\n\v\f\x00") }

// applyKeys adds a pattern of keys.
func (s *selector) applyKeys(rule string) error {
	letters, text, ok := strings.Cut(rule, "~")
	p := pattern{text: text}
	switch strings.ToUpper(letters) {
	case "":
		p.access = Read | Write
	case "%R":
		p.access = Read
	case "%W":
		p.access = Write
	case "%RW", "%WR":
		p.access = Read | Write
	default:
		return errRuleSyntax
	}
	switch {
	case !ok || !valid(text):
		return errRuleSyntax
	case s.allKeys:
		return errRuleKeys
	case text == "*" && p.access == Read|Write:
		s.allKeys, s.keys = true, nil
		return nil
	}
	for i := range s.keys {
		if s.keys[i].text == text {
			s.keys[i].access |= p.access
			return nil
		}
	}
	s.keys = append(s.keys, p)
	return nil
}

// applyCommand allows or forbids a category, a command with its subcommands, a subcommand, or a command with a first argument.
func (s *selector) applyCommand(c *Catalogue, sign byte, name string) error {
	allow := sign == '+'
	if category, ok := strings.CutPrefix(name, "@"); ok {
		if !slices.Contains(Categories(), category) {
			return errRuleName
		}
		return s.change(c, sign, name, func(cmd *command.Command) bool { return belongs(cmd, category) }, func(string) bool { return false })
	}
	if cmd := c.names[name]; cmd != nil {
		which := func(other *command.Command) bool { return other == cmd || subcommand(other, cmd) }
		return s.change(c, sign, name, which, func(other string) bool { return strings.HasPrefix(other, name+"|") })
	}
	of, first, ok := strings.Cut(name, "|")
	cmd := c.names[of]
	switch {
	case ok && cmd != nil && cmd.Subcommands != nil && strings.Contains(first, "|"):
		return errRuleFirst
	case !ok || cmd == nil || cmd.Subcommands != nil || !allow || first == "" || strings.Contains(first, "|"):
		return errRuleName
	}
	if _, ok := s.allowed[cmd]; !ok && !s.everything && !slices.Contains(s.first[cmd], first) {
		s.first[cmd] = append(s.first[cmd], first)
		s.note(sign, name, func(string) bool { return false })
	}
	return nil
}

// change allows or forbids some commands, which makes earlier rules void.
func (s *selector) change(c *Catalogue, sign byte, name string, which func(*command.Command) bool, void func(name string) bool) error {
	if sign == '+' && s.everything {
		return nil
	}
	s.set(c, sign == '+', which)
	s.note(sign, name, void)
	return nil
}
