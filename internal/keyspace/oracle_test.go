package keyspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/godwitdb/godwit"
)

// modelValue is a value as the naive model has it.
type modelValue struct {
	kind    Type
	expiry  int64
	text    string
	items   []string
	members map[string]string
}

// model is what a Space should have, in the simplest form.
type model struct {
	now int64
	dbs [Databases]map[string]*modelValue
}

func (m *model) get(db int, name string) *modelValue {
	v := m.dbs[db][name]
	if v == nil || v.expiry != 0 && v.expiry <= m.now {
		return nil
	}
	return v
}

func (m *model) put(db int, name string, v *modelValue) {
	if v == nil || v.kind == ListType && len(v.items) == 0 || (v.kind == SetType || v.kind == HashType || v.kind == SortedSetType) && len(v.members) == 0 {
		delete(m.dbs[db], name)
		return
	}
	m.dbs[db][name] = v
}

func (v *modelValue) clone() *modelValue {
	c := *v
	c.items, c.members = slices.Clone(v.items), maps.Clone(v.members)
	return &c
}

// oracle does the same to a Space and a model.
type oracle struct {
	t     testing.TB
	rng   *rand.Rand
	db    *godwit.DB
	space *Space
	model model
}

const (
	oracleNames = 12
	oracleDBs   = 3
	// oracleWholeBytes is the longest string that is not in chunks.
	oracleWholeBytes = 24
)

func newOracle(t testing.TB, seed uint64) *oracle {
	t.Helper()
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	space, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	space.wholeBytesMax, space.chunkBytes = oracleWholeBytes, 8
	o := &oracle{t: t, rng: rand.New(rand.NewPCG(seed, 1)), db: db, space: space, model: model{now: 1000}}
	for i := range o.model.dbs {
		o.model.dbs[i] = map[string]*modelValue{}
	}
	return o
}

