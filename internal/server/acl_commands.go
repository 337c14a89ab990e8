package server

import (
	"crypto/rand"
	"encoding/hex"
	"math"
	"strings"

	"github.com/godwitdb/godwit/internal/acl"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// genpassBitsDefault and genpassBitsMax are how long a password is that ACL GENPASS makes.
	genpassBitsDefault, genpassBitsMax = 256, 4096
)

// aclCommand is ACL. What changes users is part of a transaction, and so on the node that leads; the rest is of
// what this node knows of them.
func (s *Server) aclCommand() (*command.Command, map[string]handler) {
	const admin = command.Admin | command.NoScript
	cmd := &command.Command{Name: "acl", Group: "admin", Arity: -2, Flags: command.NoScript, Subcommands: map[string]*command.Command{
		"setuser": {Name: "acl|setuser", Group: "admin", Arity: -3, Flags: admin, Run: s.aclSetUser},
		"deluser": {Name: "acl|deluser", Group: "admin", Arity: -3, Flags: admin, Run: s.aclDelUser},
	}}
	handlers := map[string]handler{}
	for _, sub := range []struct {
		name  string
		arity int
		flags command.Flags
		run   handler
	}{
		{"getuser", 3, admin, (*conn).aclGetUser},
		{"list", 2, admin, (*conn).aclList},
		{"users", 2, admin, (*conn).aclUsers},
		{"whoami", 2, command.NoScript, (*conn).aclWhoAmI},
		{"cat", -2, command.NoScript, (*conn).aclCat},
		{"genpass", -2, command.NoScript, (*conn).aclGenPass},
		{"log", -2, admin, (*conn).aclLog},
		{"dryrun", -4, admin, (*conn).aclDryRun},
		{"save", 2, admin, (*conn).aclSave},
		{"load", 2, admin, (*conn).aclLoad},
		{"help", 2, command.NoScript, (*conn).aclHelp},
	} {
		name := "acl|" + sub.name
		group := "admin"
		if sub.flags&command.Admin == 0 {
			group = "" // of slow only
		}
		cmd.Subcommands[sub.name] = &command.Command{Name: name, Group: group, Arity: sub.arity, Flags: sub.flags}
		handlers[name] = sub.run
	}
	return cmd, handlers
}

func (s *Server) aclSetUser(c *command.Call) error {
	name := string(c.Arg(2))
	if !isUserName(name) {
		return command.Error("ERR Usernames can't contain spaces or null characters")
	}
	table, err := s.openUsers(c.Ctx)
	if err != nil {
		return err
	}
	user, err := s.storedUser(c, table, name)
	if err != nil {
		return err
	}
	if user == nil {
		if len(s.users.Load().byName) >= usersMax {
			return command.Errorf("ERR there are at most %d users", usersMax)
		}
		user = acl.New(name)
	}
	rules := make([]string, 0, len(c.Args)-3)
	for _, arg := range c.Args[3:] {
		rules = append(rules, string(arg))
	}
	if user, err = user.Apply(c.Ctx, s.access.catalogue, s.access.passwords, rules); err != nil {
		return err
	}
	if err := s.changeUser(c, table, name, strings.Join(user.Rules(), " ")); err != nil {
		return err
	}
	c.Out.OK()
	return nil
}

func (s *Server) aclDelUser(c *command.Call) error {
	for _, name := range c.Args[2:] {
		if string(name) == defaultUser {
			return command.Error("ERR The 'default' user cannot be removed")
		}
	}
	table, err := s.openUsers(c.Ctx)
	if err != nil {
		return err
	}
	n := int64(0)
	for _, name := range c.Args[2:] {
		if !isUserName(string(name)) {
			continue
		}
		user, err := s.storedUser(c, table, string(name))
		if err != nil {
			return err
		}
		if user == nil {
			continue
		}
		if err := s.changeUser(c, table, string(name), ""); err != nil {
			return err
		}
		n++
	}
	c.Out.Int(n)
	return nil
}

func (c *conn) aclGetUser(_ *command.Command, args [][]byte) error {
	user := c.server.users.Load().byName[string(args[2])]
	if user == nil {
		c.out.Null()
		return nil
	}
	permissions := user.Permissions()
	c.out.Map(6)
	c.out.BulkString("flags")
	flags := user.Flags()
	c.out.Set(len(flags))
	for _, f := range flags {
		c.out.BulkString(f)
	}
	c.out.BulkString("passwords")
	hashes := user.Hashes()
	c.out.Array(len(hashes))
	for _, h := range hashes {
		c.out.BulkString(h)
	}
	writePermissions(&c.out, permissions[0])
	c.out.BulkString("selectors")
	c.out.Array(len(permissions) - 1)
	for _, p := range permissions[1:] {
		c.out.Map(3)
		writePermissions(&c.out, p)
	}
	return nil
}

func writePermissions(w *resp.Writer, p acl.Permissions) {
	for _, field := range [][2]string{{"commands", p.Commands}, {"keys", p.Keys}, {"channels", p.Channels}} {
		w.BulkString(field[0])
		w.BulkString(field[1])
	}
}

