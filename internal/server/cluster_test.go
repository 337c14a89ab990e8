package server

import (
	"regexp"
	"strings"
	"testing"
)

// TestCluster asks nodes that redirect what clients of a Redis cluster ask, before and after a change of the lead.
func TestCluster(t *testing.T) {
	s := newAdaptedShard(t, func(o *Options) { o.Redirect = true })
	nodes := []*testNode{s.nodes[1], s.nodes[2], s.nodes[3]}
	slots := regexp.MustCompile(`^\[\[0 16383 (\["127.0.0.1" \d+ "[0-9a-f]{40}" \[\]\] ?){3}\]\]$`)
	names := map[string]bool{}
	for range 2 {
		lead := s.leader()
		for _, n := range nodes {
			c := dial(t, n.addr)
			got := c.call("CLUSTER SLOTS")
			for !slots.MatchString(got) || !strings.HasPrefix(got, `[[0 16383 ["127.0.0.1" `+strings.TrimPrefix(lead.addr, "127.0.0.1:")+" ") {
				got = c.call("CLUSTER SLOTS") // it hears of the others in a moment
			}
			name := c.call("CLUSTER MYID")
			names[name] = true
			if !strings.Contains(got, name) {
				t.Errorf("CLUSTER SLOTS: %s, without %s", got, name)
			}
			shards := c.call("CLUSTER SHARDS")
			if !strings.HasPrefix(shards, `[["slots" [0 16383] "nodes" [["id" "`) || strings.Count(shards, `"role" "master"`) != 1 || strings.Count(shards, `"role" "replica"`) != 2 || !strings.Contains(shards, name) {
				t.Errorf("CLUSTER SHARDS: %s", shards)
			}
			if got := c.call("CLUSTER NODES"); strings.Count(got, "@0") != 3 || strings.Count(got, "myself,") != 1 || strings.Count(got, " connected 0-16383") != 1 {
				t.Errorf("CLUSTER NODES: %s", got)
			}
			if got := c.call("CLUSTER INFO"); !strings.Contains(got, "cluster_state:ok") || !strings.Contains(got, "cluster_known_nodes:3") {
				t.Errorf("CLUSTER INFO: %s", got)
			}
			c.expect("CLUSTER KEYSLOT foo", "12182")
			if got := c.call("CLUSTER SHARES"); !strings.HasPrefix(got, "!ERR Unknown subcommand") {
				t.Errorf("CLUSTER SHARES: %s", got)
			}
			if got := c.call("INFO cluster"); !strings.Contains(got, "cluster_enabled:1") {
				t.Errorf("INFO cluster: %s", got)
			}
		}
		for _, n := range nodes {
			if n != lead {
				if err := lead.db.Transfer(t.Context(), n.id); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	}
	if len(names) != 3 {
		t.Errorf("the nodes have %d names", len(names))
	}
	c := dial(t, newTestServer(t, nil))
	c.expect("CLUSTER SLOTS", "!ERR This instance has cluster support disabled")
}
