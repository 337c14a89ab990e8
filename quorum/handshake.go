package quorum

import (
	"encoding/hex"
	"fmt"
	"math"

	"github.com/godwitdb/godwit/internal/env"
)

// The handshake of a connection: who dialled says hello, the other side answers with
// a welcome or with a refusal, and nothing else is sent before that. So a node that
// counts as connected has been taken in, and a request to one that refuses was never
// sent.
//
// What these frames say stays as it is in all versions: later ones add fields behind
// it, which earlier ones do not look at.

// versions are those that an Endpoint speaks, from lowest to highest. Of two sides'
// the highest common one is used.
type versions struct{ lowest, highest uint64 }

// spoken are the versions that this code speaks. Version 1 is the first.
var spoken = versions{1, 1}

// handshakeBytesMax is what is taken of somebody who has not said yet who he is.
const handshakeBytesMax = 2048

// ClusterID names a cluster: nodes talk to those of their own only. The zero value is
// a cluster too, that of programs that do not care.
type ClusterID [16]byte

// String returns the name in hexadecimal digits.
func (c ClusterID) String() string { return hex.EncodeToString(c[:]) }

// ParseClusterID reads what String has written: 32 hexadecimal digits.
func ParseClusterID(text string) (c ClusterID, err error) {
	if len(text) != hex.EncodedLen(len(c)) {
		return c, fmt.Errorf("the cluster id %.64q has not %d hexadecimal digits", text, hex.EncodedLen(len(c)))
	}
	if _, err := hex.Decode(c[:], []byte(text)); err != nil {
		return ClusterID{}, fmt.Errorf("the cluster id %q: %w", text, err)
	}
	return c, nil
}

func clusterField(c *Coder, x *ClusterID) {
	b := x[:]
	if c.Bytes(&b); len(b) != len(x) {
		c.fail()
		return
	}
	copy(x[:], b)
}

// hello is what who dials says.
type hello struct {
	versions versions
	cluster  ClusterID
	to       NodeID // whom it means to talk to
	instance uint64 // which one of all Endpoints with that name it is
	nonce    uint64 // its part of the seed of frames
	settings string // "" if it has none
}

// Fields implements Message.
func (m *hello) Fields(c *Coder) {
	c.Uint(&m.versions.lowest)
	c.Uint(&m.versions.highest)
	clusterField(c, &m.cluster)
	c.Node(&m.to)
	c.Uint(&m.instance)
	c.Uint(&m.nonce)
	if c.more() {
		c.String(&m.settings)
	}
}

// welcome is the answer to a hello.
type welcome struct {
	version  uint64 // that is used
	instance uint64
	nonce    uint64
}

// Fields implements Message.
func (m *welcome) Fields(c *Coder) {
	c.Uint(&m.version)
	c.Uint(&m.instance)
	c.Uint(&m.nonce)
}

// RefusalReason says why a node refuses another.
type RefusalReason uint64

// The reasons. Another side may have more.
const (
	RefusedOther     RefusalReason = iota
	RefusedCluster                 // they belong to different clusters
	RefusedUnknown                 // nobody is known under that name
	RefusedSelf                    // it claims the name of the node that it talks to
	RefusedDuplicate               // another process with its name is connected
	RefusedVersion                 // they have no version in common
	RefusedIdentity                // its certificate is of another node
	RefusedAddress                 // it dialled this node and means another
	RefusedSettings                // their Options.Settings differ
)

// RefusedError is a refusal. It matches ErrRefused; for RefusedUnknown
// ErrUnknownNode too.
type RefusedError struct {
	Node   NodeID // the other node, as it calls itself
	Here   bool   // this node refused; else the other one did
	Reason RefusalReason
	Text   string
}

// Error says who refused whom, and why.
func (e *RefusedError) Error() string {
	if e.Here {
		return fmt.Sprintf("%v: node %d by this node: %s", ErrRefused, e.Node, e.Text)
	}
	return fmt.Sprintf("%v: by node %d: %s", ErrRefused, e.Node, e.Text)
}

// Unwrap returns the errors that it is.
func (e *RefusedError) Unwrap() []error {
	if e.Reason == RefusedUnknown {
		return []error{ErrRefused, ErrUnknownNode}
	}
	return []error{ErrRefused}
}

// Fields implements Message.
func (e *RefusedError) Fields(c *Coder) { c.String(&e.Text) }

// readRefusal decodes the refusal of a node. It may have said nothing.
func readRefusal(by NodeID, f *frame) *RefusedError {
	r := &RefusedError{Node: by, Reason: RefusalReason(f.method)}
	if decodeSome(f.payload, r) != nil {
		r.Text = "for no reason that this version understands"
	}
	return r
}

// OnRefused makes f be called on the loop whenever a connection is refused, here or by
// the other node. It is a fault of configuration, or an attack, and does not go away
// by itself: somebody should be told. Who is refused tries again, after pauses like
// those after failed attempts to connect; f must not wait.
func (e *Endpoint) OnRefused(f func(*RefusedError)) { e.onRefused = append(e.onRefused, f) }

func (e *Endpoint) tellRefused(r *RefusedError) {
	e.stats.Refused++
	for _, f := range e.onRefused {
		f(r)
	}
}

