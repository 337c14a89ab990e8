package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// loadRowsMax and loadBytesMax close a loader's transaction, whichever
	// comes first.
	loadRowsMax  = 512
	loadBytesMax = 256 << 10
	// loadReleaseTimeout bounds the wait for the release of what was loaded.
	loadReleaseTimeout = 10 * time.Minute
)

// Loader is a session that fills tables: it gathers rows and inserts them in
// transactions of some hundreds.
type Loader struct {
	Session
	rows []loadRow
	// bytes holds the keys and values that rows point into.
	bytes  []byte
	last   Timestamp
	insert func(Tx) error
}

type loadRow struct {
	table              Table
	key, value, valEnd int
}

// NewLoader returns a loader on s.
func NewLoader(s Session) *Loader {
	l := &Loader{Session: s}
	l.insert = l.insertRows
	return l
}

// Insert adds a row, which must not exist yet; key and value are copied.
func (l *Loader) Insert(t Table, key, value []byte) error {
	at := len(l.bytes)
	l.bytes = append(append(l.bytes, key...), value...)
	l.rows = append(l.rows, loadRow{t, at, at + len(key), len(l.bytes)})
	if len(l.rows) >= loadRowsMax || len(l.bytes) >= loadBytesMax {
		return l.Flush()
	}
	return nil
}

// Flush inserts the rows that were gathered.
func (l *Loader) Flush() error {
	if len(l.rows) == 0 {
		return nil
	}
	ts, err := l.Update(l.insert)
	l.last = max(l.last, ts)
	l.rows, l.bytes = l.rows[:0], l.bytes[:0]
	return err
}

func (l *Loader) insertRows(tx Tx) error {
	for _, r := range l.rows {
		key := l.bytes[r.key:r.value]
		if err := tx.Insert(r.table, key, l.bytes[r.value:r.valEnd]); err != nil {
			return fmt.Errorf("%s key %x: %w", r.table.Name(), key, err)
		}
	}
	return nil
}

// AwaitReleased waits until everything that was flushed is released.
func (l *Loader) AwaitReleased(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadReleaseTimeout)
	defer cancel()
	for l.Released() < l.last {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("bench: loaded up to %d, released up to %d: %w", l.last, l.Released(), err)
		}
		time.Sleep(releasePoll)
	}
	return nil
}

// LoadParallel works off units 0..units-1 with several loaders, flushes each
// unit and waits for the release of all.
func LoadParallel(ctx context.Context, e Engine, sessions, units int, fill func(l *Loader, unit int) error) error {
	var next atomic.Int64
	return eachSession(e, min(sessions, units), func(s Session) error {
		l := NewLoader(s)
		for {
			unit := int(next.Add(1)) - 1
			if unit >= units {
				return l.AwaitReleased(ctx)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := errors.Join(fill(l, unit), l.Flush()); err != nil {
				next.Store(int64(units)) // the others need not go on
				return err
			}
		}
	})
}

// CheckParallel works off units 0..units-1 with several sessions. All units run,
// whatever the others find, so that one report has all violations.
func CheckParallel(ctx context.Context, e Engine, sessions, units int, check func(r *Reader, unit int) error) error {
	var next atomic.Int64
	return eachSession(e, min(sessions, units), func(s Session) error {
		r := NewReader(s)
		var errs []error
		for {
			unit := int(next.Add(1)) - 1
			if unit >= units {
				return errors.Join(errs...)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			errs = append(errs, check(r, unit))
		}
	})
}

// eachSession runs work on sessions of its own, one goroutine each, and joins
// them.
func eachSession(e Engine, sessions int, work func(Session) error) error {
	errs := make([]error, sessions)
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			s, err := e.NewSession(i)
			if err != nil {
				errs[i] = err
				return
			}
			errs[i] = errors.Join(work(s), s.Close())
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
