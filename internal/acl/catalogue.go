package acl

import (
	"maps"
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// Catalogue has the commands that rules speak of.
type Catalogue struct {
	list   []*command.Command // subcommands behind their commands
	number map[*command.Command]int
	names  map[string]*command.Command
}

// NewCatalogue returns a catalogue of the commands of a table.
func NewCatalogue(table *command.Table) *Catalogue {
	c := &Catalogue{number: map[*command.Command]int{}, names: map[string]*command.Command{}}
	for _, cmd := range table.All() {
		c.add(cmd)
		for _, name := range slices.Sorted(maps.Keys(cmd.Subcommands)) {
			c.add(cmd.Subcommands[name])
		}
	}
	return c
}

func (c *Catalogue) add(cmd *command.Command) {
	c.number[cmd] = len(c.list)
	c.names[cmd.Name] = cmd
	c.list = append(c.list, cmd)
}

// Categories returns the names of all categories.
func Categories() []string {
	return []string{
		"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream",
		"pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
	}
}

// In returns the names of the commands of a category; ok is false if there is no such category.
func (c *Catalogue) In(category string) (names []string, ok bool) {
	if !slices.Contains(Categories(), category) {
		return nil, false
	}
	for _, cmd := range c.list {
		if belongs(cmd, category) {
			names = append(names, cmd.Name)
		}
	}
	return names, true
}

// belongs tells whether a command is of a category.
func belongs(cmd *command.Command, category string) bool {
	is := func(f command.Flags) bool { return cmd.Flags&f != 0 }
	switch category {
	case "read":
		return is(command.ReadOnly) && cmd.Group != "scripting"
	case "write":
		return is(command.Write)
	case "admin":
		return is(command.Admin)
	case "dangerous":
		return is(command.Admin | command.Dangerous)
	case "fast":
		return is(command.Fast)
	case "slow":
		return !is(command.Fast)
	case "blocking":
		return is(command.Blocking)
	case "pubsub":
		return is(command.PubSub)
	}
	return cmd.Group == category
}

// subcommand tells whether a command is one of another.
func subcommand(cmd, of *command.Command) bool {
	return len(of.Subcommands) > 0 && strings.HasPrefix(cmd.Name, of.Name+"|")
}