// handshake begins a handshake message.
func (e *Endpoint) handshake(kind frameKind, method uint64, m Message) []byte {
	b := beginFrame(nil, &frame{kind: kind, number: uint64(e.id), method: method})
	return sealFrame(endFrame(Encode(b, m)), 0)
}

// greet says hello.
func (l *link) greet() {
	l.nonce = l.e.rt.host.Uint64()
	m := &hello{versions: l.e.versions, cluster: l.e.options.Cluster, to: l.peer, instance: l.e.instance, nonce: l.nonce, settings: l.e.options.Settings}
	l.put(l.e.handshake(frameHello, 0, m))
}

// put writes a frame of a handshake.
func (l *link) put(b []byte) {
	o := outgoing{frame: b, bytes: len(b)}
	l.bytes += o.bytes
	l.writing = append(l.writing, o)
	l.pieces = append(l.pieces[:0], b)
	l.conn.Write(l.pieces)
}

// shake takes a frame of a handshake.
func (l *link) shake(f *frame) error {
	switch {
	case l.accepted && f.kind == frameHello && l.claimed == 0:
		var m hello
		if err := decodeSome(f.payload, &m); err != nil {
			return err
		}
		if why := l.e.judge(l, f.number, &m); why != nil {
			l.refuse(why)
			return nil
		}
		l.claimed, l.instance = NodeID(f.number), m.instance
		l.nonce = l.e.rt.host.Uint64()
		l.version = min(m.versions.highest, l.e.versions.highest)
		l.in, l.out = frameSeed(m.nonce, l.nonce), frameSeed(l.nonce, m.nonce)
	case !l.accepted && f.kind == frameWelcome && l.claimed == 0:
		var m welcome
		if err := decodeSome(f.payload, &m); err != nil {
			return err
		}
		if f.number != uint64(l.peer) || m.version < l.e.versions.lowest || m.version > l.e.versions.highest {
			return fmt.Errorf("%w: a welcome of node %d in version %d", errUnexpected, f.number, m.version)
		}
		l.claimed, l.instance, l.version = l.peer, m.instance, m.version
		l.in, l.out = frameSeed(m.nonce, l.nonce), frameSeed(l.nonce, m.nonce)
	case !l.accepted && f.kind == frameRefusal && l.claimed == 0:
		l.refused(readRefusal(l.peer, f))
		return nil
	default:
		return errUnexpected
	}
	l.e.admit(l)
	return nil
}

// judge tells why a node that says hello is refused, if it is.
func (e *Endpoint) judge(l *link, number uint64, m *hello) *RefusedError {
	from := NodeID(min(number, math.MaxUint32))
	no := func(reason RefusalReason, format string, args ...any) *RefusedError {
		return &RefusedError{Node: from, Here: true, Reason: reason, Text: fmt.Sprintf(format, args...)}
	}
	ours := e.versions
	switch {
	case m.cluster != e.options.Cluster:
		return no(RefusedCluster, "node %d belongs to cluster %v, node %d to cluster %v", number, m.cluster, e.id, e.options.Cluster)
	case m.to != e.id:
		return no(RefusedAddress, "node %d dialled node %d and got node %d: the address is wrong", number, m.to, e.id)
	case from == e.id && m.instance != e.instance:
		return no(RefusedSelf, "node %d is the name of the node that was dialled: two nodes have one name", number)
	case number == 0 || number > math.MaxUint32 || !e.known(from):
		return no(RefusedUnknown, "node %d is none that node %d knows of", number, e.id)
	case m.versions.lowest > ours.highest || m.versions.highest < ours.lowest:
		return no(RefusedVersion, "node %d speaks versions %d to %d, node %d speaks %d to %d", number, m.versions.lowest, m.versions.highest, e.id, ours.lowest, ours.highest)
	case m.settings != "" && e.options.Settings != "" && m.settings != e.options.Settings:
		return no(RefusedSettings, "node %d has %.64s, node %d has %s: it has to be the same", number, m.settings, e.id, e.options.Settings)
	}
	if v, ok := l.conn.(env.Voucher); ok {
		if err := v.Vouches(from); err != nil {
			return no(RefusedIdentity, "node %d: %v", number, err)
		}
	}
	return nil
}

// refuse tells the other side why it is refused, and closes the connection when that
// is out.
func (l *link) refuse(why *RefusedError) {
	if !l.accepted {
		l.refused(why)
		return
	}
	l.state = linkRefusing
	l.put(l.e.handshake(frameRefusal, uint64(why.Reason), why))
	l.e.tellRefused(why)
}

// refused is the end of a connection that was dialled: one of the two sides does not
// want it.
func (l *link) refused(why *RefusedError) {
	l.drop(why)
	l.e.tellRefused(why)
}

// welcome is the end of a handshake.
func (l *link) welcome() {
	l.e.rt.timers.cancel(&l.rest)
	l.state, l.pause, l.why = linkUp, 0, nil
	if l.accepted {
		l.peer = l.claimed
		l.put(l.e.handshake(frameWelcome, 0, &welcome{version: l.version, instance: l.e.instance, nonce: l.nonce}))
	}
	l.stands = true
	l.flushLater()
	l.e.stands(l.peer)
}
