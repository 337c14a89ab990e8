package server

import (
	"context"
	"net"
	"strings"

	"github.com/godwitdb/godwit/internal/acl"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	errLoading   command.Error = "LOADING the node does not know its users yet: no node has led since it was started"
	errNoAuth    command.Error = "NOAUTH Authentication required."
	errWrongPass command.Error = "WRONGPASS invalid username-password pair or user is disabled."
)

// greet decides who a client is that has just connected, if the node knows its users. It waits for them: until it is
// known who a client from another machine is, it may not send much. One on this machine may.
func (c *conn) greet() {
	select {
	case <-c.server.access.known:
		c.admit()
		return
	default:
	}
	if c.isLocal() {
		return
	}
	select {
	case <-c.server.access.known:
		c.admit()
	case <-c.server.hope.Load().Done():
		c.in.SetLimits(resp.Limits{Unauthenticated: true})
	case <-c.ctx.Done():
	}
}

// recognise decides who a client is whose node did not know its users when it connected. If they do not become known, its
// request is refused, and it returns false. Who asks whether the node is there is told at once, and on its own machine
// what it is too: that there is no leader, and why, is what an operator wants to know then.
func (c *conn) recognise(cmd *command.Command, args [][]byte) bool {
	select {
	case <-c.server.access.known:
		c.admit()
		return true
	default:
	}
	c.turn.pass() // others are served meanwhile
	switch {
	case cmd == nil:
	case cmd.Name == "ping":
		c.answer([]command.Call{{Command: cmd, Args: args}})
		return false
	case cmd.Name == "godwit" && len(args) == 2 && equal(args[1], "STATUS") && c.isLocal():
		c.handle(cmd, args)
		return false
	}
	select {
	case <-c.server.access.known:
		c.admit()
		return true
	case <-c.ctx.Done():
	case <-c.server.hope.Load().Done():
		if c.server.removed.Load() {
			c.fail(errRemoved)
		} else {
			c.fail(errLoading)
		}
	}
	return false
}

// isLocal tells whether the client is on the node's machine.
func (c *conn) isLocal() bool {
	from, ok := c.net.RemoteAddr().(*net.TCPAddr)
	return ok && from.IP.IsLoopback()
}

// admit decides who a client is before it says so.
func (c *conn) admit() {
	c.admitted = true
	if c.owner == "" {
		c.login()
		return
	}
	c.in.SetLimits(resp.Limits{Unauthenticated: true})
	if u := c.server.users.Load().byName[c.owner]; u != nil && u.On {
		c.become(u)
	}
}

// login makes the client the default user, if that needs no password.
func (c *conn) login() {
	c.session.User = ""
	c.user.Store(nil)
	if u := c.server.users.Load().byName[defaultUser]; u.On && u.NoPass {
		c.become(u)
		return
	}
	c.in.SetLimits(resp.Limits{Unauthenticated: true})
}

func (c *conn) become(u *acl.User) {
	c.session.User = u.Name
	c.user.Store(&u.Name)
	c.in.SetLimits(resp.Limits{BulkBytesMax: int(c.server.config.bulkBytesMax.Load())})
}

// admits returns the user of some who has a name and a password, if there is one.
func (c *conn) admits(among *users, name, password []byte) (user *acl.User, ok bool, err error) {
	if user = among.byName[string(name)]; user != nil {
		ok, err = user.Admits(c.ctx, c.server.access.passwords, password)
	}
	return user, ok, err
}

// authenticate makes the client a user who has a password.
func (c *conn) authenticate(name, password []byte, by string) error {
	known := c.server.users.Load()
	user, ok, err := c.admits(known, name, password)
	if err == nil && !ok { // there may be news: on a node that has just got the lead, say
		c.turn.pass()
		ctx, cancel := context.WithTimeout(c.ctx, usersEvery)
		_ = c.server.loadUsers(ctx, c) // else as far as is known
		cancel()
		if now := c.server.users.Load(); now != known {
			user, ok, err = c.admits(now, name, password)
		}
	}
	if err != nil {
		return err
	}
	if !ok {
		c.server.access.log.add(c, acl.Verdict{Reason: acl.DeniedAuth, Object: by}, "toplevel", string(name))
		return errWrongPass
	}
	c.become(user)
	return nil
}

