package keyspace

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/godwitdb/godwit/internal/keyspace/counted"
)

// ErrMemberTooLong says that a member is too long for a sorted set.
var ErrMemberTooLong = fmt.Errorf("ERR a member of a sorted set has at most %d bytes", MemberBytesMax)

// MemberBytesMax is the longest member of a sorted set, in bytes.
const MemberBytesMax = counted.MemberBytesMax

// SortedSet is the sorted set of a key. It has its members twice: in a Dict, with their scores, where each is found by itself or by its
// place, and in a tree that is ordered by score and member. The Dict's array makes a cursor that meets all that stay, whatever
// becomes of scores and ranks, and random members that are found at once.
//
//	member, place -> as in a Dict; the value is the score, of 8 bytes
//	node          -> a node of the tree
//
// Minus zero is zero. A SortedSet is good until the transaction ends. Save must follow a change.
type SortedSet struct {
	tx    *Tx
	key   *Key
	dict  Dict
	tree  counted.Tree
	nodes *treeNodes
}

// parseSortedSet reads a body: the object's number and the root of the tree.
func (t *Tx) parseSortedSet(body []byte) (*SortedSet, error) {
	if len(body) < 8 {
		return nil, fmt.Errorf("%w: a sorted set of %d bytes", ErrCorrupt, len(body))
	}
	root, rest, err := counted.ParseRoot(body[8:])
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes behind the root of a sorted set", ErrCorrupt, len(rest))
	}
	if err != nil {
		return nil, err
	}
	s := t.newSortedSet(nil)
	s.tree.Root = root
	s.dict.id, s.dict.length = objectID(body), root.Count
	if kept := t.trees[s.dict.id]; kept != nil {
		s.nodes, s.tree.Nodes = kept, kept
	} else {
		t.keep(s.dict.id, s.nodes)
	}
	return s, nil
}

func (t *Tx) newSortedSet(k *Key) *SortedSet {
	s := &SortedSet{tx: t, key: k, dict: Dict{tx: t}, nodes: &treeNodes{tx: t}}
	s.tree.Nodes, s.tree.Memory = s.nodes, &t.memory
	return s
}

// appendTo implements object.
func (s *SortedSet) appendTo(dst []byte) []byte {
	return s.tree.Root.AppendTo(binary.BigEndian.AppendUint64(dst, s.dict.id))
}

func (s *SortedSet) size() int { return s.dict.size() }

// SortedSet returns the sorted set of a key. If there is none, it is empty and becomes one when it is saved.
func (t *Tx) SortedSet(key []byte) (*SortedSet, *Key, error) {
	k, err := t.Find(key, SortedSetType)
	if err != nil {
		return nil, nil, err
	}
	if !k.Exists() {
		return t.newSortedSet(&k), &k, nil
	}
	s, err := t.parseSortedSet(k.body)
	if err != nil {
		return nil, nil, fmt.Errorf("key %q: %w", key, err)
	}
	s.key = &k
	return s, &k, nil
}

// Save writes what has changed of the key, which is removed when nothing is left.
func (s *SortedSet) Save() error {
	switch {
	case s.Len() == 0:
		return s.key.removeEmpty()
	case s.key.Exists():
		s.key.body = s.appendTo(nil)
	default:
		if err := s.key.become(SortedSetType, s.appendTo(nil)); err != nil {
			return err
		}
	}
	return s.key.Save()
}

// Len returns how many members there are.
func (s *SortedSet) Len() int { return s.size() }

// Dict returns the members, each with a value that Score reads. It must not be changed.
func (s *SortedSet) Dict() *Dict { return &s.dict }

// Score reads the value of a member in the Dict of a sorted set.
func Score(value []byte) (float64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: a score of %d bytes", ErrCorrupt, len(value))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(value)), nil
}

// Get returns the score of a member.
func (s *SortedSet) Get(member []byte) (score float64, ok bool, err error) {
	value, ok, err := s.dict.Get(member)
	if !ok {
		return 0, false, err
	}
	score, err = Score(value)
	return score, err == nil, err
}

