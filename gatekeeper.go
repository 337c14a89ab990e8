package godwit

import "context"

// gatekeeper lets one in at a time, like a mutex, but whoever waits goes away when
// its context ends or the database is closed.
type gatekeeper struct {
	inside chan struct{} // has room for one
	closed <-chan struct{}
}

func newGatekeeper(closed <-chan struct{}) gatekeeper {
	return gatekeeper{make(chan struct{}, 1), closed}
}

// enter returns nil if the caller is in, and has to leave. The errors are the
// context's and ErrClosed.
func (g gatekeeper) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case g.inside <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-g.closed:
		return ErrClosed
	}
	select {
	case <-g.closed: // both were ready
		g.leave()
		return ErrClosed
	default:
		return nil
	}
}

func (g gatekeeper) leave() { <-g.inside }

// await returns when nobody is in, and nobody will be: the database is closed.
func (g gatekeeper) await() { g.inside <- struct{}{} }
