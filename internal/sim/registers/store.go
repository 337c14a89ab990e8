package registers

import (
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/godwitdb/godwit/internal/sim"
	"github.com/godwitdb/godwit/quorum"
)

// Request is what a client asks for, and the command in the log.
type Request struct {
	Client, Seq uint64 // by which a request that comes twice is known
	Write       bool
	Key, Value  uint64
}

// Fields implements quorum.Message.
func (m *Request) Fields(c *quorum.Coder) {
	c.Uint(&m.Client)
	c.Uint(&m.Seq)
	c.Bool(&m.Write)
	c.Uint(&m.Key)
	c.Uint(&m.Value)
}

// Show says what a command is, for transcripts.
func Show(b []byte) string {
	var r Request
	if quorum.Decode(b, &r) != nil || r.Client == 0 {
		return ""
	}
	return fmt.Sprintf("(client %d, request %d: register %d = %d)", r.Client, r.Seq, r.Key, r.Value)
}

// Response answers a Request.
type Response struct {
	// Done: it has been carried out. If not, Ask are nodes that may do it.
	Done, Found bool
	Value       uint64
	Ask         []quorum.NodeID
}

// Fields implements quorum.Message.
func (m *Response) Fields(c *quorum.Coder) {
	c.Bool(&m.Done)
	c.Bool(&m.Found)
	c.Uint(&m.Value)
	quorum.Slice(c, &m.Ask, c.Node)
}

// Method is how clients send requests.
func Method() quorum.Method[Request, Response] {
	return quorum.NewMethod[Request, Response](100, "client")
}

// Log checks that all members of a cluster carry out the same.
type Log struct {
	world *sim.World
	// Once: the protocol, and not the store, passes over a request that comes twice.
	Once   bool
	hashes []uint32 // of what was carried out, by index
}

// NewLog returns a Log of nothing.
func NewLog(w *sim.World) *Log { return &Log{world: w} }

// Store is a member's state machine: registers, and the last request of each
// client.
type Store struct {
	log     *Log
	node    *sim.Node
	Values  map[uint64]uint64
	clients map[uint64]uint64
}

// NewStore returns the state machine of a member.
func (l *Log) NewStore(n *sim.Node) *Store {
	return &Store{l, n, map[uint64]uint64{}, map[uint64]uint64{}}
}

// note checks what a member carries out.
func (l *Log) note(n *sim.Node, index uint64, command []byte) {
	for uint64(len(l.hashes)) <= index {
		l.hashes = append(l.hashes, 0)
	}
	hash := crc32.ChecksumIEEE(command) | 1
	if l.hashes[index] == 0 {
		l.hashes[index] = hash
	}
	if l.hashes[index] != hash {
		l.world.Fail("state machine safety: n%d carries out another command at %d", n.ID(), index)
	}
}

// Apply carries out a Request and returns its Response.
func (s *Store) Apply(index uint64, command []byte) []byte {
	s.log.note(s.node, index, command)
	var r Request
	if err := quorum.Decode(command, &r); err != nil {
		s.log.world.Fail("n%d carries out an undecodable command at %d", s.node.ID(), index)
		return nil
	}
	if s.clients[r.Client] < r.Seq {
		s.clients[r.Client] = r.Seq
		if r.Write {
			s.Values[r.Key] = r.Value
		}
	} else if s.log.Once {
		s.log.world.Fail("n%d carries out request %d of client %d again at %d", s.node.ID(), r.Seq, r.Client, index)
	}
	return quorum.Encode(nil, s.Read(r.Key))
}

// Read returns what is in a register.
func (s *Store) Read(key uint64) *Response {
	value, found := s.Values[key]
	return &Response{Done: true, Found: found, Value: value}
}

// contents is a store as it is written to snapshots.
type contents struct{ values, clients []pair }

type pair struct{ k, v uint64 }

func (m *contents) Fields(c *quorum.Coder) {
	each := func(p *pair) { c.Uint(&p.k); c.Uint(&p.v) }
	quorum.Slice(c, &m.values, each)
	quorum.Slice(c, &m.clients, each)
}

func pairs(m map[uint64]uint64) []pair {
	var p []pair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		p = append(p, pair{k, m[k]})
	}
	return p
}

// Snapshot returns all that is in the store.
func (s *Store) Snapshot() []byte {
	return quorum.Encode(nil, &contents{pairs(s.Values), pairs(s.clients)})
}

// Restore takes a Snapshot back.
func (s *Store) Restore(data []byte) error {
	var m contents
	if err := quorum.Decode(data, &m); err != nil {
		return err
	}
	clear(s.Values)
	clear(s.clients)
	for _, p := range m.values {
		s.Values[p.k] = p.v
	}
	for _, p := range m.clients {
		s.clients[p.k] = p.v
	}
	return nil
}
