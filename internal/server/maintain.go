package server

import (
	"errors"
	"math"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/keyspace"
)

const (
	// maintainEvery is how often expired keys and garbage are looked for.
	maintainEvery = 100 * time.Millisecond
	// expireAtOnce is how many expired keys one transaction removes.
	expireAtOnce = 256
)

// errPaused ends a transaction that would remove keys during a pause.
var errPaused = errors.New("clients are paused")

// maintain removes keys that have expired and what is left of large values, while this node leads.
func (s *Server) maintain() {
	tick := time.NewTimer(0)
	defer tick.Stop()
	var done *maintained
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		tick.Reset(untilNext(maintainEvery))
		s.endIdle()
		calls := s.stats.calls()
		s.stats.ops.sample(time.Now(), calls)
		now := maintained{calls: calls, at: s.clock.now()}
		if l := s.lead.Load(); l != nil {
			if !l.here {
				continue
			}
			now.epoch = l.epoch
		}
		if done.lasts(&now) {
			continue
		}
		next, err := s.maintainOnce()
		if done = nil; err == nil {
			now.until = next
			done = &now
		} else if s.ctx.Err() == nil && !errors.Is(err, godwit.ErrNotLeader) && !errors.Is(err, godwit.ErrUnavailable) {
			s.log.Warn("expired keys or garbage cannot be removed now", "error", err)
		}
	}
}

// untilNext returns how long it is to the next of the times that lie so far apart. They are the same for all who look at
// something now and then: so an idle process wakes up once for all of them.
func untilNext(every time.Duration) time.Duration {
	return every - time.Duration(time.Now().UnixNano())%every
}

// maintained is a state in which there is nothing to remove. So a server that nobody uses does not look all the time,
// which in a group asks the others each time whether this node leads.
type maintained struct {
	calls uint64 // that were executed before
	epoch uint64 // in which this node leads; 0 if it is alone
	at    int64  // in milliseconds since 1970
	until int64  // when the next key expires
}

// lasts tells whether there still is nothing to remove. It may be called on nil.
func (m *maintained) lasts(now *maintained) bool {
	return m != nil && m.calls == now.calls && m.epoch == now.epoch && now.at < m.until
}

// maintainOnce removes what there is to remove, and returns when the next key expires.
func (s *Server) maintainOnce() (next int64, err error) {
	space := s.space.Load()
	if space == nil {
		return 0, nil // nobody has used it yet
	}
	began := time.Now()
	for more := true; more; {
		t := keyspace.Tx{Space: space}
		n := 0
		err := s.db.Update(s.ctx, func(tx *godwit.Tx) (err error) {
			t.Begin(tx, s.clock.now())
			if n, err = t.ExpireSome(expireAtOnce); err != nil {
				return err
			}
			if kind, _, _ := s.clientPause.now(); kind != pauseNot {
				return errPaused // nobody sees the keys, and they stay till the end of the pause
			}
			at, ok, err := t.NextExpiry()
			if next = at; !ok {
				next = math.MaxInt64
			}
			return errors.Join(err, t.End())
		})
		if errors.Is(err, errPaused) {
			break
		}
		if err != nil {
			return 0, err
		}
		s.stats.expired.Add(expirations(t.Changes))
		for _, m := range s.stale(s.notifications(nil, t.Changes), t.Changes, 0) {
			s.publish(m)
		}
		more = n > 0
	}
	s.slow(slowExpiry, time.Since(began))
	for more := true; more; {
		var err error
		if more, err = space.Collect(s.ctx, s.db); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// endIdle disconnects clients that have asked for nothing for longer than they may. Who waits, for a key or for messages,
// may be silent.
func (s *Server) endIdle() {
	limit := time.Duration(s.config.idleSeconds.Load()) * time.Second
	if limit == 0 {
		return
	}
	now := s.clock.now()
	for _, c := range s.connections() {
		if shown := c.shown(); c.idle(now) > limit && !shown.peer && !shown.monitor && c.owner == "" && shown.kind() == "normal" && !c.working.Load() {
			s.log.Info("a client has been idle for too long", "id", c.id, "addr", c.profile.addr, "user", shown.user)
			c.close()
		}
	}
}
