package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit"
)

// hope is what requests that need a leader wait by. It ends when none has been known for Options.LeaderWait: then nobody
// waits any more until there is one, which comes with another hope.
type hope struct {
	context.Context
	end context.CancelFunc
}

func (s *Server) newHope() *hope {
	h := &hope{}
	h.Context, h.end = context.WithCancel(s.ctx)
	return h
}

// explain returns an error as it is, or if it comes of the end of hope and nothing has happened, godwit.ErrUnavailable.
func (h *hope) explain(err error) error {
	if h.Err() != nil && errors.Is(err, context.Canceled) && !errors.Is(err, godwit.ErrOutcomeUnknown) {
		return godwit.ErrUnavailable
	}
	return err
}

// wait waits for the release of a transaction.
func (h *hope) wait(ctx context.Context, p *godwit.Pending) error {
	if p.Released() {
		return nil
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
	case <-h.Done():
		return fmt.Errorf("%w: no replica leads a majority", godwit.ErrOutcomeUnknown)
	}
	return p.Wait(ctx)
}

// outage knows since when no node leads. It belongs to watchLead.
type outage struct {
	since time.Time // zero while one does
}

// look notes whether a node leads.
func (o *outage) look(s *Server, led bool) {
	if !led {
		if o.since.IsZero() {
			o.since = time.Now()
		}
		if time.Since(o.since) >= s.opts.LeaderWait {
			s.hope.Load().end()
		}
		return
	}
	o.since = time.Time{}
	if s.hope.Load().Err() != nil {
		s.hope.Store(s.newHope())
	}
}
