package occ

import (
	"github.com/godwitdb/godwit/internal/arena"
	"github.com/godwitdb/godwit/internal/index"
)

// nodeSetSmall is how many nodes a set searches one by one; above, it keeps a
// map.
const nodeSetSmall = 32

// nodeSet is the index nodes whose key sets a transaction has looked at, each
// with the version that it saw.
type nodeSet struct {
	entries []nodeEntry
	byRef   map[arena.Ref]int32 // of all entries, once there are many
}

type nodeEntry struct {
	node    arena.Ref
	version uint64
}

func (s *nodeSet) find(node arena.Ref) int {
	if len(s.entries) > nodeSetSmall {
		if i, ok := s.byRef[node]; ok {
			return int(i)
		}
		return -1
	}
	for i := range s.entries {
		if s.entries[i].node == node {
			return i
		}
	}
	return -1
}

// add notes that the node was seen at version. It returns false if the set
// knows another version of it: the node has changed in between.
func (s *nodeSet) add(node arena.Ref, version uint64) bool {
	if i := s.find(node); i >= 0 {
		return s.entries[i].version == version
	}
	s.entries = append(s.entries, nodeEntry{node, version})
	n := len(s.entries)
	switch {
	case n == nodeSetSmall+1:
		if s.byRef == nil {
			s.byRef = make(map[arena.Ref]int32, 2*nodeSetSmall)
		}
		for i := range s.entries {
			s.byRef[s.entries[i].node] = int32(i)
		}
	case n > nodeSetSmall+1:
		s.byRef[node] = int32(n - 1)
	}
	return true
}

// follow brings the set up to date with changes that the transaction itself
// made to nodes. A node that somebody else changed before keeps its old version,
// and validation fails on it.
func (s *nodeSet) follow(changes []index.Change) {
	if len(s.entries) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		at := s.find(c.Node)
		if at < 0 || s.entries[at].version != c.Before {
			continue
		}
		s.entries[at].version = c.After
		if c.Right != 0 {
			s.add(c.Right, c.RightVersion)
		}
	}
}

// valid tells whether all nodes still have the versions that were seen.
func (s *nodeSet) valid(a *arena.Arena) bool {
	for i := range s.entries {
		if index.CurrentVersion(a, s.entries[i].node) != s.entries[i].version {
			return false
		}
	}
	return true
}

func (s *nodeSet) reset() {
	switch {
	case len(s.entries) > keepMax:
		s.byRef = nil
	case len(s.entries) > nodeSetSmall:
		clear(s.byRef) // its memory stays for the next transaction
	}
	s.entries = keepSmall(s.entries)
}