// Put gives a member a score, which is a number, and tells whether the member is new.
func (s *SortedSet) Put(member []byte, score float64) (created bool, err error) {
	if len(member) > MemberBytesMax {
		return false, ErrMemberTooLong
	}
	if score == 0 {
		score = 0 // without its sign
	}
	before, exists, err := s.Get(member)
	if err != nil || exists && before == score {
		return false, err
	}
	var value [8]byte
	binary.BigEndian.PutUint64(value[:], math.Float64bits(score))
	if _, err := s.dict.Put(member, value[:]); err != nil {
		return false, err
	}
	if s.nodes.id == 0 { // the set's first member has given it a number
		s.tx.keep(s.dict.id, s.nodes)
	}
	if exists {
		if err := s.removeEntry(before, member); err != nil {
			return false, err
		}
	}
	return !exists, s.tree.Insert(score, member)
}

// Delete removes a member, and tells whether it was there.
func (s *SortedSet) Delete(member []byte) (bool, error) {
	score, ok, err := s.Get(member)
	if !ok {
		return false, err
	}
	if _, err := s.dict.Delete(member); err != nil {
		return false, err
	}
	return true, s.removeEntry(score, member)
}

func (s *SortedSet) removeEntry(score float64, member []byte) error {
	ok, err := s.tree.Delete(score, member)
	if err == nil && !ok {
		err = fmt.Errorf("%w: a member is not in the order of its sorted set", ErrCorrupt)
	}
	return err
}

// DeleteRange removes the members of the ranks from from to before to.
func (s *SortedSet) DeleteRange(from, to int) error {
	return s.tree.DeleteRange(from, to, func(e counted.Entry) error {
		ok, err := s.dict.Delete(e.Member)
		if err == nil && !ok {
			err = fmt.Errorf("%w: a member of a sorted set is only in its order", ErrCorrupt)
		}
		return err
	})
}

// Rank returns how many members are before one.
func (s *SortedSet) Rank(member []byte) (rank int, ok bool, err error) {
	score, ok, err := s.Get(member)
	if !ok {
		return 0, false, err
	}
	rank, ok, err = s.tree.Rank(score, member)
	if err == nil && !ok {
		err = fmt.Errorf("%w: a member is not in the order of its sorted set", ErrCorrupt)
	}
	return rank, ok, err
}

// RankOfBound returns how many members are before a bound.
func (s *SortedSet) RankOfBound(b counted.Bound) (int, error) { return s.tree.RankOfBound(b) }

// Ascend visits the members of the ranks from from to before to. The set must not change meanwhile. The slices are good until
// the transaction ends.
func (s *SortedSet) Ascend(from, to int) iter.Seq[counted.Entry] {
	return s.entries(s.tree.Ascend(from), to-from)
}

// Descend is Ascend from the last of these members to the first.
func (s *SortedSet) Descend(from, to int) iter.Seq[counted.Entry] {
	return s.entries(s.tree.Descend(to-1), to-from)
}

func (s *SortedSet) entries(all iter.Seq2[counted.Entry, error], limit int) iter.Seq[counted.Entry] {
	return func(yield func(counted.Entry) bool) {
		if limit <= 0 {
			return
		}
		for e, err := range all {
			if err != nil {
				s.tx.fail(err)
				return
			}
			if limit--; !yield(e) || limit == 0 {
				return
			}
		}
	}
}

// discard implements object. What is left is no sorted set any more: the last of the order go and the last of the array, whose
// members are not the same.
func (s *SortedSet) discard(limit int) (int, error) {
	n, err := s.dict.discard(limit)
	if err != nil {
		return n, err
	}
	return n, s.tree.DeleteRange(s.size(), s.size()+n, nil)
}

func (s *SortedSet) copyTo(to *SortedSet) error {
	for e := range s.Ascend(0, s.Len()) {
		if _, err := to.Put(e.Member, e.Score); err != nil {
			return err
		}
	}
	if err := s.tx.Err(); err != nil {
		return err
	}
	return to.Save()
}
