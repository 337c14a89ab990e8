package godwit

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
)

// NodeID names a node of a cluster, from 1.
type NodeID = quorum.NodeID

// ClusterID names a cluster: nodes talk to those of their own only, and a folder is of
// one cluster.
type ClusterID = quorum.ClusterID

// NewClusterID returns a random id for a new cluster.
func NewClusterID() ClusterID {
	var id ClusterID
	_, _ = rand.Read(id[:]) // it always succeeds
	return id
}

// ParseClusterID reads an id as ClusterID.String writes it: 32 hexadecimal digits.
func ParseClusterID(text string) (ClusterID, error) { return quorum.ParseClusterID(text) }

// Cluster makes a database a replica of a group, whose other replicas are on other nodes.
// One of them leads: it executes, and a transaction is released when a majority has it.
// The others follow.
//
// The zero value of each field that is not required means its default.
type Cluster struct {
	// ID is what all nodes of the cluster have in common. Required. With the id of an embedded
	// database (DB.ID) its folder becomes that of the first node: the only member of a new
	// group, whatever Peers says, and of no use as an embedded database afterwards. The other nodes
	// Join, and are added.
	ID ClusterID
	// Node is this node. Required.
	Node NodeID
	// Peers are the addresses (host:port) of the nodes, this one among them, which
	// listens at its own. Required. It may name nodes that are to become members later;
	// SetPeer adds some to a database that is open. They are not stored: whenever the database is
	// opened, what is written here counts, so an address that has changed, or come, is to
	// be changed here too, for each node.
	Peers map[NodeID]string
	// Join says that this node is new in a group that exists. Without it, a node with an
	// empty folder takes all Peers for the first members of a new group, which begins when
	// they are all up. Set it as well
	// for a node that has lost its folder: it must be removed from the group before it
	// is added again (RemoveMember, AddMember). It means nothing if there is a replica in the folder.
	Join bool
	// Refill says what to do if this node's checkpoint is damaged, with which Open fails otherwise
	// (ErrCorrupt): give it up and get another node's, while the group works. It is refused on the only
	// member of a group. A checkpoint that is whole stays, but is read once more for that.
	Refill bool
	// GiveUpLost has a replica that has run with DurabilityMemory and was killed vote at once: what it had
	// acknowledged and not written yet may be gone for good then. Without it the replica votes when it has
	// caught up with a leader, so a group of which a majority was killed at one time waits: only GiveUpLost
	// on the nodes of a majority makes it go on, with what is on their disks.
	GiveUpLost bool
	// Listener is used instead of listening at this node's address. Open takes it over.
	Listener net.Listener
	// TLS encrypts the connections, and has both sides prove who they are. Default: none;
	// then whoever reaches the addresses can read and forge everything.
	TLS *ClusterTLS
	// ElectionTimeout is how long a follower hears nothing from the leader at most before it
	// wants to lead. The same for all nodes, from 20 ms, default 500 ms. A crash of the
	// leader's process is noticed earlier.
	ElectionTimeout time.Duration
	// Preferred, if not 0, is the node that leads when it can.
	Preferred NodeID
}

// ClusterTLS is how nodes prove who they are: both sides show a certificate that the
// other's authorities have signed and that bears the node's name.
type ClusterTLS struct {
	// Server and Client are for connections that were accepted and dialled. Server demands
	// certificates (ClientAuth is tls.RequireAndVerifyClientCert). Version 1.3 is used,
	// whatever they say.
	Server, Client *tls.Config
	// Name returns the name of a node that its certificate bears, a DNS name or an IP
	// address. Default: node-1 for node 1.
	Name func(NodeID) string
}

// DefaultElectionTimeout is the default of Cluster.ElectionTimeout.
const DefaultElectionTimeout = 500 * time.Millisecond

const minElectionTimeout = 20 * time.Millisecond

