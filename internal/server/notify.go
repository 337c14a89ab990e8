package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/keyspace"
)

// notifyAll are the classes of events that A stands for.
const notifyAll = "g$lshzxetd"

// notifyClasses are all classes that can be asked for.
const notifyClasses = notifyAll + "mn"

// notifyFlags say which events of keys are told, and where.
type notifyFlags struct {
	keyspace, keyevent bool // K, E
	classes            string
}

func parseNotifyFlags(text string) (f notifyFlags, ok bool) {
	classes := map[rune]bool{}
	for _, letter := range text {
		switch {
		case letter == 'K':
			f.keyspace = true
		case letter == 'E':
			f.keyevent = true
		case letter == 'A':
			for _, l := range notifyAll {
				classes[l] = true
			}
		case strings.ContainsRune(notifyClasses, letter):
			classes[letter] = true
		default:
			return f, false
		}
	}
	for _, l := range notifyClasses {
		if classes[l] {
			f.classes += string(l)
		}
	}
	return f, true
}

// String writes the flags as CONFIG GET does.
func (f *notifyFlags) String() string {
	text := f.classes
	if rest, all := strings.CutPrefix(text, notifyAll); all {
		text = "A" + rest
	}
	if f.keyspace {
		text += "K"
	}
	if f.keyevent {
		text += "E"
	}
	return text
}

// unite returns flags that say what any of some say.
func unite(some []notifyFlags) *notifyFlags {
	all := new(notifyFlags)
	for _, f := range some {
		all.keyspace, all.keyevent = all.keyspace || f.keyspace, all.keyevent || f.keyevent
		for _, class := range f.classes {
			if !strings.ContainsRune(all.classes, class) {
				all.classes += string(class)
			}
		}
	}
	return all
}

// wants tells whether a message is one that the flags ask for. Those of clients need none.
func (f *notifyFlags) wants(m *command.Message) bool {
	if m.Class == 0 {
		return true
	}
	if m.ByKey && !f.keyspace || !m.ByKey && !f.keyevent {
		return false
	}
	return strings.IndexByte(f.classes, m.Class) >= 0
}

// tellsNew tells whether the event of a new key is told.
func (s *Server) tellsNew() bool {
	return strings.Contains(s.config.notify.Load().classes, "n") || strings.Contains(s.feeds.wanted.Load().classes, "n")
}

// expirations counts the keys that changes have removed since they have expired.
func expirations(changes []keyspace.Change) (n uint64) {
	for i := range changes {
		if changes[i].Class == keyspace.ExpiredClass {
			n++
		}
	}
	return n
}

// notifications appends the messages about changes that somebody here listens to, or another node wants.
func (s *Server) notifications(messages []command.Message, changes []keyspace.Change) []command.Message {
	here, fed := s.config.notify.Load(), s.feeds.wanted.Load()
	if here.classes == "" && fed.classes == "" {
		return messages
	}
	for _, ch := range changes {
		if ch.Event == "" {
			continue
		}
		for _, byKey := range []bool{true, false} {
			m := command.Message{Class: ch.Class, ByKey: byKey}
			toFeeds := fed.wants(&m)
			if !toFeeds && !here.wants(&m) {
				continue
			}
			if byKey {
				m.Channel, m.Payload = fmt.Appendf(nil, "__keyspace@%d__:%s", ch.DB, ch.Key), []byte(ch.Event)
			} else {
				m.Channel, m.Payload = fmt.Appendf(nil, "__keyevent@%d__:%s", ch.DB, ch.Event), slices.Clone(ch.Key)
			}
			if toFeeds || s.hub.receivers(m.Channel, false) > 0 {
				messages = append(messages, m)
			}
		}
	}
	return messages
}
