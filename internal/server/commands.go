package server

import (
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// handler carries out a command that belongs to a connection. An error is the reply. Between MULTI and EXEC it is part of
// a transaction, and may run several times.
type handler func(c *conn, cmd *command.Command, args [][]byte) error

// connectionCommand is a command that belongs to a connection, and what carries it out.
type connectionCommand struct {
	command.Command
	handler
}

func entry(name, group string, arity int, flags command.Flags, h handler) connectionCommand {
	return connectionCommand{command.Command{Name: name, Group: group, Arity: arity, Flags: flags}, h}
}

// connectionCommands returns the commands that belong to a connection and what carries them out.
func connectionCommands() (map[string]handler, []*command.Command) {
	const plain, fast = command.NoScript, command.NoScript | command.Fast
	const free = fast | command.NoAuth
	list := []connectionCommand{
		entry("multi", "transaction", 1, fast, (*conn).beginMulti),
		entry("exec", "transaction", 1, plain, (*conn).exec),
		entry("discard", "transaction", 1, fast, (*conn).discard),
		entry("watch", "transaction", -2, fast, (*conn).watch),
		entry("unwatch", "transaction", 1, fast, (*conn).unwatch),
		entry("godwit", "server", -2, plain|command.Admin|command.NoMulti|command.NoAuth, (*conn).godwitCommand),
		entry("readonly", "connection", 1, fast, (*conn).readOnlyMode),
		entry("readwrite", "connection", 1, fast, (*conn).readOnlyMode),
		entry("quit", "connection", -1, free, (*conn).quit),
		entry("auth", "connection", -2, free, (*conn).auth),
		entry("hello", "connection", -1, free, (*conn).hello),
		entry("reset", "connection", 1, free, (*conn).reset),
		entry("monitor", "server", 1, plain|command.Admin, (*conn).monitor),
		entry("wait", "connection", 3, command.NoScript, (*conn).wait),
		entry("info", "server", -1, command.Dangerous, (*conn).info),
	}
	for _, more := range [][]connectionCommand{clientCommands(), trackingCommands(), configCommands(), pubsubCommands(), commandCommands(), adminCommands(), slowlogCommands(), latencyCommands(), memoryCommands()} {
		list = append(list, more...)
	}
	handlers := map[string]handler{}
	byName := map[string]*command.Command{}
	var commands []*command.Command
	for _, e := range list {
		handlers[e.Name] = e.handler
		switch e.Name {
		case "watch":
			e.Keys = command.Keys{First: 1, Last: -1, Step: 1}
		case "unwatch":
			e.Run = unwatchQueued
		}
		name, sub, isSub := strings.Cut(e.Name, "|")
		if !isSub {
			byName[name] = &e.Command
			commands = append(commands, &e.Command)
			continue
		}
		parent := byName[name]
		if parent == nil {
			parent = &command.Command{Name: name, Group: e.Group, Arity: -2}
			byName[name] = parent
			commands = append(commands, parent)
		}
		if parent.Subcommands == nil {
			parent.Subcommands = map[string]*command.Command{}
		}
		parent.Subcommands[sub] = &e.Command
	}
	return handlers, commands
}

// readOnlyMode lets reads be of what this node has, or ends that.
func (c *conn) readOnlyMode(cmd *command.Command, _ [][]byte) error {
	c.readOnly = cmd.Name == "readonly"
	c.out.OK()
	return nil
}
