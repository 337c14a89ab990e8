package command

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// nameBytesMax is longer than every name of a command.
const nameBytesMax = 32

// Table has the commands by their names.
type Table struct {
	commands map[string]*Command
	numbered []*Command // subcommands too
}

// NewTable returns a table of all commands of this package and the others that are given.
func NewTable(more ...[]*Command) *Table {
	t := &Table{commands: map[string]*Command{}}
	groups := [][]*Command{
		stringCommands(),
		keyCommands(),
		expiryCommands(),
		scanCommands(),
		sortCommands(),
		dumpCommands(),
		hashCommands(),
		setCommands(),
		listCommands(),
		zsetCommands(),
		zsetRangeCommands(),
		zsetPopCommands(),
		zsetAlgebraCommands(),
		connectionCommands(),
		scriptCommands(),
	}
	for _, group := range append(groups, more...) {
		for _, c := range group {
			if t.commands[c.Name] != nil || c.Arity == 0 {
				panic(fmt.Sprintf("command: %s is there twice or has no arity", c.Name))
			}
			c.ID = len(t.commands)
			for _, s := range c.Subcommands {
				s.ID = c.ID
			}
			t.commands[c.Name] = c
		}
	}
	for _, c := range t.All() {
		t.number(c)
		for _, name := range slices.Sorted(maps.Keys(c.Subcommands)) {
			t.number(c.Subcommands[name])
		}
	}
	return t
}

func (t *Table) number(c *Command) {
	c.Number = len(t.numbered)
	t.numbered = append(t.numbered, c)
}

// Numbered returns all commands and subcommands, each at its number.
func (t *Table) Numbered() []*Command { return t.numbered }

// All returns the commands in the order of their names.
func (t *Table) All() []*Command {
	all := make([]*Command, 0, len(t.commands))
	for _, c := range t.commands {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Command) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return all
}

// Find returns a command by its name in any case, nil if there is none.
func (t *Table) Find(name []byte) *Command {
	var lower [nameBytesMax]byte
	if len(name) > len(lower) {
		return nil
	}
	return t.commands[string(lowered(lower[:], name))]
}

func lowered(dst, s []byte) []byte {
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst[i] = c
	}
	return dst[:len(s)]
}

// lookup returns the command that is called, or its subcommand; nil if there is none.
func (t *Table) lookup(args [][]byte) *Command {
	c := t.Find(args[0])
	if c == nil || c.Subcommands == nil || len(args) == 1 {
		return c
	}
	var lower [nameBytesMax]byte
	if len(args[1]) > len(lower) {
		return nil
	}
	return c.Subcommands[string(lowered(lower[:], args[1]))]
}

// takes tells whether a call may have n arguments, the name included.
func (c *Command) takes(n int) bool { return n == c.Arity || c.Arity < 0 && n >= -c.Arity }

// Resolve returns the command that is called, or its subcommand, and checks how many arguments it has. The error is a
// reply; if the command is known, it comes too.
func (t *Table) Resolve(args [][]byte) (*Command, error) {
	c := t.lookup(args)
	switch {
	case c == nil && t.Find(args[0]) == nil:
		return nil, unknown(args)
	case c == nil:
		return nil, Errorf("ERR unknown subcommand '%.128s'. Try %s HELP.", args[1], bytes.ToUpper(args[0]))
	case !c.takes(len(args)):
		return c, wrongArgs(c.Name)
	}
	return c, nil
}

// unknown is the reply to a command that there is none of, with the beginning of its arguments.
func unknown(args [][]byte) Error {
	const shown = 128
	var list []byte
	for _, a := range args[1:] {
		if len(list) >= shown {
			break
		}
		list = fmt.Appendf(list, "'%.*s' ", shown-len(list), a)
	}
	return Errorf("ERR unknown command '%.128s', with args beginning with: %s", args[0], list)
}

// is tells whether an argument is a word, in any case. The word is in capitals.
func is(arg []byte, word string) bool {
	if len(arg) != len(word) {
		return false
	}
	for i, c := range arg {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
