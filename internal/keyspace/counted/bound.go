package counted

import (
	"bytes"
	"errors"
	"sort"
)

// Bound is a place between entries, where a range begins or ends.
type Bound struct {
	kind   boundKind
	score  float64
	member []byte
}

type boundKind uint8

const (
	beforeAll boundKind = iota
	afterAll
	beforeScore
	afterScore
	beforeMember
	afterMember
)

// BeforeAll returns the place before all entries.
func BeforeAll() Bound { return Bound{kind: beforeAll} }

// AfterAll returns the place after all entries.
func AfterAll() Bound { return Bound{kind: afterAll} }

// BeforeScore returns the place before the entries of a score: a range from there
// has them, one up to there has not.
func BeforeScore(score float64) Bound { return Bound{kind: beforeScore, score: score} }

// AfterScore returns the place after the entries of a score.
func AfterScore(score float64) Bound { return Bound{kind: afterScore, score: score} }

// BeforeMember returns the place before a member, in a tree whose members are in
// ascending order, as they are if all have the same score. In others it is somewhere.
func BeforeMember(member []byte) Bound { return Bound{kind: beforeMember, member: member} }

// AfterMember returns the place after a member, in a tree whose members are in
// ascending order. In others it is somewhere.
func AfterMember(member []byte) Bound { return Bound{kind: afterMember, member: member} }

// RankOfBound returns how many entries are before b: the rank of the first one
// that is not.
func (t *Tree) RankOfBound(b Bound) (int, error) {
	if b.kind == beforeAll || t.Root.Count == 0 {
		return 0, nil
	}
	k := key{score: ordered(b.score)}
	switch b.kind {
	case afterAll:
		return int(t.Root.Count), nil
	case afterScore:
		k.score++
	case beforeMember, afterMember:
		first, _, err1 := t.At(0)
		last, _, err2 := t.At(int(t.Root.Count) - 1)
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		if first != last {
			return t.searchMember(b)
		}
		k = key{ordered(first), b.member}
	}
	rank, found, err := t.seek(k)
	if found && b.kind == afterMember {
		rank++
	}
	return int(rank), err
}

// searchMember is RankOfBound of a member where scores differ: they do not lead to it.
func (t *Tree) searchMember(b Bound) (int, error) {
	var failed error
	rank := sort.Search(int(t.Root.Count), func(i int) bool {
		_, member, err := t.At(i)
		if err != nil {
			failed = err
			return true
		}
		c := bytes.Compare(member, b.member)
		return c > 0 || c == 0 && b.kind == beforeMember
	})
	return rank, failed
}