func (o *oracle) update(fn func(tx *Tx) error) {
	o.t.Helper()
	tx := &Tx{Space: o.space}
	for {
		err := o.db.Update(context.Background(), func(in *godwit.Tx) error {
			tx.Begin(in, o.model.now)
			if err := fn(tx); err != nil {
				return err
			}
			return tx.End()
		})
		if err == nil {
			return
		}
		if !errors.Is(err, ErrNoIDs) {
			o.t.Fatal(err)
		}
		if err := o.space.Reserve(context.Background(), o.db); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *oracle) name() string { return fmt.Sprint("key", o.rng.IntN(oracleNames)) }

// step does one random thing.
func (o *oracle) step() {
	db, name := o.rng.IntN(oracleDBs), o.name()
	toDB, to := o.rng.IntN(oracleDBs), o.name()
	m := &o.model
	had := m.get(db, name)
	switch o.rng.IntN(22) {
	case 0, 1:
		o.setString(db, name, had)
	case 20, 21:
		o.setRange(db, name, had)
	case 2, 3:
		o.editList(db, name, had)
	case 4, 5, 6, 7:
		o.editDict(db, name, had)
	case 8:
		o.update(func(tx *Tx) error {
			k, err := tx.LookupIn(db, []byte(name))
			if err != nil {
				return err
			}
			return k.Remove()
		})
		m.put(db, name, nil)
	case 9, 10:
		if had == nil {
			return
		}
		at := m.now + int64(o.rng.IntN(200))
		if o.rng.IntN(3) == 0 {
			at = 0
		}
		o.update(func(tx *Tx) error {
			k, err := tx.LookupIn(db, []byte(name))
			if err != nil {
				return err
			}
			k.SetExpiry(at)
			return k.Save()
		})
		had.expiry = at
	case 11, 12:
		if had == nil || db == toDB && name == to {
			return
		}
		copies := o.rng.IntN(2) == 0
		o.update(func(tx *Tx) error { return moveOrCopy(tx, db, name, toDB, to, copies) })
		m.put(toDB, to, had.clone())
		if !copies {
			m.put(db, name, nil)
		}
	case 13:
		if o.rng.IntN(10) == 0 {
			o.update(func(tx *Tx) error { return tx.Flush(db) })
			m.dbs[db] = map[string]*modelValue{}
		} else if o.rng.IntN(4) == 0 {
			o.update(func(tx *Tx) error { return tx.Swap(db, toDB) })
			m.dbs[db], m.dbs[toDB] = m.dbs[toDB], m.dbs[db]
		}
	case 14:
		m.now += int64(o.rng.IntN(60))
	case 15:
		o.maintain(o.rng.IntN(2) == 0)
	default:
		o.editSortedSet(db, name, had)
	}
}

func moveOrCopy(tx *Tx, db int, name string, toDB int, to string, copies bool) error {
	k, err := tx.LookupIn(db, []byte(name))
	if err != nil {
		return err
	}
	other, err := tx.LookupIn(toDB, []byte(to))
	if err != nil {
		return err
	}
	if !copies {
		return k.Rename(&other)
	}
	if err := other.Remove(); err != nil {
		return err
	}
	return k.Copy(&other)
}

// text makes a string of any length up to a few chunks, sometimes of more than are deleted at once.
func (o *oracle) text() string {
	text := make([]byte, o.rng.IntN(60))
	if o.rng.IntN(8) == 0 {
		text = make([]byte, o.rng.IntN(2*discardAtOnce*o.space.chunkBytes))
	}
	for i := range text {
		text[i] = byte('a' + o.rng.IntN(26))
	}
	return string(text)
}

// setRange writes into a string: behind its end, and anywhere.
func (o *oracle) setRange(db int, name string, had *modelValue) {
	if had != nil && had.kind != StringType {
		return
	}
	v := &modelValue{kind: StringType}
	if had != nil {
		v = had.clone()
	}
	at, part := len(v.text), o.text()
	if o.rng.IntN(2) == 0 {
		at = o.rng.IntN(at + 60)
	}
	text := append(make([]byte, 0, at+len(part)), v.text...)
	text = text[:max(len(text), at+len(part))]
	copy(text[at:], part)
	v.text = string(text)
	o.update(func(tx *Tx) error {
		k, err := tx.LookupIn(db, []byte(name))
		if err != nil {
			return err
		}
		n, err := k.SetRange(at, []byte(part))
		if err == nil && n != len(v.text) {
			err = fmt.Errorf("the string has %d bytes, want %d", n, len(v.text))
		}
		return errors.Join(err, k.Save())
	})
	o.model.put(db, name, v)
}

func (o *oracle) setString(db int, name string, had *modelValue) {
	text := o.text()
	v := &modelValue{kind: StringType, text: text}
	if had != nil {
		v.expiry = had.expiry
	}
	o.update(func(tx *Tx) error {
		k, err := tx.LookupIn(db, []byte(name))
		if err != nil {
			return err
		}
		if err := k.SetString([]byte(text)); err != nil {
			return err
		}
		if had == nil && o.rng.IntN(4) == 0 { // as a version did that had no chunks
			o.space.wholeBytesMax = ValueBytesMax
			defer func() { o.space.wholeBytesMax = oracleWholeBytes }()
		}
		return k.Save()
	})
	o.model.put(db, name, v)
}

func (o *oracle) editList(db int, name string, had *modelValue) {
	if had != nil && had.kind != ListType {
		return
	}
	v := &modelValue{kind: ListType}
	if had != nil {
		v = had.clone()
	}
	pops, head, n := o.rng.IntN(2) == 0, o.rng.IntN(2) == 0, 1+o.rng.IntN(100)
	before := slices.Clone(v.items)
	o.update(func(tx *Tx) error {
		tx.DB = db
		v.items = slices.Clone(before)
		l, _, err := tx.List([]byte(name))
		if err != nil {
			return err
		}
		for i := range n {
			item := fmt.Sprint(i)
			switch {
			case pops && l.Len() == 0:
				continue
			case pops && head:
				err, v.items = second(l.PopHead()), v.items[1:]
			case pops:
				err, v.items = second(l.PopTail()), v.items[:len(v.items)-1]
			case head:
				err, v.items = l.PushHead([]byte(item)), append([]string{item}, v.items...)
			default:
				err, v.items = l.PushTail([]byte(item)), append(v.items, item)
			}
			if err != nil {
				return err
			}
		}
		return l.Save()
	})
	o.model.put(db, name, v)
}

func second(_ []byte, err error) error { return err }

func (o *oracle) editDict(db int, name string, had *modelValue) {
	kind := []Type{SetType, HashType}[o.rng.IntN(2)]
	if had != nil {
		kind = had.kind
	}
	if kind != SetType && kind != HashType {
		return
	}
	v := &modelValue{kind: kind, members: map[string]string{}}
	if had != nil {
		v = had.clone()
	}
	deletes, n := o.rng.IntN(2) == 0, 1+o.rng.IntN(120)
	var members, values []string
	for range n {
		members = append(members, fmt.Sprint("m", o.rng.IntN(150)))
		value := ""
		if kind == HashType {
			value = fmt.Sprint(o.rng.IntN(1000))
		}
		values = append(values, value)
	}
	o.update(func(tx *Tx) error {
		tx.DB = db
		d, _, err := tx.Dict([]byte(name), kind)
		if err != nil {
			return err
		}
		for i, member := range members {
			if deletes {
				_, err = d.Delete([]byte(member))
			} else {
				_, err = d.Put([]byte(member), []byte(values[i]))
			}
			if err != nil {
				return err
			}
		}
		return d.Save(kind)
	})
	for i, member := range members {
		if deletes {
			delete(v.members, member)
		} else {
			v.members[member] = values[i]
		}
	}
	o.model.put(db, name, v)
}

// maintain removes what has expired and collects garbage: all of it or one step.
func (o *oracle) maintain(all bool) {
	for more := true; more; more = more && all {
		n := 0
		o.update(func(tx *Tx) (err error) {
			n, err = tx.ExpireSome(3)
			return err
		})
		more = n == 3
	}
	for more := true; more; more = more && all {
		var err error
		if more, err = o.space.Collect(context.Background(), o.db); err != nil {
			o.t.Fatal(err)
		}
	}
}

// check compares all that there is with the model.
func (o *oracle) check() {
	o.t.Helper()
	o.update(func(tx *Tx) error {
		for db := range oracleDBs {
			tx.DB = db
			live, expiring := 0, 0
			for name := range o.model.dbs[db] {
				if v := o.model.get(db, name); v != nil {
					live++
					if v.expiry != 0 {
						expiring++
					}
				}
			}
			seen := 0
			for name, k := range tx.Keys(0) {
				seen++
				v := o.model.get(db, string(name))
				if v == nil || k.Type() != v.kind || k.Expiry() != v.expiry {
					return fmt.Errorf("db %d: key %s is %v, expires at %d; want %+v", db, name, k.Type(), k.Expiry(), v)
				}
			}
			n, err := tx.Size(db)
			if err != nil {
				return err
			}
			// Those that have expired are counted until they are removed.
			if expired := n.Keys - int64(live); seen != live || expired < 0 || n.Keys > oracleNames || n.Expires-int64(expiring) != expired {
				return fmt.Errorf("db %d: %d keys scanned, %+v counted, want %d, of which %d expire", db, seen, n, live, expiring)
			}
			for i := range oracleNames {
				name := fmt.Sprint("key", i)
				if err := sameValue(tx, name, o.model.get(db, name)); err != nil {
					return fmt.Errorf("db %d: key %s: %w", db, name, err)
				}
			}
		}
		return nil
	})
}

func sameValue(tx *Tx, name string, want *modelValue) error {
	k, err := tx.Lookup([]byte(name))
	if err != nil {
		return err
	}
	if want == nil {
		if k.Exists() || k.Version() != 0 || k.Expiry() != 0 {
			return fmt.Errorf("exists as %v", k.Type())
		}
		return nil
	}
	if k.Type() != want.kind || k.Expiry() != want.expiry {
		return fmt.Errorf("is %v, expires at %d; want %+v", k.Type(), k.Expiry(), want)
	}
	switch want.kind {
	case StringType:
		return sameString(&k, want.text)
	case ListType:
		l, _, err := tx.List([]byte(name))
		if err != nil {
			return err
		}
		var items []string
		for i := range l.Len() {
			item, err := l.At(i)
			if err != nil {
				return err
			}
			items = append(items, string(item))
		}
		if !slices.Equal(items, want.items) {
			return fmt.Errorf("is %q, want %q", items, want.items)
		}
	case SetType, HashType:
		d, _, err := tx.Dict([]byte(name), want.kind)
		if err != nil {
			return err
		}
		members := map[string]string{}
		for member, value := range d.All() {
			members[string(member)] = string(value)
		}
		if d.Len() != len(members) || !maps.Equal(members, want.members) {
			return fmt.Errorf("is %v, want %v", members, want.members)
		}
	case SortedSetType:
		return sameSortedSet(tx, name, want)
	}
	return nil
}

func sameString(k *Key, want string) error {
	got, err := k.Value()
	if err != nil || string(got) != want {
		return fmt.Errorf("is %q, want %q: %w", got, want, err)
	}
	if n, err := k.Len(); err != nil || n != len(want) {
		return fmt.Errorf("has %d bytes, want %d: %w", n, len(want), err)
	}
	from, to := len(want)/3, len(want)-len(want)/4
	var parts []byte
	for part := range k.Parts(from, to) {
		parts = append(parts, part...)
	}
	if string(parts) != want[from:to] {
		return fmt.Errorf("has %q from %d to %d, want %q", parts, from, to, want[from:to])
	}
	return k.tx.Err()
}

// TestOracle does random things to keys of all types in several databases, and to a naive model. In the end
// it removes all, and no record may be left.
func TestOracle(t *testing.T) {
	steps := 4000
	if testing.Short() {
		steps = 1000
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := newOracle(t, seed)
			// What stays: the counter of numbers, and what the databases contain.
			o.setString(0, "key0", nil)
			o.update(func(tx *Tx) error { return tx.Flush(0) })
			o.model.put(0, "key0", nil)
			o.maintain(true)
			empty := o.db.Stats().Records
			for i := range steps {
				o.step()
				if i%20 == 0 {
					o.check()
				}
			}
			o.check()
			for db := range oracleDBs {
				for i := range oracleNames {
					name := fmt.Sprint("key", i)
					if o.rng.IntN(2) == 0 {
						continue // it goes with all others
					}
					o.update(func(tx *Tx) error {
						k, err := tx.LookupIn(db, []byte(name))
						if err != nil {
							return err
						}
						return k.Remove()
					})
				}
				if db > 0 {
					o.update(func(tx *Tx) error { return tx.Flush(db) })
				}
			}
			// Of database 0 the rest expires.
			o.update(func(tx *Tx) error {
				for i := range oracleNames {
					k, err := tx.Lookup(fmt.Append(nil, "key", i))
					if err != nil {
						return err
					}
					if !k.Exists() {
						continue
					}
					k.SetExpiry(o.model.now + 1)
					if err := k.Save(); err != nil {
						return err
					}
				}
				return nil
			})
			o.model.now += 1000
			o.maintain(true)
			if got := o.db.Stats().Records; got != empty {
				t.Errorf("%d records are left, want %d", got, empty)
			}
		})
	}
}
