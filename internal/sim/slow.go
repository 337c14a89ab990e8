package sim

import "time"

// SlowFault makes one node slow.
type SlowFault struct {
	Name    string
	Inflict func(n *Node)
}

// SlowFaults returns the ways in which a node is slow, each from the time on at
// which it is inflicted.
func SlowFaults() []SlowFault {
	const long = time.Hour
	return []SlowFault{
		{"slow CPU", func(n *Node) { n.CPU = time.Millisecond }},
		{"slow disk", func(n *Node) { n.Disk.SyncDelay = 100 * time.Millisecond }},
		{"slow link", func(n *Node) {
			for _, other := range n.w.nodes {
				if other != n {
					n.w.Link(n.id, other.id).DelayMin = 50 * time.Millisecond
					n.w.Link(other.id, n.id).DelayMin = 50 * time.Millisecond
				}
			}
		}},
		{"paused", func(n *Node) { n.Pause(long) }},
		{"stopped", func(n *Node) { n.Crash(false) }},
	}
}