func (c *conn) auth(_ *command.Command, args [][]byte) error {
	name, password := []byte(defaultUser), args[1]
	switch {
	case len(args) > 3:
		return command.ErrSyntax
	case len(args) == 3:
		name, password = args[1], args[2]
	case c.server.users.Load().byName[defaultUser].NoPass:
		return command.Error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	}
	if err := c.authenticate(name, password, "AUTH"); err != nil {
		return err
	}
	c.out.OK()
	return nil
}

// permitted tells whether the client may make a call. The error is a reply.
func (c *conn) permitted(cmd *command.Command, args [][]byte, context string) error {
	guarded := forOperators(cmd, args)
	switch {
	case guarded && c.peer.Load():
		return nil // a node, which knows the secret
	case c.session.User != "":
	case guarded || cmd.Flags&command.NoAuth == 0:
		return errNoAuth
	default:
		return nil
	}
	v := c.server.check(c.session.User, cmd, args)
	if v.Reason == acl.Allowed {
		return c.server.permittedSort(c.session.User, cmd, args)
	}
	c.server.access.log.add(c, v, context, c.session.User)
	switch v.Reason {
	case acl.DeniedKey:
		return command.Error("NOPERM this user has no permissions to access one of the keys used as arguments")
	case acl.DeniedChannel:
		return command.Error("NOPERM this user has no permissions to access one of the channels used as arguments")
	default:
		return command.Errorf("NOPERM this user has no permissions to run the '%s' command", cmd.Name)
	}
}

// forOperators tells whether a call is for operators, or for nodes that have said the secret (GODWIT PEER): saying that is all that
// GODWIT is without a login for.
func forOperators(cmd *command.Command, args [][]byte) bool {
	return cmd.Name == "godwit" && len(args) > 1 && !strings.EqualFold(string(args[1]), "PEER")
}

// permittedScripted is permitted for what a script calls.
func (c *conn) permittedScripted(cmd *command.Command, args [][]byte) error {
	v := c.server.check(c.session.User, cmd, args)
	if v.Reason == acl.Allowed {
		return c.server.permittedSort(c.session.User, cmd, args)
	}
	c.server.access.log.add(c, v, "lua", c.session.User)
	switch v.Reason {
	case acl.DeniedKey:
		return command.Error("NOPERM The user executing the script can't access at least one of the keys mentioned in the command arguments")
	case acl.DeniedChannel:
		return command.Error("NOPERM The user executing the script can't access at least one of the channels mentioned in the command arguments")
	default:
		return command.Error("NOPERM The user executing the script can't run this command or subcommand")
	}
}

// unguarded tells whether everybody may do everything.
func (s *Server) unguarded() bool {
	u := s.users.Load().byName[defaultUser]
	return u.On && u.NoPass && u.Unlimited()
}

// check says what a user's permissions say of a call. Who is not there may do nothing.
func (s *Server) check(name string, cmd *command.Command, args [][]byte) acl.Verdict {
	user := s.users.Load().byName[name]
	if user == nil {
		return acl.Verdict{Reason: acl.DeniedCommand, Object: cmd.Name}
	}
	r := acl.Request{Command: cmd, Args: args, Guarded: forOperators(cmd, args)}
	switch cmd.Name {
	case "publish", "spublish":
		r.Channels = args[1:2]
	case "subscribe", "ssubscribe":
		r.Channels = args[1:]
	case "psubscribe":
		r.Channels, r.Patterns = args[1:], true
	}
	return user.Check(&r)
}

// permittedSort denies SORT to look up keys by names that it makes, but to those who may read all keys.
func (s *Server) permittedSort(name string, cmd *command.Command, args [][]byte) error {
	if cmd.Name != "sort" && cmd.Name != "sort_ro" {
		return nil
	}
	for i := 2; i+1 < len(args); i++ {
		option := strings.ToUpper(string(args[i]))
		if option != "BY" && option != "GET" || !strings.Contains(string(args[i+1]), "*") {
			continue
		}
		if user := s.users.Load().byName[name]; user == nil || !user.AllowsAllKeys(cmd, args) {
			return command.Errorf("ERR %s option of SORT denied due to insufficient ACL permissions.", option)
		}
	}
	return nil
}

// isUserName tells whether a text can be the name of a user.
func isUserName(name string) bool { return name != "" && !strings.ContainsAny(name, " \t\r\n\v\f\x00") }
