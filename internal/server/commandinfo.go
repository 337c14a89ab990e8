package server

import (
	"maps"
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

func commandCommands() []connectionCommand {
	return []connectionCommand{
		entry("command", "server", -1, 0, (*conn).commandAll),
		entry("command|help", "server", 2, 0, help(
			"(no subcommand)", "    Describes all commands.",
			"COUNT", "    Returns how many commands there are.",
			"DOCS [<command> ...]", "    Returns what groups commands belong to.",
			"GETKEYS <command> [<arg> ...]", "    Returns the keys of a call.",
			"GETKEYSANDFLAGS <command> [<arg> ...]", "    Returns the keys of a call, and what it does with them.",
			"INFO [<command> ...]", "    Describes commands.",
			"LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>|MODULE <module>)]", "    Returns the names of commands.",
		)),
		entry("command|count", "server", 2, 0, (*conn).commandCount),
		entry("command|list", "server", -2, 0, (*conn).commandList),
		entry("command|info", "server", -2, 0, (*conn).commandInfo),
		entry("command|docs", "server", -2, 0, (*conn).commandDocs),
		entry("command|getkeys", "server", -4, 0, (*conn).commandGetKeys),
		entry("command|getkeysandflags", "server", -4, 0, (*conn).commandGetKeys),
	}
}

func (c *conn) commandAll(*command.Command, [][]byte) error {
	all := c.server.shared.Table.All()
	c.out.Array(len(all))
	for _, cmd := range all {
		c.describeCommand(cmd)
	}
	return nil
}

func (c *conn) commandCount(*command.Command, [][]byte) error {
	c.out.Int(int64(len(c.server.shared.Table.All())))
	return nil
}

func (c *conn) commandList(_ *command.Command, args [][]byte) error {
	fits := func(*command.Command) bool { return true }
	switch {
	case len(args) == 2:
	case len(args) != 5 || !equal(args[2], "FILTERBY"):
		return command.ErrSyntax
	case equal(args[3], "ACLCAT"):
		category := strings.ToLower(string(args[4]))
		fits = func(cmd *command.Command) bool { return slices.Contains(categories(cmd), "@"+category) }
	case equal(args[3], "PATTERN"):
		pattern := []byte(strings.ToLower(string(args[4])))
		fits = func(cmd *command.Command) bool { return command.Match(pattern, []byte(cmd.Name)) }
	case equal(args[3], "MODULE"):
		fits = func(*command.Command) bool { return false }
	default:
		return command.ErrSyntax
	}
	var names []string
	for _, cmd := range c.server.shared.Table.Numbered() {
		if fits(cmd) {
			names = append(names, cmd.Name)
		}
	}
	c.out.Array(len(names))
	for _, n := range names {
		c.out.BulkString(n)
	}
	return nil
}

// named returns a command by its name, that of a subcommand as client|list; nil if there is none.
func (c *conn) named(name []byte) *command.Command {
	first, sub, isSub := strings.Cut(strings.ToLower(string(name)), "|")
	cmd := c.server.shared.Table.Find([]byte(first))
	if cmd == nil || !isSub {
		return cmd
	}
	return cmd.Subcommands[sub]
}

func (c *conn) commandInfo(cmd *command.Command, args [][]byte) error {
	if len(args) == 2 {
		return c.commandAll(cmd, args)
	}
	c.out.Array(len(args[2:]))
	for _, name := range args[2:] {
		if cmd := c.named(name); cmd != nil {
			c.describeCommand(cmd)
		} else {
			c.out.NullArray()
		}
	}
	return nil
}

func (c *conn) commandDocs(_ *command.Command, args [][]byte) error {
	found := c.server.shared.Table.All()
	if len(args) > 2 {
		found = nil
		for _, name := range args[2:] {
			if cmd := c.named(name); cmd != nil {
				found = append(found, cmd)
			}
		}
	}
	c.documents(found)
	return nil
}

// documents writes what is known of commands beside COMMAND INFO.
func (c *conn) documents(commands []*command.Command) {
	c.out.Map(len(commands))
	for _, cmd := range commands {
		c.out.BulkString(cmd.Name)
		n := 1
		if cmd.Subcommands != nil {
			n++
		}
		c.out.Map(n)
		c.out.BulkString("group")
		c.out.BulkString(docsGroup(cmd.Group))
		if cmd.Subcommands != nil {
			c.out.BulkString("subcommands")
			c.documents(subcommands(cmd))
		}
	}
}

// docsGroup returns what COMMAND DOCS calls a group.
func docsGroup(group string) string {
	switch group {
	case "keyspace":
		return "generic"
	case "sortedset":
		return "sorted-set"
	case "transaction":
		return "transactions"
	}
	return group
}

func subcommands(cmd *command.Command) (list []*command.Command) {
	for _, name := range slices.Sorted(maps.Keys(cmd.Subcommands)) {
		list = append(list, cmd.Subcommands[name])
	}
	return list
}

// flagNames returns the names of a command's flags.
func flagNames(cmd *command.Command) (names []string) {
	for _, f := range []struct {
		flag command.Flags
		name string
	}{
		{command.Write, "write"},
		{command.ReadOnly, "readonly"},
		{command.DenyOOM, "denyoom"},
		{command.Admin, "admin"},
		{command.PubSub, "pubsub"},
		{command.NoScript, "noscript"},
		{command.Blocking, "blocking"},
		{command.Fast, "fast"},
		{command.NoAuth, "no_auth"},
		{command.NoMulti, "no_multi"},
	} {
		if cmd.Flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	if cmd.Keys.Of != nil || cmd.Flags&command.Movable != 0 {
		names = append(names, "movablekeys")
	}
	return names
}

// categories returns the categories of commands that a command belongs to.
func categories(cmd *command.Command) (names []string) {
	add := func(on bool, name string) {
		if on {
			names = append(names, name)
		}
	}
	add(cmd.Group != "server" && cmd.Group != "", "@"+cmd.Group)
	add(cmd.Flags&command.Write != 0, "@write")
	add(cmd.Flags&command.ReadOnly != 0, "@read")
	add(cmd.Flags&command.Admin != 0, "@admin")
	add(cmd.Flags&(command.Admin|command.Dangerous) != 0, "@dangerous")
	add(cmd.Flags&command.PubSub != 0 && cmd.Group != "pubsub", "@pubsub")
	add(cmd.Flags&command.Blocking != 0, "@blocking")
	if cmd.Flags&command.Fast != 0 {
		return append(names, "@fast")
	}
	return append(names, "@slow")
}

// describeCommand writes what COMMAND INFO tells of a command.
func (c *conn) describeCommand(cmd *command.Command) {
	texts := func(set bool, list []string) {
		if set {
			c.out.Set(len(list))
		} else {
			c.out.Array(len(list))
		}
		for _, text := range list {
			c.out.SimpleString(text)
		}
	}
	c.out.Array(10)
	c.out.BulkString(cmd.Name)
	c.out.Int(int64(cmd.Arity))
	texts(true, flagNames(cmd))
	c.out.Int(int64(cmd.Keys.First))
	c.out.Int(int64(cmd.Keys.Last))
	c.out.Int(int64(cmd.Keys.Step))
	texts(true, categories(cmd))
	texts(false, nil) // tips
	c.keySpecs(cmd)
	c.out.Array(len(cmd.Subcommands))
	for _, sub := range subcommands(cmd) {
		c.describeCommand(sub)
	}
}

// commandGetKeys replies with the keys of a call, and for GETKEYSANDFLAGS with what it does with them.
func (c *conn) commandGetKeys(cmd *command.Command, args [][]byte) error {
	call := args[2:]
	asked := c.server.shared.Table.Find(call[0])
	if asked == nil {
		return command.Error("ERR Invalid command specified")
	}
	if asked.Subcommands != nil && len(call) > 1 {
		if asked = asked.Subcommands[strings.ToLower(string(call[1]))]; asked == nil {
			return command.Error("ERR Invalid command specified")
		}
	}
	if asked.Keys.First == 0 && asked.Keys.Of == nil {
		return command.Error("ERR The command has no key arguments")
	}
	if n := len(call); asked.Arity > 0 && n != asked.Arity || n < -asked.Arity {
		return command.Error("ERR Invalid number of arguments specified for command")
	}
	keys, err := asked.Of(call)
	if err != nil {
		return command.Error("ERR Invalid arguments specified for command")
	}
	accesses := keyAccesses(asked, call, len(keys))
	c.out.Array(len(keys))
	for i, k := range keys {
		if cmd.Name == "command|getkeys" {
			c.out.Bulk(k)
			continue
		}
		c.out.Array(2)
		c.out.Bulk(k)
		c.accessFlags(accesses[i])
	}
	return nil
}
