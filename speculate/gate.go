package speculate

import (
	"context"
	"slices"
)

// hearer is told once how what it waits for went.
type hearer interface{ hear(err error) }

type waiter struct {
	at  Point
	who hearer
}

// wake is a goroutine that waits. It has room for the news.
type wake chan error

func (w wake) hear(err error) { w <- err }

// callback is somebody who is called.
type callback func(error)

func (f callback) hear(err error) { f(err) }

// Wait returns nil once everything up to a point is certain, ErrDoomed if the point
// is gone, or the error of Fail or of ctx. After an error of Fail or ctx it is not known
// how it went.
func (c *Course) Wait(ctx context.Context, at Point) error {
	if at <= c.Frontier() {
		return nil
	}
	w, _ := c.wakes.Get().(wake)
	if w == nil {
		w = make(wake, 1)
	}
	if decided, err := c.enlist(at, w); decided {
		c.wakes.Put(w)
		return err
	}
	select {
	case err := <-w:
		c.wakes.Put(w)
		return err
	case <-ctx.Done():
		c.leave(w) // and drop it: it may have been told already
		return ctx.Err()
	}
}

// Notify calls tell once, with what Wait would return: at once if that is known
// already, else from the goroutine that brings the news. tell must not block, nor
// move the course.
func (c *Course) Notify(at Point, tell func(error)) {
	if at <= c.Frontier() {
		tell(nil)
		return
	}
	if decided, err := c.enlist(at, callback(tell)); decided {
		tell(err)
	}
}

// Waiting returns how many wait. Who waits for a Set counts at each of its courses that
// is undecided.
func (c *Course) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.waiting)
}

// enlist lets who hear of a point, unless it is decided.
func (c *Course) enlist(at Point, who hearer) (decided bool, err error) {
	c.mu.Lock()
	if decided, err = c.verdict(at); !decided {
		c.mu.waiting = append(c.mu.waiting, waiter{at: at, who: who})
	}
	c.mu.Unlock()
	if !decided && c.OnWait != nil {
		c.OnWait()
	}
	return decided, err
}

// leave forgets somebody who waits no longer. It may be told all the same, by somebody
// who is just doing that.
func (c *Course) leave(who hearer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.mu.waiting, func(w waiter) bool { return w.who == who })
	if i < 0 {
		return
	}
	last := len(c.mu.waiting) - 1
	c.mu.waiting[i] = c.mu.waiting[last]
	c.mu.waiting[last] = waiter{}
	c.mu.waiting = c.mu.waiting[:last]
}

// settle tells those for whom it is decided. deciding and mu are held, and mu is given
// back before anybody is told.
func (c *Course) settle() {
	frontier := c.Frontier()
	all, err := c.verdict(frontier + 1) // it is the same for everything above
	keep := c.mu.waiting[:0]
	for _, w := range c.mu.waiting {
		if w.at <= frontier || all {
			c.told = append(c.told, w)
		} else {
			keep = append(keep, w)
		}
	}
	clear(c.mu.waiting[len(keep):])
	c.mu.waiting = keep
	c.mu.Unlock()
	for _, w := range c.told {
		if w.at <= frontier {
			w.who.hear(nil)
		} else {
			w.who.hear(err)
		}
	}
	clear(c.told)
	c.told = c.told[:0]
}
