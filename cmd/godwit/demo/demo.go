package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"
)

// Options configure a demo.
type Options struct {
	// Command returns the command that runs this program with other arguments. It must not end with ctx's.
	Command func(ctx context.Context, args ...string) *exec.Cmd
	// Dir keeps the nodes' folders; a demo in it goes on from where the last one ended.
	Dir string
	// Port is where clients of the first node connect, those of the others behind it. Default: firstPort if the
	// ports are free, else any.
	Port int
	// Serve are more arguments of the nodes.
	Serve []string
	// Keys are what is pressed, one byte each.
	Keys io.Reader
	// Out is where to tell. LineEnd ends its lines.
	Out     io.Writer
	LineEnd string
	// Live tells to keep a line of how the nodes are, and to write it again and again.
	Live bool

	cluster godwit.ClusterID // read from Dir, or new
}

// Run runs a demo until ctx ends or q is pressed.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.identify(); err != nil {
		return err
	}
	c, err := newCluster(o)
	if err != nil {
		return err
	}
	d := &demo{cluster: c, screen: screen{out: o.Out, end: o.LineEnd, live: o.Live}, dir: o.Dir}
	defer func() {
		d.say("stopping")
		err = errors.Join(err, c.stop())
	}()
	for _, n := range c.nodes {
		if err := c.start(ctx, n); err != nil {
			return err
		}
	}
	return d.run(ctx, keys(ctx, o.Keys))
}

// identify finds the id of the cluster whose nodes are in the folder, which it makes if there is none.
func (o *Options) identify() error {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(o.Dir, "cluster")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		o.cluster = godwit.NewClusterID()
		return os.WriteFile(file, []byte(o.cluster.String()), 0o600)
	}
	if err != nil {
		return err
	}
	if o.cluster, err = godwit.ParseClusterID(strings.TrimSpace(string(text))); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// keys sends the bytes that are read, until ctx ends or there are none.
func keys(ctx context.Context, in io.Reader) <-chan byte {
	pressed := make(chan byte)
	go func() { // ends with the process at the latest: a terminal cannot be left in the middle of a read
		var b [1]byte
		for {
			if _, err := io.ReadFull(in, b[:]); err != nil {
				return
			}
			select {
			case pressed <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	return pressed
}

// demo is a demo that runs.
type demo struct {
	*cluster
	screen
	dir    string
	served bool          // once
	led    godwit.NodeID // who led at the last look
	// dead are the nodes whose end has been told.
	dead  map[godwit.NodeID]bool
	meter meter
}

// ctrlC is what a terminal gives that does not make a signal of it.
const ctrlC = 3

func (d *demo) run(ctx context.Context, pressed <-chan byte) error {
	d.dead = map[godwit.NodeID]bool{}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case key := <-pressed:
			switch key {
			case 'k':
				d.killLeader(ctx)
			case 'r':
				if err := d.restart(ctx); err != nil {
					return err
				}
			case 'q', ctrlC:
				return nil
			}
		case <-tick.C:
			d.look(ctx)
			if err := d.tell(); err != nil {
				return err
			}
		}
	}
}

// tell says what has changed since the last look.
func (d *demo) tell() error {
	for _, n := range d.nodes {
		if n.alive() || d.dead[n.id] {
			continue
		}
		d.dead[n.id] = true
		if !d.served { // it cannot be started
			return fmt.Errorf("node %d has ended\n%s", n.id, n.child.Said())
		}
		d.say("node %d has ended by itself\n%s", n.id, n.child.Said())
	}
	lead := d.leader()
	if lead != nil && !d.served {
		d.served = true
		d.welcome()
	}
	if lead != nil && lead.id != d.led {
		d.led = lead.id
		d.say("node %d leads (epoch %d)", lead.id, lead.status.Epoch)
	}
	d.show(d.line(lead))
	return nil
}

// line is how the nodes are.
func (d *demo) line(lead *node) string {
	var parts []string
	for _, n := range d.nodes {
		how := "starting"
		switch {
		case !n.alive():
			how = "dead"
		case n.conn != nil:
			how = string(n.status.Role)
		}
		parts = append(parts, fmt.Sprintf("node %d: %s", n.id, how))
	}
	if lead != nil {
		parts = append(parts, fmt.Sprintf("%.0f commands/s released", d.meter.rate(time.Now(), lead.id, lead.status.Commands)))
	} else {
		parts = append(parts, "nobody leads")
	}
	return strings.Join(parts, "  ")
}

// welcome says what can be done.
func (d *demo) welcome() {
	d.say("A shard of %d replicas, in %s. Its nodes take Redis clients; each serves all of it.\n", replicas, d.dir)
	for _, n := range d.nodes {
		d.say("  node %d   console http://%s/   redis-cli -p %s", n.id, n.admin, port(n.addr))
	}
	d.say("\nIn another terminal, write through one node and read through another:\n")
	d.say("  redis-cli -p %s incr visits", port(d.nodes[1].addr))
	d.say("  redis-cli -p %s get visits", port(d.nodes[2].addr))
	d.say("  redis-benchmark -p %s -t set,get -c 50 -n 1000000 -q\n", port(d.nodes[0].addr))
	d.say("Keys:  k  kill the leader (kill -9)   r  restart what is dead   q  quit\n")
}

// killLeader kills the leader, and measures how long a client of another node waits.
func (d *demo) killLeader(ctx context.Context) {
	d.look(ctx)
	lead := d.leader()
	if lead == nil {
		d.say("nobody leads")
		return
	}
	var other *node
	alive := 0
	for _, n := range d.nodes {
		if n != lead && n.alive() {
			other = n
			alive++
		}
	}
	lead.kill()
	killed := time.Now()
	d.dead[lead.id], d.led = true, 0
	d.say("node %d, which led, is killed", lead.id)
	if alive <= replicas/2 {
		d.say("the others are no majority: nothing is released until r brings some back")
		return
	}
	if err := ask(ctx, other.addr); err != nil {
		d.say("a client of node %d: %v", other.id, err)
		return
	}
	d.say("a client of node %d has its next answer after %d ms", other.id, time.Since(killed).Milliseconds())
}

// ask reads a key, as a client does: what it is told was the newest when it was asked.
func ask(ctx context.Context, addr string) error {
	n, err := remote.Dial(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer n.Close()
	_, err = n.Do(ctx, "EXISTS", "visits")
	return err
}

// restart starts what is dead.
func (d *demo) restart(ctx context.Context) error {
	for _, n := range d.nodes {
		if n.alive() {
			continue
		}
		if err := d.start(ctx, n); err != nil {
			return err
		}
		delete(d.dead, n.id)
		d.say("node %d is started", n.id)
	}
	return nil
}
