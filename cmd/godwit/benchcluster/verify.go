package benchcluster

import (
	"context"
	"errors"
	"time"

	"github.com/godwitdb/godwit/internal/hlc"
)

// check checks the member's data, of one moment.
func (m *member) check(ctx context.Context, o *CheckOrder) (*CheckReport, error) {
	began := time.Now()
	s, at, err := m.host.snapshot(ctx, hlc.Timestamp(o.AtLeast))
	if err != nil {
		return nil, err
	}
	w := m.work.loaded
	if !o.Executed || o.Counts != nil || w == nil {
		if w, err = m.setup.Workload.New(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		if err := w.Open(s); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if o.Counts != nil {
		w.Expect(o.Counts)
	}
	r := &CheckReport{At: uint64(at)}
	if err := w.Check(ctx, s, m.setup.Threads); err != nil {
		r.Wrong = err.Error()
	}
	r.Checksum, err = s.Checksum(ctx)
	r.Seconds = time.Since(began).Seconds()
	return r, errors.Join(err, s.Close())
}
