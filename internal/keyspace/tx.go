package keyspace

import (
	"errors"
	"fmt"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/keyspace/counted"
	"github.com/godwitdb/godwit/internal/large"
)

// Errors of values. Their texts are Redis's own.
var (
	ErrWrongType = errors.New("WRONGTYPE Operation against a key holding the wrong kind of value")
	ErrTooLong   = fmt.Errorf("ERR key is too long: it has at most %d bytes", KeyBytesMax)
	ErrTooLarge  = errors.New("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
)

// Change says what a transaction has done to a key.
type Change struct {
	DB    int
	Key   []byte
	Event string // as keyspace notifications call it
	Class byte   // of the event, as in notify-keyspace-events
	// Ready says that a list or sorted set may have elements that somebody waits for.
	Ready bool
	// All says that any key of the database may be ready, and no key is named.
	All bool
}

// ExpiredClass is the class of the event of a key that has expired and was removed.
const ExpiredClass = 'x'

// Tx is one attempt of a transaction on the keys of one database. It belongs to one goroutine, and can be used
// for any number of attempts, one after the other (Begin).
type Tx struct {
	Space *Space
	DB    int
	// Now is the time of the transaction, in milliseconds since 1970: keys that expire until then are not there.
	Now int64
	// Changes are what the attempt has done so far.
	Changes []Change
	// Writes counts keys that were changed.
	Writes int
	// TellNew has keys that come noted as changes, with the event "new".
	TellNew bool

	generations generations
	in          *godwit.Tx
	held        int    // see Held
	err         error  // of a scan
	name, value []byte // of the record at hand
	trees       map[uint64]*treeNodes
	memory      counted.Memory
}

// Begin makes t ready for an attempt.
func (t *Tx) Begin(in *godwit.Tx, now int64) {
	t.in, t.Now, t.Changes, t.Writes, t.held, t.err = in, now, large.Reset(t.Changes), 0, 0, nil
	t.generations.loaded = false
	t.letGo()
}

// Err returns why a scan ended early, nil if none has.
func (t *Tx) Err() error { return t.err }

// End writes what the attempt has kept till now. An attempt that writes must not commit without it, or with its error or that of a
// scan, which it returns too.
func (t *Tx) End() error {
	defer t.letGo()
	if t.err != nil {
		return t.err
	}
	return t.writeTrees()
}

// letGo lets go of the nodes of sorted sets that were read or written.
func (t *Tx) letGo() {
	clear(t.trees)
	t.memory = counted.Memory{}
}

func (t *Tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// In returns the transaction of the database.
func (t *Tx) In() *godwit.Tx { return t.in }

// Key is a key as a transaction has found it, and changes it. A Key is good until another one of the same
// name is looked up.
type Key struct {
	tx     *Tx
	at     place
	name   []byte
	stored bool // there is a record, maybe of a key that has expired
	header
	before int64 // expiry of the stored record
}

// place is where a key is.
type place struct {
	db         int
	generation generation
}

// Lookup finds a key of the database at hand. That of a key that does not exist, or has expired, has the type NoType.
func (t *Tx) Lookup(key []byte) (Key, error) { return t.LookupIn(t.DB, key) }

// LookupIn finds a key of a database.
func (t *Tx) LookupIn(db int, key []byte) (Key, error) {
	g, err := t.generation(db)
	if err != nil {
		return Key{}, err
	}
	return t.lookup(place{db: db, generation: g}, key)
}

func (t *Tx) lookup(at place, key []byte) (Key, error) {
	k, err := t.stale(at, key)
	if k.expiry != 0 && k.expiry <= t.Now {
		// It stays until somebody writes: readers change nothing.
		k.header = header{version: k.version}
	}
	return k, err
}

// stale finds a key as if it had not expired.
func (t *Tx) stale(at place, key []byte) (Key, error) {
	k := Key{tx: t, at: at, name: key}
	if len(key) > KeyBytesMax {
		return k, ErrTooLong
	}
	t.name = appendKeyName(t.name[:0], at.generation, key)
	v, err := t.in.Get(t.Space.keys, t.name)
	if errors.Is(err, godwit.ErrNotFound) {
		return k, nil
	} else if err != nil {
		return k, err
	}
	if err := t.hold(len(v)); err != nil {
		return k, err
	}
	if k.header, err = parseHeader(v); err != nil {
		return k, fmt.Errorf("key %q: %w", key, err)
	}
	k.stored, k.before = true, k.expiry
	return k, nil
}

// Find is Lookup for a key that has to be of a type, or not exist.
func (t *Tx) Find(key []byte, kind Type) (Key, error) {
	k, err := t.Lookup(key)
	if err == nil && k.kind != NoType && k.Type() != kind {
		err = ErrWrongType
	}
	return k, err
}

// Exists tells whether the key exists.
func (k *Key) Exists() bool { return k.kind != NoType }

// Type returns the type of the key's value.
func (k *Key) Type() Type {
	if k.kind == longStringType {
		return StringType
	}
	return k.kind
}

// Name returns the key's name.
func (k *Key) Name() []byte { return k.name }

// Version is another one after each change of the key; 0 if it does not exist.
func (k *Key) Version() uint64 {
	if k.kind == NoType {
		return 0
	}
	return k.version
}

// Expiry returns when the key expires, in milliseconds since 1970; 0 for never.
func (k *Key) Expiry() int64 { return k.expiry }

// SetExpiry says when the key expires; 0 for never. Save must follow.
func (k *Key) SetExpiry(at int64) { k.expiry = at }

// Changed notes an event of the key, for those who want to hear of it.
func (k *Key) Changed(class byte, event string) {
	k.tx.Changes = large.Append(k.tx.Changes, Change{DB: k.at.db, Key: k.name, Class: class, Event: event})
}

// Ready notes that the key may have what somebody waits for.
func (k *Key) Ready() {
	k.tx.Changes = large.Append(k.tx.Changes, Change{DB: k.at.db, Key: k.name, Ready: true})
}

// become makes a key that does not exist one of a type. What has expired is cleared away. If SetExpiry was called, it holds.
func (k *Key) become(kind Type, body []byte) error {
	if k.kind != NoType {
		return fmt.Errorf("keyspace: key %q becomes a %s and is a %s", k.name, kind, k.kind)
	}
	if k.stored {
		if err := k.clearExpired(); err != nil {
			return err
		}
	}
	k.header = header{kind: kind, expiry: k.expiry, body: body}
	return nil
}

// clearExpired removes what is left of a key that has expired.
func (k *Key) clearExpired() error {
	old, err := k.tx.stale(k.at, k.name)
	if err != nil {
		return err
	}
	if err := old.remove(); err != nil {
		return err
	}
	old.Changed(ExpiredClass, "expired")
	k.stored, k.before = false, 0
	return nil
}

// Save writes the key's record with a new version.
func (k *Key) Save() (err error) {
	t := k.tx
	if k.version, err = t.Space.id(); err != nil {
		return err
	}
	if k.kind == StringType && len(k.body) > t.Space.wholeBytesMax {
		if err := k.split(); err != nil {
			return err
		}
	}
	var grown Size
	if !k.stored {
		grown.Keys = 1
		if t.TellNew {
			k.Changed('n', "new")
		}
	}
	grown.Expires = expiring(k.expiry) - expiring(k.before)
	if err := t.count(k, grown); err != nil {
		return err
	}
	if k.before != k.expiry {
		if k.before != 0 {
			if err := t.in.Delete(t.Space.expiries, k.expiryName(k.before)); err != nil {
				return err
			}
		}
		if k.expiry != 0 {
			if err := t.in.Put(t.Space.expiries, k.expiryName(k.expiry), nil); err != nil {
				return err
			}
		}
	}
	k.stored, k.before = true, k.expiry
	t.Writes++
	t.name, t.value = appendKeyName(t.name[:0], k.at.generation, k.name), k.header.appendTo(t.value[:0])
	return t.put(t.Space.keys, t.name, t.value)
}

func (k *Key) expiryName(at int64) []byte {
	t := k.tx
	t.name = appendExpiryName(t.name[:0], at, k.at.generation, k.name)
	return t.name
}

// Remove deletes a key with all that it has. It does nothing if the key does not exist.
func (k *Key) Remove() error {
	if !k.stored {
		return nil
	}
	if k.kind == NoType {
		return k.clearExpired()
	}
	if err := k.remove(); err != nil {
		return err
	}
	*k = Key{tx: k.tx, at: k.at, name: k.name}
	return nil
}

// removeEmpty deletes a key that has lost its last element. It does nothing if the key does not exist.
func (k *Key) removeEmpty() error {
	if k.kind == NoType {
		return nil
	}
	if err := k.removeRecord(); err != nil {
		return err
	}
	*k = Key{tx: k.tx, at: k.at, name: k.name}
	return nil
}

// remove deletes the record of a key and lets go of its elements.
func (k *Key) remove() error {
	if err := k.discardElements(); err != nil {
		return err
	}
	return k.removeRecord()
}

// removeRecord deletes the record of a key and nothing else.
func (k *Key) removeRecord() error {
	t := k.tx
	if k.before != 0 {
		if err := t.in.Delete(t.Space.expiries, k.expiryName(k.before)); err != nil {
			return err
		}
	}
	t.name = appendKeyName(t.name[:0], k.at.generation, k.name)
	if err := t.in.Delete(t.Space.keys, t.name); err != nil {
		return err
	}
	t.Writes++
	return t.count(k, Size{Keys: -1, Expires: -expiring(k.before)})
}

// Rename gives the value of k, which exists, to another key, whose own is removed. It may be in another database.
func (k *Key) Rename(to *Key) error {
	if err := to.Remove(); err != nil {
		return err
	}
	h := k.header
	if err := k.removeRecord(); err != nil {
		return err
	}
	*k = Key{tx: k.tx, at: k.at, name: k.name}
	to.header = h
	return to.Save()
}
