package shardsim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/history"
	"github.com/godwitdb/godwit/internal/hlc"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/internal/wal"
)

// truth is what is known of everything that was executed anywhere. When the run is over, and
// with it all doubt about what has survived, it says what each transaction must have read:
// what those with smaller timestamps have left (I4).
type truth struct {
	executed []executed
	looked   []looked
	// finals are the final watermarks of the epochs that have ended; of an epoch that has
	// ended and is not there nothing is left.
	finals map[wal.Epoch]hlc.Timestamp
	last   wal.Epoch // that has not ended
	// once are the requests that have survived, as settle says.
	once map[shard.Request]bool
}

// executed is a transaction that a leader has executed and that has written.
type executed struct {
	name  shard.Request
	epoch wal.Epoch
	looked
}

// looked is what was read at a timestamp.
type looked struct {
	node env.NodeID
	at   hlc.Timestamp
	ops  []op
	read reads
}

// survived tells whether a transaction is not dropped.
func (t *truth) survived(x *executed) bool {
	final, ended := t.finals[x.epoch]
	return x.epoch == t.last || ended && x.at <= final
}

// versions are what a key had, oldest first.
type versions []version

// version is a row's value from a timestamp on, or what was appended to a list then.
type version struct {
	at    hlc.Timestamp
	found bool
	value uint64
}

// until returns those up to a timestamp.
func (v versions) until(at hlc.Timestamp) versions {
	return v[:sort.Search(len(v), func(i int) bool { return v[i].at > at })]
}

// state is what has survived, key by key.
type state struct {
	lists, rows map[uint64]versions
	names
}

// settle returns what has survived. Each request did so once at most, and those that a
// client was told of did.
func (t *truth) settle(told map[shard.Request]bool) (*state, error) {
	s := &state{map[uint64]versions{}, map[uint64]versions{}, names{map[uint64]life{}, map[uint64][]uint64{}}}
	var left []*executed
	for i := range t.executed {
		if x := &t.executed[i]; t.survived(x) {
			left = append(left, x)
		}
	}
	slices.SortFunc(left, func(a, b *executed) int { return cmp.Compare(a.at, b.at) })
	t.once = map[shard.Request]bool{}
	for _, x := range left {
		if t.once[x.name] && !x.ops[0].changesTables() {
			return nil, fmt.Errorf("request %+v was carried out twice", x.name)
		}
		t.once[x.name] = true
		if err := s.check(&x.looked, x.at-1); err != nil {
			return nil, fmt.Errorf("I4: in epoch %d %w", x.epoch, err)
		}
		if err := s.write(x); err != nil {
			return nil, fmt.Errorf("I4: in epoch %d n%d: %w", x.epoch, x.node, err)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(told), func(a, b shard.Request) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Number, b.Number))
	}) {
		if !t.once[name] {
			return nil, fmt.Errorf("I1: a client was told of request %+v, and it is gone", name)
		}
	}
	for i := range t.looked {
		if err := s.check(&t.looked[i], t.looked[i].at); err != nil {
			return nil, fmt.Errorf("a snapshot: %w", err)
		}
	}
	return s, nil
}

// write adds what a transaction has written.
func (s *state) write(x *executed) error {
	for i := range x.ops {
		switch o := &x.ops[i]; o.kind {
		case history.OpAppend:
			s.lists[o.key] = append(s.lists[o.key], version{x.at, true, o.value})
		case history.OpWrite, history.OpDelete:
			s.rows[o.key] = append(s.rows[o.key], version{x.at, o.kind == history.OpWrite, o.value})
		case opCreate, opDrop:
			return s.change(o, x.at)
		}
	}
	return nil
}

// row returns a row at a timestamp, with what the operations before have written.
func (s *state) row(key uint64, at hlc.Timestamp, before []op) []uint64 {
	for _, o := range slices.Backward(before) {
		if o.key == key && o.kind == history.OpWrite {
			return []uint64{o.value}
		} else if o.key == key && o.kind == history.OpDelete {
			return nil
		}
	}
	if v := s.rows[key].until(at); len(v) > 0 && v[len(v)-1].found {
		return []uint64{v[len(v)-1].value}
	}
	return nil
}

// list returns a list at a timestamp, with what the operations before have appended.
func (s *state) list(key uint64, at hlc.Timestamp, before []op) (values []uint64) {
	for _, v := range s.lists[key].until(at) {
		values = append(values, v.value)
	}
	for i := range before {
		if o := &before[i]; o.key == key && o.kind == history.OpAppend {
			values = append(values, o.value)
		}
	}
	return values
}

// check demands that what was read is what was there at a timestamp.
func (s *state) check(l *looked, at hlc.Timestamp) error {
	reads := l.read.reads
	for i := range l.ops {
		o, before := &l.ops[i], l.ops[:i]
		if err := s.names.check(o, at); err != nil {
			return fmt.Errorf("n%d at %d: %w", l.node, l.at, err)
		}
		var want []uint64
		switch o.kind {
		case opFind:
			if id, there := s.find(o.key, at); there {
				want = []uint64{id}
			}
		case history.OpList:
			want = s.list(o.key, at, before)
		case history.OpRead:
			want = s.row(o.key, at, before)
		case history.OpRange:
			for key := o.key; key < o.to; key++ {
				if v := s.row(key, at, before); v != nil {
					want = append(want, key, v[0])
				}
			}
		default:
			continue
		}
		if len(reads) == 0 || !slices.Equal(reads[0], want) {
			return fmt.Errorf("n%d at %d read %d of %d: %v, there was %v", l.node, l.at, o.kind, o.key, reads, want)
		}
		reads = reads[1:]
	}
	return nil
}

// contents writes down all that there is in the end, as members do.
func (s *state) contents() contents {
	all := contents{}
	for key := range s.lists {
		all[fmt.Sprint("list", []uint64{key})] = fmt.Sprint(s.list(key, hlc.Max, nil))
	}
	for name := range s.ids {
		if id, there := s.find(name, hlc.Max-1); there {
			all[fmt.Sprint("table ", name)] = fmt.Sprint([]uint64{id})
		}
	}
	for key := range s.rows {
		if o := (op{key: key}); o.named() && !s.has(o.tableOf(), hlc.Max-1) {
			continue
		}
		if v := s.row(key, hlc.Max, nil); v != nil {
			all[fmt.Sprint("row", []uint64{key})] = fmt.Sprint(v)
		}
	}
	return all
}
