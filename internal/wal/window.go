package wal

import (
	"sync/atomic"
	"time"
)

// A log that is synced in the background has a window: what was appended and is
// not durable is lost if the machine fails. With a disk that answers, it is as long
// as SyncInterval and a sync. A disk that stalls would open it without end, because
// nobody waits for releases. So workers are held up (Throttle) when something has not
// been durable for SyncInterval and StallMax.

const (
	// StallMax is how long a sync in the background may take beyond the interval
	// before workers have to wait for it.
	StallMax = time.Second
	// windowCheck is how often that is looked at.
	windowCheck = StallMax / 10
)

// lossWindow is the time since when something may not be durable.
type lossWindow struct {
	start time.Time // that times are counted from
	// since is in nanoseconds from start, 0 if everything is durable. The flusher
	// writes it, guardWindow reads it.
	since atomic.Int64
}

func (w *lossWindow) nanoseconds(t time.Time) int64 { return max(1, t.Sub(w.start).Nanoseconds()) }

// openAt says that what was appended from t on may not be durable, unless that is
// known of something older.
func (w *lossWindow) openAt(t time.Time) { w.since.CompareAndSwap(0, w.nanoseconds(t)) }

// moveTo says that everything that was appended before t is durable.
func (w *lossWindow) moveTo(t time.Time) { w.since.Store(w.nanoseconds(t)) }

// close says that everything is durable.
func (w *lossWindow) close() { w.since.Store(0) }

// age returns for how long something may not have been durable.
func (w *lossWindow) age(now time.Time) time.Duration {
	since := w.since.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(w.nanoseconds(now) - since)
}

// guardWindow holds workers up while the window is too long. It ends when the log
// is being closed.
func (l *Log) guardWindow() {
	timer := l.opt.Clock.NewTimer(windowCheck)
	defer timer.Stop()
	for {
		select {
		case <-timer.C():
			l.judgeWindow()
			timer.Reset(windowCheck)
		case <-l.closing:
			return
		}
	}
}

// judgeWindow holds workers up, or lets them go on.
func (l *Log) judgeWindow() {
	long := l.window.age(l.opt.Clock.Now()) > l.opt.SyncInterval+StallMax-windowCheck
	switch held := l.gate.Load()&gateStalled != 0; {
	case long && !held:
		l.gate.Or(gateStalled)
	case !long && held:
		l.gate.And(^gateStalled)
		l.notify()
	}
}
