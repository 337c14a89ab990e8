package wal

// Hold keeps the flusher asleep, if it is, though records are appended, until Release is called. So what is executed in between
// goes into one round, and may be made durable by who has executed it. Nothing else is held up: a flusher that is at work
// takes what there is. Who holds it must not wait for anything meanwhile.
func (l *Log) Hold() { l.held.Add(1) }

// Release ends a Hold. If the flusher sleeps and records are pending, they are made durable before it returns, with here, or
// soon: to be woken from the disk, to wake the flusher and to be woken by it takes about as long as a sync.
func (l *Log) Release(here bool) {
	if l.held.Add(-1) > 0 || l.flusher.Load() != flusherIdle || !l.flush.pending() {
		return // another one holds it, or it looks before it sleeps
	}
	if !here || l.flush.background() || !l.flusher.CompareAndSwap(flusherIdle, flusherLent) {
		l.wakeFlusher()
		return
	}
	again := l.flush.borrowed()
	l.flusher.Store(flusherIdle)
	if l.overdue.Swap(false) || again || l.flush.wanted(flusherIdle) {
		l.wakeFlusher()
	}
}

// borrowed does the flusher's work while it sleeps and the state is flusherLent. It tells whether the flusher has to go on.
func (f *flusher) borrowed() (again bool) {
	f.lent = true
	f.failed = f.work(false)
	f.lent = false
	return f.failed != nil || f.open() || f.asleep && f.witnessed < f.round
}

// back takes the flusher's work back from who it may be lent to.
func (f *flusher) back() {
	l := f.log
	for {
		l.overdue.Store(true) // who has it looks at this behind its work
		state := l.flusher.Load()
		if state != flusherLent && l.flusher.CompareAndSwap(state, flusherBusy) {
			l.overdue.Store(false)
			return
		}
		if state == flusherLent {
			<-l.token
		}
	}
}