// validate returns what is wrong with it.
func (c *Cluster) validate() error {
	switch addr, ok := c.Peers[c.Node]; {
	case c.ID == ClusterID{}:
		return errors.New("Cluster.ID is missing; NewClusterID makes one for a new cluster")
	case c.Node == 0:
		return errors.New("Cluster.Node is missing; nodes are named from 1")
	case c.Peers[0] != "":
		return errors.New("Cluster.Peers has a node 0; nodes are named from 1")
	case !ok:
		return fmt.Errorf("Cluster.Peers has no address of node %d, which is this one", c.Node)
	case addr == "" && c.Listener == nil:
		return fmt.Errorf("Cluster.Peers has an empty address for node %d, which is this one", c.Node)
	case c.ElectionTimeout != 0 && c.ElectionTimeout < minElectionTimeout:
		return fmt.Errorf("Cluster.ElectionTimeout is %v, the least allowed is %v", c.ElectionTimeout, minElectionTimeout)
	case c.TLS != nil && (c.TLS.Server == nil || c.TLS.Client == nil):
		return errors.New("Cluster.TLS needs Server and Client")
	case c.TLS != nil && c.TLS.Server.GetConfigForClient == nil && c.TLS.Server.ClientAuth != tls.RequireAndVerifyClientCert:
		return errors.New("Cluster.TLS.Server.ClientAuth has to be tls.RequireAndVerifyClientCert: nodes prove who they are")
	}
	return nil
}

// founders returns the first members of a new group, none for a node that joins one.
func (c *Cluster) founders() []NodeID {
	if c.Join {
		return nil
	}
	return slices.Sorted(maps.Keys(c.Peers))
}

func (c *Cluster) tls(logger *slog.Logger) env.TLS {
	return env.TLS{Server: c.TLS.Server, Client: c.TLS.Client, Name: c.TLS.Name, OnFailure: func(addr net.Addr, err error) {
		logger.Warn("a connection was refused", "from", addr, "error", err)
	}}
}

// NotLeaderError says who leads instead of this node. It matches ErrNotLeader.
type NotLeaderError struct {
	Leader NodeID // 0 if none is known
	Addr   string // its address, "" if that is not known
}

// Error implements error.
func (e *NotLeaderError) Error() string {
	if e.Leader == 0 {
		return "godwit: this node does not lead, and none is known that does; try again"
	}
	return fmt.Sprintf("godwit: this node does not lead; ask node %d at %s", e.Leader, e.Addr)
}

// Is makes it match ErrNotLeader.
func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }

// ClusterStatus is what a replica knows of its group.
type ClusterStatus struct {
	Node    NodeID
	Leader  NodeID // 0 if none is known, or it was not heard of lately
	Leading bool   // this replica executes
	// Epoch counts leaderships: it is larger in each.
	Epoch uint64
	// Recovering: the replica has restarted, and votes when it has caught up
	// (DurabilityMemory).
	Recovering bool
	// OtherFolder: the group knows this node with another folder, so it does not count. Remove it
	// and add it again (RemoveMember, AddMember).
	OtherFolder bool
	// Damaged, if not nil, says which part of this replica's log cannot be read and no other has given
	// it yet: from what time and in which file. It matches ErrCorrupt. The replica does not vote and
	// follows nobody until one of the others has it, or leads; what a majority has lost keeps the
	// group from electing anybody. Godwit never decides by itself to go on without it.
	Damaged error
	// DiskFull: this replica's log waits for room on the disk, and goes on by itself when there is some. Until
	// then the replica acknowledges nothing that is new. While a majority waits, nothing is released.
	DiskFull bool
	// Refused, if not nil, says which connections with other nodes were refused in the last seconds, here or
	// there, and why: another cluster, an unknown node, two nodes of one name, a wrong version or
	// certificate. It matches quorum.ErrRefused, and does not go away before a configuration is mended.
	Refused error
	// Released is up to where this replica has everything that is released. It grows with
	// the leader's, a little behind.
	Released Timestamp
	// Members vote; Learners follow, and do not count for majorities.
	Members, Learners []NodeID
}
