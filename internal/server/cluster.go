package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/command"
	"github.com/godwitdb/godwit/internal/resp"
)

// errNoCluster says that nobody has to know where keys are.
const errNoCluster command.Error = "ERR This instance has cluster support disabled"

// member is a node as clients of a Redis cluster see it.
type member struct {
	id    godwit.NodeID
	host  string
	port  int
	leads bool
	here  bool
}

// name returns what a Redis cluster names a node by: 40 hexadecimal digits. It is the same wherever it is asked for.
func (m *member) name() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "godwit node %d", m.id))
	return hex.EncodeToString(sum[:20])
}

// cluster answers CLUSTER of clients that follow MOVED: the node that leads has all slots, the others are its replicas.
func (c *conn) cluster(_ *command.Command, args [][]byte) error {
	if !c.server.opts.Redirect {
		return errNoCluster
	}
	sub := strings.ToUpper(string(args[1]))
	if sub == "KEYSLOT" && len(args) == 3 {
		c.out.Int(int64(slot(args[2])))
		return nil
	}
	if len(args) != 2 {
		return command.Errorf("ERR Unknown subcommand or wrong number of arguments for '%.128s'. Try CLUSTER HELP.", args[1])
	}
	members := c.server.clusterMembers(c.ctx)
	switch sub {
	case "SLOTS":
		c.clusterSlots(members)
	case "SHARDS":
		c.clusterShards(members)
	case "NODES":
		c.out.Verbatim("txt", clusterNodes(members))
	case "INFO":
		c.out.Verbatim("txt", clusterInfo(members))
	case "MYID":
		for _, m := range members {
			if m.here {
				c.out.BulkString(m.name())
				return nil
			}
		}
		return command.Error("LOADING the node does not know its members yet")
	default:
		return command.Errorf("ERR Unknown subcommand or wrong number of arguments for '%.128s'. Try CLUSTER HELP.", args[1])
	}
	return nil
}

// clusterMembers returns the nodes whose clients' addresses are known, the one that leads first.
func (s *Server) clusterMembers(ctx context.Context) []member {
	var found []member
	status, err := s.db.Status(ctx)
	if err != nil {
		return nil
	}
	leads := status.Leader
	if status.Leading {
		leads = status.Node
	}
	_ = s.glance(ctx, func(tx *godwit.Tx, nodes *godwit.Table) error { // the table may not have come yet
		for key, addr := range tx.Scan(nodes, godwit.Range{To: []byte(peerPrefix)}) {
			n, ok := resp.ParseInt(key)
			id := godwit.NodeID(n) //nolint:gosec // compared with those of members
			if !ok || !slices.Contains(status.Members, id) && !slices.Contains(status.Learners, id) {
				continue
			}
			m := member{id: id, leads: id == leads, here: id == status.Node}
			m.host, m.port = hostPort(string(addr))
			found = append(found, m)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b member) int { return cmp.Compare(a.id, b.id) })
	if at := slices.IndexFunc(found, func(m member) bool { return m.leads }); at > 0 {
		found[0], found[at] = found[at], found[0]
	}
	return found
}

// mode returns what clients are told that the server is.
func (s *Server) mode() string {
	if s.opts.Redirect {
		return "cluster"
	}
	return "standalone"
}

// clusterSlots says where all slots are: nowhere while nobody leads.
func (c *conn) clusterSlots(members []member) {
	if len(members) == 0 || !members[0].leads {
		c.out.Array(0)
		return
	}
	c.out.Array(1)
	c.out.Array(2 + len(members))
	c.out.Int(0)
	c.out.Int(slots - 1)
	for i := range members {
		m := &members[i]
		c.out.Array(4)
		c.out.BulkString(m.host)
		c.out.Int(int64(m.port))
		c.out.BulkString(m.name())
		c.out.Array(0)
	}
}

// clusterShards says the same as clusterSlots, and more of the nodes: there is one shard.
func (c *conn) clusterShards(members []member) {
	c.out.Array(1)
	c.out.Map(2)
	c.out.BulkString("slots")
	if len(members) == 0 || !members[0].leads {
		c.out.Array(0)
	} else {
		c.out.Array(2)
		c.out.Int(0)
		c.out.Int(slots - 1)
	}
	c.out.BulkString("nodes")
	c.out.Array(len(members))
	port := "port"
	if c.server.opts.TLS != nil {
		port = "tls-port"
	}
	for i := range members {
		m := &members[i]
		role := "replica"
		if m.leads {
			role = "master"
		}
		c.out.Map(7)
		c.out.BulkString("id")
		c.out.BulkString(m.name())
		c.out.BulkString(port)
		c.out.Int(int64(m.port))
		c.out.BulkString("ip")
		c.out.BulkString(m.host)
		c.out.BulkString("endpoint")
		c.out.BulkString(m.host)
		c.out.BulkString("role")
		c.out.BulkString(role)
		c.out.BulkString("replication-offset")
		c.out.Int(0)
		c.out.BulkString("health")
		c.out.BulkString("online")
	}
}

// clusterNodes is what CLUSTER NODES says.
func clusterNodes(members []member) string {
	var text strings.Builder
	for i := range members {
		m := &members[i]
		flags, of, has := "slave", "-", ""
		if m.leads {
			flags, has = "master", fmt.Sprintf(" 0-%d", slots-1)
		} else if members[0].leads {
			of = members[0].name()
		}
		if m.here {
			flags = "myself," + flags
		}
		_, _ = fmt.Fprintf(&text, "%s %s:%d@0 %s %s 0 0 0 connected%s\n", m.name(), m.host, m.port, flags, of, has)
	}
	return text.String()
}

// clusterInfo is what CLUSTER INFO says.
func clusterInfo(members []member) string {
	state, assigned, size := "fail", 0, 0
	if len(members) > 0 && members[0].leads {
		state, assigned, size = "ok", slots, 1
	}
	return fmt.Sprintf("cluster_enabled:1\r\ncluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\n",
		state, assigned, assigned, len(members), size)
}
