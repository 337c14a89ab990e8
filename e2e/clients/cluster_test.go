package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/godwitdb/godwit"
)

const (
	// replicas is how many nodes there are: the least of which one may be lost.
	replicas = 3
	// downtime is how long a node that was killed is away.
	downtime = 500 * time.Millisecond
	// lookEvery is how often the nodes are asked who leads.
	lookEvery = 20 * time.Millisecond
	// lookTimeout is how long a node may take to say it.
	lookTimeout = 5 * time.Second
)

// cluster is three nodes of Godwit as processes of their own, which replicate all to each other's disks.
type cluster struct {
	dir    string
	binary string
	nodes  []*node
}

// node is one of them.
type node struct {
	addr string // where clients connect
	args []string
	cmd  *exec.Cmd // nil while it is dead
	life io.Closer // its standard input, with which it ends
	ask  *redis.Client
	log  log
}

// log keeps what a process says.
type log struct {
	sync.Mutex
	bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

// startCluster builds Godwit and starts the nodes, with more arguments than usual.
func startCluster(more ...string) (c *cluster, err error) {
	dir, err := os.MkdirTemp("", "godwit-clients-")
	if err != nil {
		return nil, err
	}
	c = &cluster{dir: dir, binary: filepath.Join(dir, "godwit")}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	build := exec.Command("go", "build", "-o", c.binary, "./cmd/godwit")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building Godwit: %w\n%s", err, out)
	}
	addrs, err := freeAddrs(2 * replicas)
	if err != nil {
		return nil, err
	}
	var peers []string
	for i := range replicas {
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, addrs[replicas+i]))
	}
	id := godwit.NewClusterID().String()
	for i := range replicas {
		n := &node{addr: addrs[i], args: append([]string{
			"serve", "--with-parent", "--dir", filepath.Join(dir, fmt.Sprint("node-", i+1)), "--listen", addrs[i], "--memory", "512",
			"--cluster", id, "--node", fmt.Sprint(i + 1), "--peers", strings.Join(peers, ","), "--cluster-secret", id,
		}, more...)}
		n.ask = redis.NewClient(&redis.Options{Addr: n.addr, MaxRetries: -1, DialTimeout: lookTimeout, ReadTimeout: lookTimeout, DialerRetries: 1})
		c.nodes = append(c.nodes, n)
		if err := c.launch(n); err != nil {
			return nil, err
		}
	}
	if _, err := c.leader(context.Background()); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, c.said())
	}
	return c, nil
}

// freeAddrs returns addresses that nobody listens at, and that no connection of a client gets: a node that is
// started again finds its own free.
func freeAddrs(n int) ([]string, error) {
	const first, ports, tries = 20_000, 10_000, 1000 // below those that systems give to clients
	var addrs []string
	for range tries {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }()
		if addrs = append(addrs, l.Addr().String()); len(addrs) == n {
			return addrs, nil
		}
	}
	return nil, errors.New("no ports are free")
}

// launch starts a node's process.
func (c *cluster) launch(n *node) error {
	cmd := exec.Command(c.binary, n.args...)
	cmd.Stdout, cmd.Stderr = &n.log, &n.log
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.cmd, n.life = cmd, life
	return nil
}

// kill ends a node's process as kill -9 does.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait() // it says that it was killed
	_ = n.life.Close()
	n.cmd = nil
}

// leader waits until all nodes know who leads, and returns it.
func (c *cluster) leader(ctx context.Context) (*node, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var lead *node
		known := 0
		for _, n := range c.nodes {
			switch role, _ := n.ask.Do(ctx, "ROLE").Slice(); {
			case len(role) == 3:
				lead = n
				known++
			case len(role) == 5 && role[3] == "connected":
				known++
			}
		}
		if lead != nil && known == len(c.nodes) {
			return lead, nil
		}
		if !pause(ctx, lookEvery) {
			return nil, fmt.Errorf("%d of %d nodes know who leads", known, len(c.nodes))
		}
	}
}

// killLeader kills the node that leads and starts it again.
func (c *cluster) killLeader(ctx context.Context) error {
	lead, err := c.leader(ctx)
	if err != nil {
		return err
	}
	lead.kill()
	pause(ctx, downtime)
	return c.launch(lead)
}

// said returns what the nodes have said.
func (c *cluster) said() string {
	var all strings.Builder
	for _, n := range c.nodes {
		n.log.Lock()
		_, _ = fmt.Fprintf(&all, "%s:\n%s", n.addr, n.log.String())
		n.log.Unlock()
	}
	return all.String()
}

// stop ends all nodes and deletes what they have.
func (c *cluster) stop() {
	for _, n := range c.nodes {
		_ = n.ask.Close()
		if n.cmd != nil {
			n.kill()
		}
	}
	_ = os.RemoveAll(c.dir)
}
