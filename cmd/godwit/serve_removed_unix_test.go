//go:build unix

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwitdb/godwit/cmd/godwit/internal/remote"
	"github.com/godwitdb/godwit/internal/server"
)

// TestRemoved: a node that is removed says so to operators and clients, one that was killed before and is started again too,
// of whose data it knows nothing.
func TestRemoved(t *testing.T) {
	n := startNodes(t, "--leader-wait", "100ms")
	lead := n.leader()
	c, err := remote.Dial(n.ctx, n.addrs[lead], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n.set(c, "v")
	remove := func(node int) {
		if _, err := c.Do(n.ctx, "GODWIT", "MEMBERS", "REMOVE", fmt.Sprint(node+1)); err != nil {
			t.Fatal(err)
		}
	}
	says := func(node int) {
		n.nodes[node].await(t, "this node was removed from the cluster and serves nobody any more: stop it; to make it a member again, start it with an empty data folder and --join, and use godwit members add")
		if s, err := remote.Status(n.ctx, n.addrs[node]); err != nil || s.Role != server.RoleRemoved {
			t.Errorf("node %d is %q, %v", node+1, s.Role, err)
		}
		there, err := remote.Dial(n.ctx, n.addrs[node], nil)
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		if _, err := there.Do(n.ctx, "GET", "k"); err == nil || !strings.HasPrefix(err.Error(), "CLUSTERDOWN this node was removed") {
			t.Errorf("node %d: %v", node+1, err)
		}
	}
	away, there := (lead+1)%3, (lead+2)%3
	if err := n.nodes[away].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	n.nodes[away].drain()
	_ = n.nodes[away].cmd.Wait() // it was killed
	remove(away)
	n.nodes[away] = startProcess(t, n.ctx, n.args[away]...)
	says(away)
	remove(there)
	says(there)
}
