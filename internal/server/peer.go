package server

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// godwitCommand is what nodes say to each other, and operators to nodes.
func (c *conn) godwitCommand(_ *command.Command, args [][]byte) error {
	switch strings.ToUpper(string(args[1])) {
	case "STATUS":
		return c.status(args[2:])
	case "MEMBERS":
		return c.members(args[2:])
	case "BACKUP":
		return c.backup(args[2:])
	case "PEER":
		if c.server.opts.Secret == "" && !c.server.unguarded() {
			return command.Error("NOAUTH a cluster with users needs a secret that its nodes know each other by")
		}
		if len(args) != 3 || subtle.ConstantTimeCompare(args[2], []byte(c.server.opts.Secret)) != 1 {
			return command.Error("WRONGPASS the nodes of a cluster have the same secret; this one is another")
		}
		c.peer.Store(true)
		c.in.SetLimits(unitLimits)
		c.out.Int(c.id)
		return nil
	case "NODE", "RUN", "TRACK", "FEED", "HAVE", "WAIT", "UNBLOCK":
		if !c.peer.Load() {
			return command.Error("NOPERM only other nodes may do this")
		}
	}
	switch string(args[1]) {
	case "NODE":
		var id godwit.NodeID
		if len(args) != 4 {
			return errMalformed
		}
		if _, err := fmt.Sscan(string(args[2]), &id); err != nil {
			return errMalformed
		}
		if err := c.server.note(c.ctx, nodeKey(id), string(args[3])); err != nil {
			return err
		}
		c.out.OK()
		return nil
	case "TRACK":
		c.setTracking(trackingMode{on: true, noLoop: len(args) == 3 && equal(args[2], "NOLOOP")})
		c.out.OK()
		return nil
	case "HAVE":
		return c.peerHas(args[2:])
	case "WAIT":
		return c.peerWaits(args[2:])
	case "UNBLOCK":
		return c.peerUnblocks(args[2:])
	case "FEED":
		if len(args) != 3 {
			return errMalformed
		}
		flags, ok := parseNotifyFlags(string(args[2]))
		if !ok {
			return errMalformed
		}
		c.fed = true
		c.server.feeds.set(c, flags)
		c.out.OK()
		return nil
	case "RUN":
		u, err := parseUnit(c.server.shared.Table, args[2:])
		if err != nil {
			c.closing = true
			return err
		}
		c.run(u)
		return nil
	}
	return command.Errorf("ERR unknown subcommand '%.128s' of GODWIT", args[1])
}

// run carries out a unit for a client of another node.
func (c *conn) run(u *unit) {
	c.session, c.out.Proto = u.session, u.session.Proto
	if c.server.clientPause.active.Load() {
		c.rest(func() bool { return c.anyChanges(u.calls) })
	}
	c.asked = u.request
	defer func() { c.asked = godwit.Request{} }()
	var err error
	switch u.kind {
	case unitCalls:
		c.calls = append(c.calls[:0], u.calls...)
		c.execute()
	case unitMulti:
		err = c.execMulti(u.watches, u.calls)
	case unitWatch:
		err = c.versions(u.watches)
	}
	if err != nil {
		c.fail(err)
	}
	c.flush()
	c.out.Array(2)
	c.out.Int(int64(c.session.DB))
	c.out.BulkString(strconv.FormatUint(uint64(c.last), 10))
	c.flush()
}

const errMalformed command.Error = "ERR a request of another node is malformed"

// peerHas notes what another node has.
func (c *conn) peerHas(args [][]byte) error {
	p := unitParser{args: args}
	at := p.timestamp()
	if p.failed {
		return errMalformed
	}
	c.server.feeds.has(c, at)
	return nil
}

// peerWaits answers WAIT of a client of another node.
func (c *conn) peerWaits(args [][]byte) error {
	p := unitParser{args: args}
	at, want, timeout := p.timestamp(), p.next(), p.next()
	n, ok := resp.ParseInt(want)
	d, err := milliseconds(timeout)
	if p.failed || !ok || err != nil {
		return errMalformed
	}
	c.await(at, n, d)
	return nil
}

// peerUnblocks ends the wait of a client of another node here.
func (c *conn) peerUnblocks(args [][]byte) error {
	p := unitParser{args: args}
	id, kind := p.number(math.MaxInt), p.next()
	if p.failed {
		return errMalformed
	}
	n := int64(0)
	if o := c.server.connection(int64(id)); o != nil && o.peer.Load() && o.unblock(equal(kind, "ERROR")) {
		n = 1
	}
	c.out.Int(n)
	return nil
}

// elsewhere tells whether an error says that another node leads, and the connection is of a client who
// is to be served all the same.
func (c *conn) elsewhere(err error) bool {
	return !c.peer.Load() && errors.Is(err, godwit.ErrNotLeader) && c.server.opts.Advertise != ""
}
