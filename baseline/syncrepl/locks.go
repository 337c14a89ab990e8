package syncrepl

import (
	"cmp"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
)

// errWounded: an older transaction needs a lock of this one, which has to run again.
var errWounded = errors.New("syncrepl: an older transaction needs a lock of this one")

// mode is how a key is locked.
type mode uint8

const (
	shared    mode = iota + 1 // by readers
	exclusive                 // by one writer
)

// name is what is locked.
type name struct {
	table string
	key   string
}

// owner is a transaction from its first attempt until its writes are on a majority.
type owner struct {
	// age is smaller the longer ago its first attempt began. Nobody else has it.
	age uint64
	// woken has room for one: a lock was granted, or the owner wounded.
	woken chan struct{}
	held  map[name]mode
	mu    struct {
		sync.Mutex
		wounded bool
		waits   bool // for a lock that was not granted yet
	}
}

func newOwner() *owner { return &owner{woken: make(chan struct{}, 1), held: map[name]mode{}} }

// wound has an owner run again, if it is not about to end.
func (o *owner) wound() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.wounded = true
	if o.mu.waits {
		o.wake()
	}
}

func (o *owner) wake() {
	select {
	case o.woken <- struct{}{}:
	default: // it has not seen the last time
	}
}

// wounded tells whether the owner has to run again.
func (o *owner) wounded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.wounded
}

// request is an owner's for a lock, or for a stronger one than it has.
type request struct {
	owner *owner
	mode  mode
}

// lock is who has locked a key and who waits for that, the oldest first.
type lock struct {
	owners  []request
	waiters []request
}

const (
	// locksPartitions is how many keys can be looked up simultaneously.
	locksPartitions = 256
	// spareMax bounds the locks of a partition that nobody holds, kept for reuse.
	spareMax = 64
)

// locks are those of all keys. Those that nobody holds take no room.
type locks struct {
	seed       maphash.Seed
	partitions [locksPartitions]partition
}

type partition struct {
	sync.Mutex
	locks map[name]*lock
	spare []*lock
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.partitions {
		l.partitions[i].locks = map[name]*lock{}
	}
	return l
}

func (l *locks) partition(n name) *partition {
	return &l.partitions[maphash.String(l.seed, n.key)%locksPartitions]
}

// acquire locks a key for an owner. It waits for older owners, and has younger ones run
// again. errWounded: this one has to.
func (l *locks) acquire(o *owner, n name, m mode) error {
	if o.held[n] >= m {
		return nil
	}
	if o.wounded() {
		return errWounded
	}
	p := l.partition(n)
	p.Lock()
	k := p.locks[n]
	if k == nil {
		k = p.take()
		p.locks[n] = k
	}
	granted := k.ask(request{o, m})
	p.Unlock()
	if !granted && !o.await(p, n, k) {
		return errWounded
	}
	o.held[n] = m
	return nil
}

// await waits until a lock is granted. If the owner is wounded before, it takes the request
// back and returns false.
func (o *owner) await(p *partition, n name, k *lock) bool {
	waiting := func(r request) bool { return r.owner == o }
	for {
		o.mu.Lock()
		wounded := o.mu.wounded
		o.mu.waits = !wounded
		o.mu.Unlock()
		p.Lock()
		waits := slices.ContainsFunc(k.waiters, waiting)
		if waits && wounded {
			k.waiters = slices.DeleteFunc(k.waiters, waiting)
			p.settle(n, k)
		}
		p.Unlock()
		if !waits || wounded {
			return !waits
		}
		<-o.woken
	}
}

// release gives the locks of an owner back that are not stronger than most. If those are
// all, its transaction, or attempt, is over.
func (l *locks) release(o *owner, most mode) {
	for n, m := range o.held {
		if m > most {
			continue
		}
		delete(o.held, n)
		p := l.partition(n)
		p.Lock()
		k := p.locks[n]
		k.owners = slices.DeleteFunc(k.owners, func(r request) bool { return r.owner == o })
		p.settle(n, k)
		p.Unlock()
	}
	if most == exclusive {
		o.mu.Lock()
		o.mu.wounded, o.mu.waits = false, false
		o.mu.Unlock()
	}
}

// take returns a lock that nobody holds.
func (p *partition) take() *lock {
	if n := len(p.spare); n > 0 {
		k := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return k
	}
	return &lock{}
}

// settle grants what can be granted now, and forgets a lock that nobody wants.
func (p *partition) settle(n name, k *lock) {
	for len(k.waiters) > 0 && k.admits(k.waiters[0]) {
		r := k.waiters[0]
		k.waiters = slices.Delete(k.waiters, 0, 1)
		k.grant(r)
		r.owner.wake()
	}
	if len(k.owners) == 0 && len(k.waiters) == 0 {
		delete(p.locks, n)
		if len(p.spare) < spareMax {
			p.spare = append(p.spare, k)
		}
	}
}

// ask grants a request, or puts it among the waiters by its age and wounds the younger
// owners that are in its way: so whoever waits for a younger one does not wait for long,
// and a ring of waiting transactions would need one of those.
func (k *lock) ask(r request) (granted bool) {
	at, _ := slices.BinarySearchFunc(k.waiters, r, func(w, r request) int { return cmp.Compare(w.owner.age, r.owner.age) })
	if k.admits(r) && at == 0 {
		k.grant(r)
		return true
	}
	k.waiters = slices.Insert(k.waiters, at, r)
	for _, o := range k.owners {
		if o.owner.age > r.owner.age && (o.mode == exclusive || r.mode == exclusive) {
			o.owner.wound()
		}
	}
	return false
}

// admits tells whether a request goes together with those that are granted.
func (k *lock) admits(r request) bool {
	for _, o := range k.owners {
		if o.owner != r.owner && (o.mode == exclusive || r.mode == exclusive) {
			return false
		}
	}
	return true
}

// grant makes a request an owner's lock.
func (k *lock) grant(r request) {
	for i := range k.owners {
		if k.owners[i].owner == r.owner {
			k.owners[i].mode = max(k.owners[i].mode, r.mode)
			return
		}
	}
	k.owners = append(k.owners, r)
}
