package quorum

import "time"

// timer is embedded in what wants to be called at a time. Its zero value is
// not set.
type timer struct {
	pos    int32 // in the heap, from 1 up; 0 if not set
	target expirer
}

// expirer is called when its timer has run out.
type expirer interface{ expire() }

// timerHeap orders timers by deadline and, among equals, by when they were set.
// It has four children to a node and keeps the deadlines beside the pointers,
// so that a sift touches few cache lines: with exact deadlines and a total
// order, which the simulator needs, it is still as quick as a wheel.
type timerHeap struct {
	entries []timerEntry
	seq     uint64
}

type timerEntry struct {
	at  time.Duration
	seq uint64
	t   *timer
}

func (e *timerEntry) before(o *timerEntry) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

// set makes the timer run out at a time, in place of an earlier setting.
func (h *timerHeap) set(t *timer, target expirer, at time.Duration) {
	h.cancel(t)
	t.target = target
	h.seq++
	h.entries = append(h.entries, timerEntry{})
	h.up(len(h.entries)-1, timerEntry{at, h.seq, t})
}

// cancel takes a timer out if it is set.
func (h *timerHeap) cancel(t *timer) {
	if t.pos == 0 {
		return
	}
	i, last := int(t.pos)-1, len(h.entries)-1
	moved := h.entries[last]
	h.entries[last] = timerEntry{}
	h.entries = h.entries[:last]
	t.pos, t.target = 0, nil
	if i == last {
		return
	}
	if i > 0 && moved.before(&h.entries[(i-1)/4]) {
		h.up(i, moved)
	} else {
		h.down(i, moved)
	}
}

// next returns when the next timer runs out.
func (h *timerHeap) next() (at time.Duration, ok bool) {
	if len(h.entries) == 0 {
		return 0, false
	}
	return h.entries[0].at, true
}

// pop takes out a timer that has run out by now and returns its target, or nil
// if there is none.
func (h *timerHeap) pop(now time.Duration) expirer {
	if len(h.entries) == 0 || h.entries[0].at > now {
		return nil
	}
	t := h.entries[0].t
	target := t.target
	h.cancel(t)
	return target
}

func (h *timerHeap) place(i int, e timerEntry) {
	h.entries[i] = e
	e.t.pos = int32(i + 1)
}

func (h *timerHeap) up(i int, e timerEntry) {
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&h.entries[parent]) {
			break
		}
		h.place(i, h.entries[parent])
		i = parent
	}
	h.place(i, e)
}

func (h *timerHeap) down(i int, e timerEntry) {
	for {
		first := 4*i + 1
		if first >= len(h.entries) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h.entries)); c++ {
			if h.entries[c].before(&h.entries[least]) {
				least = c
			}
		}
		if !h.entries[least].before(&e) {
			break
		}
		h.place(i, h.entries[least])
		i = least
	}
	h.place(i, e)
}
