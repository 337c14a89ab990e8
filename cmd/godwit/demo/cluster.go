package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/child"
	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"
	"github.com/godwitdb/godwit/internal/server"
)

const (
	// replicas is how many there are: the least of which one may be lost.
	replicas = 3
	// firstPort is where the clients of the first node connect, if it and those behind it are free.
	firstPort = 7001
	// firstAdminPort is where the admin port of the first node is, if it and those behind it are free.
	firstAdminPort = 7011
	// host is where everything listens: nobody else's machine.
	host = "127.0.0.1"
	// lookEvery is how often the nodes are asked how they are.
	lookEvery = 100 * time.Millisecond
	// lookTimeout is how long a node may take to say how it is.
	lookTimeout = 2 * time.Second
	// endTimeout is how long a node may take to end when it is asked to.
	endTimeout = 15 * time.Second
)

// node is one of the replicas.
type node struct {
	id    godwit.NodeID
	addr  string   // where clients connect
	admin string   // where operators do
	args  []string // of its command line
	child *child.Process
	ended chan struct{} // closed when the process has ended; nil before the first start
	conn  *remote.Node  // nil when it cannot be asked
	// status is what it has said last; valid if conn is not nil.
	status server.Status
}

// alive tells whether the node's process runs.
func (n *node) alive() bool {
	select {
	case <-n.ended:
		return false
	default:
		return n.ended != nil
	}
}

// cluster is the shard. It is for one goroutine.
type cluster struct {
	command func(ctx context.Context, args ...string) *exec.Cmd
	secret  string // of the nodes
	nodes   []*node
}

// newCluster returns a cluster of which nothing runs.
func newCluster(o Options) (*cluster, error) {
	clients, err := ports(o.Port, firstPort)
	if err != nil {
		return nil, err
	}
	admin, err := ports(0, firstAdminPort)
	if err != nil {
		return nil, err
	}
	peers, err := ports(0, 0)
	if err != nil {
		return nil, err
	}
	c := &cluster{command: o.Command, secret: rand.Text()}
	var all []string
	for i, addr := range peers {
		all = append(all, fmt.Sprintf("%d=%s", i+1, addr))
	}
	for i := range replicas {
		id := godwit.NodeID(i + 1) //nolint:gosec // there are three
		c.nodes = append(c.nodes, &node{id: id, addr: clients[i], admin: admin[i], args: append([]string{
			"serve", "--with-parent", "--dir", filepath.Join(o.Dir, fmt.Sprintf("node-%d", id)), "--listen", clients[i], "--admin", admin[i],
			"--cluster", o.cluster.String(), "--node", fmt.Sprint(id), "--peers", strings.Join(all, ","),
		}, o.Serve...)})
	}
	return c, nil
}

// ports returns addresses that nobody listens at: those from first on if that is not 0, else from preferred on if they are
// free, else any.
func ports(first, preferred int) ([]string, error) {
	if first == 0 && preferred != 0 {
		if addrs, err := ports(preferred, 0); err == nil {
			return addrs, nil
		}
	}
	listeners := make([]net.Listener, 0, replicas)
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	var addrs []string
	for i := range replicas {
		port := 0
		if first != 0 {
			port = first + i
		}
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			return nil, err
		}
		listeners, addrs = append(listeners, l), append(addrs, l.Addr().String())
	}
	return addrs, nil
}

// start starts a node's process.
func (c *cluster) start(ctx context.Context, n *node) (err error) {
	ended := make(chan struct{})
	cmd := c.command(ctx, n.args...)
	cmd.Env = append(os.Environ(), "GODWIT_CLUSTER_SECRET="+c.secret) // others see command lines
	n.child, err = child.Start(cmd, func(_ *child.Process, _ struct{}, _ time.Time, end error) {
		if end != nil {
			close(ended)
		}
	})
	if err == nil {
		n.ended = ended
	}
	return err
}

// look asks all nodes how they are.
func (c *cluster) look(ctx context.Context) {
	for _, n := range c.nodes {
		if err := n.look(ctx); err != nil && n.conn != nil {
			n.conn.Close()
			n.conn = nil
		}
	}
}

func (n *node) look(ctx context.Context) (err error) {
	if !n.alive() {
		return errors.New("it has ended")
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if n.conn == nil {
		if n.conn, err = remote.Dial(ctx, n.addr, nil); err != nil {
			n.conn = nil
			return err
		}
	}
	n.status, err = n.conn.Status(ctx)
	return err
}

// leader returns the node that leads as far as the last look has shown, nil if none does.
func (c *cluster) leader() *node {
	var lead *node
	for _, n := range c.nodes {
		if n.conn != nil && n.status.Role == server.RoleLeader && (lead == nil || lead.status.Epoch < n.status.Epoch) {
			lead = n
		}
	}
	return lead
}

// kill ends a node's process at once.
func (n *node) kill() {
	n.child.Kill()
	_ = n.child.Wait() // it says that it was killed
}

// stop ends all nodes, each in its own way if it does that soon.
func (c *cluster) stop() error {
	var errs []error
	deadline := time.NewTimer(endTimeout)
	defer deadline.Stop()
	for _, n := range c.nodes {
		if n.alive() {
			n.child.Dismiss()
		}
	}
	for _, n := range c.nodes {
		if n.ended == nil {
			continue
		}
		select {
		case <-n.ended:
		case <-deadline.C:
			deadline.Reset(0)
			errs = append(errs, fmt.Errorf("node %d did not end and was killed", n.id))
			n.child.Kill()
		}
		_ = n.child.Wait() // how it ended was told before
	}
	return errors.Join(errs...)
}
