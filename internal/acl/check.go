package acl

import (
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// Reason is what a user may not do. Those that come later got further.
type Reason uint8

// The reasons.
const (
	Allowed Reason = iota
	DeniedCommand
	DeniedKey
	DeniedChannel
	DeniedAuth
)

// String returns the reason as ACL LOG has it.
func (r Reason) String() string {
	return [...]string{"allowed", "command", "key", "channel", "auth"}[r]
}

// Verdict is what a user's permissions say of a call.
type Verdict struct {
	Reason Reason
	// Object is the command, the key or the channel.
	Object string
	at     int // the place of the key or channel among those of the call
}

// Request is what a call is about.
type Request struct {
	Command  *command.Command
	Args     [][]byte
	Channels [][]byte
	// Patterns: the channels are patterns, which have to be allowed as such.
	Patterns bool
	// Guarded: the call has to be allowed, though the command needs no login.
	Guarded bool
}

// Check tells whether a user may make a call: the verdict of the selector that allows it, or of that which denies it
// last.
func (u *User) Check(r *Request) Verdict {
	if u.unlimited {
		return Verdict{}
	}
	var last Verdict
	keys, modes := keysOf(r)
	for _, s := range u.selectors {
		v := s.check(r, keys, modes)
		if v.Reason == Allowed {
			return v
		}
		if v.Reason > last.Reason || v.Reason == last.Reason && v.at > last.at {
			last = v
		}
	}
	return last
}

func (s *selector) check(r *Request, keys [][]byte, modes []Access) Verdict {
	if !s.allows(r) {
		return Verdict{Reason: DeniedCommand, Object: r.Command.Name}
	}
	for i, key := range keys {
		if !s.allowsKey(key, modes[i]) {
			return Verdict{Reason: DeniedKey, Object: string(key), at: i}
		}
	}
	for i, channel := range r.Channels {
		if !s.allowsChannel(channel, r.Patterns) {
			return Verdict{Reason: DeniedChannel, Object: string(channel), at: i}
		}
	}
	return Verdict{}
}

// allows tells whether the command may be called. Who has not authenticated, must be able to.
func (s *selector) allows(r *Request) bool {
	if s.everything || r.Command.Flags&command.NoAuth != 0 && !r.Guarded {
		return true
	}
	if _, ok := s.allowed[r.Command]; ok {
		return true
	}
	return len(r.Args) > 1 && slices.ContainsFunc(s.first[r.Command], func(arg string) bool {
		return strings.EqualFold(arg, string(r.Args[1]))
	})
}

func (s *selector) allowsKey(key []byte, access Access) bool {
	return s.allKeys || slices.ContainsFunc(s.keys, func(p pattern) bool {
		return p.access&access == access && command.Match([]byte(p.text), key)
	})
}

func (s *selector) allowsChannel(channel []byte, asPattern bool) bool {
	return s.allChannels || slices.ContainsFunc(s.channels, func(p string) bool {
		if asPattern {
			return p == string(channel)
		}
		return command.Match([]byte(p), channel)
	})
}

// AllowsAllKeys tells whether a selector that allows a call lets all keys be read: for
// what a command looks up by names that it makes.
func (u *User) AllowsAllKeys(cmd *command.Command, args [][]byte) bool {
	r := &Request{Command: cmd, Args: args}
	return slices.ContainsFunc(u.selectors, func(s *selector) bool {
		return s.allows(r) && (s.allKeys || slices.ContainsFunc(s.keys, func(p pattern) bool { return p.text == "*" && p.access&Read != 0 }))
	})
}

// Unlimited tells whether the user may do everything.
func (u *User) Unlimited() bool { return u.unlimited }

// AllowsChannel tells whether the user may listen to a channel, or to a pattern of them.
func (u *User) AllowsChannel(channel []byte, asPattern bool) bool {
	return slices.ContainsFunc(u.selectors, func(s *selector) bool { return s.allowsChannel(channel, asPattern) })
}