func (c *conn) aclList(*command.Command, [][]byte) error {
	users := c.server.users.Load()
	names := users.sortedNames()
	c.out.Array(len(names))
	for _, name := range names {
		c.out.BulkString(users.byName[name].String())
	}
	return nil
}

func (c *conn) aclUsers(*command.Command, [][]byte) error {
	names := c.server.users.Load().sortedNames()
	c.out.Array(len(names))
	for _, name := range names {
		c.out.BulkString(name)
	}
	return nil
}

func (c *conn) aclWhoAmI(*command.Command, [][]byte) error {
	c.out.BulkString(c.session.User)
	return nil
}

func (c *conn) aclCat(_ *command.Command, args [][]byte) error {
	names := acl.Categories()
	switch {
	case len(args) > 3:
		return command.Errorf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try ACL HELP.", args[1])
	case len(args) == 3:
		var ok bool
		if names, ok = c.server.access.catalogue.In(strings.ToLower(string(args[2]))); !ok {
			return command.Errorf("ERR Unknown category '%.128s'", args[2])
		}
	}
	c.out.Array(len(names))
	for _, name := range names {
		c.out.BulkString(name)
	}
	return nil
}

func (c *conn) aclGenPass(_ *command.Command, args [][]byte) error {
	bits := int64(genpassBitsDefault)
	if len(args) > 2 {
		var ok bool
		if bits, ok = resp.ParseInt(args[2]); !ok || len(args) > 3 || bits <= 0 || bits > genpassBitsMax {
			return command.Errorf("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to %d", genpassBitsMax)
		}
	}
	secret := make([]byte, (bits+7)/8)
	_, _ = rand.Read(secret)
	c.out.BulkString(hex.EncodeToString(secret)[:(bits+3)/4])
	return nil
}

func (c *conn) aclLog(_ *command.Command, args [][]byte) error {
	most := int64(math.MaxInt64)
	if len(args) > 3 {
		return command.ErrSyntax
	}
	if len(args) == 3 {
		if strings.EqualFold(string(args[2]), "RESET") {
			c.server.access.log.reset()
			c.out.OK()
			return nil
		}
		var ok bool
		if most, ok = resp.ParseInt(args[2]); !ok {
			return command.ErrNotInt
		}
	}
	c.server.access.log.write(&c.out, max(most, 0))
	return nil
}

// aclDryRun tells whether a user could make a call.
func (c *conn) aclDryRun(_ *command.Command, args [][]byte) error {
	name, call := string(args[2]), args[3:]
	if c.server.users.Load().byName[name] == nil {
		return command.Errorf("ERR User '%.128s' not found", name)
	}
	table := c.server.shared.Table
	if table.Find(call[0]) == nil {
		return command.Errorf("ERR Command '%.128s' not found", call[0])
	}
	cmd, err := table.Resolve(call)
	if err != nil {
		return err
	}
	switch v := c.server.check(name, cmd, call); v.Reason {
	case acl.Allowed:
		c.out.OK()
	case acl.DeniedCommand:
		c.out.BulkString("This user has no permissions to run the '" + v.Object + "' command")
	default:
		c.out.BulkString("This user has no permissions to access the '" + v.Object + "' " + v.Reason.String())
	}
	return nil
}

// aclSave has nothing to do: users are data, and saved when their change was answered.
func (c *conn) aclSave(*command.Command, [][]byte) error {
	c.out.OK()
	return nil
}

func (c *conn) aclLoad(*command.Command, [][]byte) error {
	if err := c.server.loadUsers(c.ctx, c); err != nil {
		return err
	}
	c.out.OK()
	return nil
}

func (c *conn) aclHelp(*command.Command, [][]byte) error {
	lines := []string{
		"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
		"CAT [<category>]", "    List all commands that belong to <category>, or all command categories", "    when no category is specified.",
		"DELUSER <username> [<username> ...]", "    Delete a list of users.",
		"DRYRUN <username> <command> [<arg> ...]", "    Returns whether the user can execute the given command without executing the command.",
		"GETUSER <username>", "    Get the user's details.",
		"GENPASS [<bits>]", "    Generate a secure 256-bit user password. The optional `bits` argument can", "    be used to specify a different size.",
		"LIST", "    Show users details in the form in which they are stored.",
		"LOAD", "    Learn at once of changes that were made on another node.",
		"LOG [<count> | RESET]", "    Show what this node has denied.",
		"SAVE", "    Does nothing: users are saved when they are changed.",
		"SETUSER <username> <attribute> [<attribute> ...]", "    Create or modify a user with the specified attributes.",
		"USERS", "    List all the registered usernames.",
		"WHOAMI", "    Return the current connection username.",
		"HELP", "    Prints this help.",
	}
	c.out.Array(len(lines))
	for _, l := range lines {
		c.out.SimpleString(l)
	}
	return nil
}
