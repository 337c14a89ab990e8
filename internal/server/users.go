package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/acl"
	"github.com/godwitdb/godwit/internal/command"
)

const (
	// usersTable has the users, name -> rules, and how often they have changed. A change
	// is replicated as all data are, and kept by a failover.
	usersTable = "redis.users"
	// usersVersion is the key of the number of changes. No user has its name.
	usersVersion = "\x00version"
	// usersEvery is how often a node looks for changes that another has made.
	usersEvery = 100 * time.Millisecond
	// usersMax is how many users there may be.
	usersMax = 10_000
	// defaultUser is who clients are that have not authenticated, if that user needs no password.
	defaultUser = "default"
)

// users are those that a node knows, as of one version. They never change.
type users struct {
	version uint64
	byName  map[string]*acl.User
}

// sortedNames returns the names of all users.
func (u *users) sortedNames() []string {
	names := make([]string, 0, len(u.byName))
	for name := range u.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// access is what a server knows of its users.
type access struct {
	catalogue *acl.Catalogue
	passwords *acl.Passwords
	initial   *acl.User // the default user, until somebody changes it
	known     chan struct{}
	// epoch is one that this node leads, and of whose beginning it knows the users: who changes them in it does
	// so here. 0 for none.
	epoch atomic.Uint64

	loading sync.Mutex // one reads the users at a time
	log     accessLog
}

// initUsers makes ready for users. Nobody is known before they are loaded.
func (s *Server) initUsers() error {
	s.access.catalogue, s.access.passwords = acl.NewCatalogue(s.shared.Table), acl.NewPasswords()
	s.access.known = make(chan struct{})
	rules := []string{"on", "nopass", "~*", "&*", "+@all"}
	if s.opts.Password != "" {
		rules[1] = ">" + s.opts.Password
	}
	var err error
	s.access.initial, err = acl.New(defaultUser).Apply(s.ctx, s.access.catalogue, s.access.passwords, rules)
	return err
}

// openUsers returns the table of users, and makes it if it is missing.
func (s *Server) openUsers(ctx context.Context) (*godwit.Table, error) {
	table, err := s.db.Table(usersTable)
	if errors.Is(err, godwit.ErrNoTable) {
		table, err = s.db.CreateTable(ctx, usersTable, godwit.Ordered)
		if errors.Is(err, godwit.ErrExists) {
			table, err = s.db.Table(usersTable)
		}
	}
	return table, err
}

// watchUsers keeps what the node knows of users up to date.
func (s *Server) watchUsers() {
	tick := time.NewTimer(0)
	defer tick.Stop()
	_, err := s.db.Status(s.ctx)
	alone := err != nil // or closed
	seen := godwit.Timestamp(0)
	for failing := false; ; {
		epoch := uint64(0)
		if alone {
			epoch = 1
		} else if l := s.lead.Load(); l != nil && l.here {
			epoch = l.epoch
		}
		released := seen
		if epoch == 0 { // another node leads, or may: users change when something of it comes
			released = s.db.Stats().Released
		}
		if failing || released != seen || epoch != s.access.epoch.Load() {
			seen = released
			err := s.loadUsers(s.ctx, nil)
			if err != nil && !failing && s.ctx.Err() == nil && !errors.Is(err, godwit.ErrNotLeader) && !errors.Is(err, godwit.ErrUnavailable) {
				s.log.Warn("the users cannot be read now", "error", err)
			}
			if failing = err != nil; !failing {
				s.access.epoch.Store(epoch)
			}
		}
		tick.Reset(untilNext(usersEvery))
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// loadUsers reads the users if they have changed, and ends the connections of those who are not there any more or may not
// listen any more to what they do. That of self, which may be nil, gets its replies first.
func (s *Server) loadUsers(ctx context.Context, self *conn) error {
	s.access.loading.Lock()
	defer s.access.loading.Unlock()
	table, err := s.openUsers(ctx)
	if err != nil {
		return err
	}
	snapshot, err := s.db.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	before := s.users.Load()
	now := &users{byName: map[string]*acl.User{defaultUser: s.access.initial}}
	err = snapshot.View(ctx, func(tx *godwit.Tx) (err error) {
		if now.version, err = readUsersVersion(tx, table); err != nil || before != nil && now.version == before.version {
			return err
		}
		for name, rules := range tx.Scan(table, godwit.Range{}) {
			if string(name) == usersVersion {
				continue
			}
			user, err := acl.New(string(name)).Apply(ctx, s.access.catalogue, s.access.passwords, strings.Fields(string(rules)))
			if err != nil { // written by a version that knew more: who it is may do nothing
				s.log.Error("a user's rules are not understood", "user", string(name), "error", err)
				user = acl.New(string(name))
			}
			now.byName[user.Name] = user
		}
		return tx.Err()
	})
	if err != nil || before != nil && now.version == before.version {
		return err
	}
	s.users.Store(now)
	if before == nil {
		close(s.access.known)
		return nil
	}
	s.expel(now, self)
	return nil
}

func readUsersVersion(tx *godwit.Tx, table *godwit.Table) (uint64, error) {
	v, err := tx.Get(table, []byte(usersVersion))
	switch {
	case errors.Is(err, godwit.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(v) != 8:
		return 0, fmt.Errorf("server: a version of users of %d bytes", len(v))
	}
	return binary.LittleEndian.Uint64(v), nil
}

// expel ends the connections that the users do not allow any more.
func (s *Server) expel(now *users, self *conn) {
	var out []*conn
	s.mu.Lock()
	for _, c := range s.mu.conns {
		if name := c.user.Load(); name != nil && now.byName[*name] == nil {
			out = append(out, c)
		}
	}
	s.mu.Unlock()
	s.hub.visit(func(c *conn, t topic) {
		if name := c.user.Load(); name != nil {
			if u := now.byName[*name]; u != nil && !u.AllowsChannel([]byte(t.name), t.kind == patternTopic) {
				out = append(out, c)
			}
		}
	})
	for _, c := range out {
		if c == self {
			c.closing = true
			continue
		}
		c.close()
		s.forget(c)
	}
}

// changeUser writes a user, or deletes it if rules are empty.
func (s *Server) changeUser(c *command.Call, table *godwit.Table, name, rules string) error {
	tx := c.Tx.In()
	version, err := readUsersVersion(tx, table)
	if err != nil {
		return err
	}
	if err := tx.Put(table, []byte(usersVersion), binary.LittleEndian.AppendUint64(nil, version+1)); err != nil {
		return err
	}
	c.Session.UsersChanged = true
	if rules == "" {
		return tx.Delete(table, []byte(name))
	}
	return tx.Put(table, []byte(name), []byte(rules))
}

// storedUser returns a user as a transaction finds it, nil if there is none.
func (s *Server) storedUser(c *command.Call, table *godwit.Table, name string) (*acl.User, error) {
	rules, err := c.Tx.In().Get(table, []byte(name))
	switch {
	case errors.Is(err, godwit.ErrNotFound) && name == defaultUser:
		return s.access.initial, nil
	case errors.Is(err, godwit.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return acl.New(name).Apply(c.Ctx, s.access.catalogue, s.access.passwords, strings.Fields(string(rules)))
}

// usersChanged has the node know of a change of users before the replies to it are sent.
func (c *conn) usersChanged(p *godwit.Pending) {
	if !c.session.UsersChanged {
		return
	}
	c.session.UsersChanged = false
	c.turn.pass()
	err := p.Wait(c.ctx)
	if err == nil {
		err = c.server.loadUsers(c.ctx, c)
	}
	if err != nil { // the replies tell of the first, and the next look at the users may succeed
		c.server.access.epoch.Store(0)
		c.server.log.Warn("changed users are not known yet", "error", err)
	}
}
