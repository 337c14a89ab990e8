package stream

import (
	"testing"
	"time"
)

const (
	mega         = 1 << 20
	windowsTried = 300
)

// link answers one request after the other, of a window that is always full.
type link struct {
	roundTrip      time.Duration
	bytesPerSecond float64
	now, free      time.Duration // when it has carried what was sent
}

// fill has the link carry requests while as much is under way as the window lets, and
// returns the longest that an answer took, of those behind the first hundred.
func (l *link) fill(w *window) (longest time.Duration) {
	type flight struct {
		sent
		back time.Duration
	}
	var all []flight
	var underWay uint64
	for range windowsTried * windowFirst {
		for underWay < w.bytes {
			s := sent{at: l.now, bytes: w.most / 64}
			underWay += s.bytes
			s.underWay = underWay
			l.free = max(l.free, l.now) + time.Duration(float64(s.bytes)/l.bytesPerSecond*float64(time.Second))
			all = append(all, flight{s, l.free + l.roundTrip})
		}
		f := all[0]
		all = all[1:]
		l.now = f.back
		underWay -= f.bytes
		w.answered(l.now, f.sent)
		if l.now > 10*time.Second {
			longest = max(longest, f.back-f.at)
		}
	}
	return longest
}

// TestWindow holds that a window becomes what fills a link, and no more than what is answered in
// the trip time.
func TestWindow(t *testing.T) {
	o := Options{WindowBytesMax: 16 * mega, ElectionTimeout: 500 * time.Millisecond}
	for _, c := range []struct {
		name        string
		link        link
		least, most uint64
	}{
		{"long and wide", link{roundTrip: 50 * time.Millisecond, bytesPerSecond: 1e9}, 16 * mega, 16 * mega},
		{"long and narrow", link{roundTrip: 50 * time.Millisecond, bytesPerSecond: 40e6}, 2 * mega, 6 * mega},
		{"short and narrow", link{roundTrip: time.Millisecond, bytesPerSecond: 40e6}, 2 * mega, 6 * mega},
		{"too narrow", link{roundTrip: time.Millisecond, bytesPerSecond: 1e6}, mega / 2, mega / 2},
		{"longer than the trip time", link{roundTrip: 200 * time.Millisecond, bytesPerSecond: 1e9}, mega / 2, mega / 2},
	} {
		for _, begin := range []uint64{mega, 16 * mega} {
			w := newWindow(&o)
			w.bytes = begin
			l := c.link
			longest := l.fill(&w)
			if w.bytes < c.least || w.bytes > c.most {
				t.Errorf("%s, from %d: %d bytes, want %d to %d", c.name, begin, w.bytes, c.least, c.most)
			}
			if c.most > mega && longest > 150*time.Millisecond {
				t.Errorf("%s, from %d: an answer took %v", c.name, begin, longest)
			}
		}
	}
}

// TestWindowOfALittle: what does not fill a window does not make it larger, and requests that
// were lost together make it smaller once.
func TestWindowOfALittle(t *testing.T) {
	w := newWindow(&Options{WindowBytesMax: 16 * mega, ElectionTimeout: 500 * time.Millisecond})
	s := sent{at: time.Second, bytes: 1000, underWay: 2000}
	if w.answered(s.at+time.Millisecond, s); w.bytes != mega {
		t.Errorf("%d bytes, by an answer to little", w.bytes)
	}
	w.bytes = 8 * mega
	for range 5 {
		w.lost(s.at+250*time.Millisecond, s)
	}
	if w.bytes != 4*mega {
		t.Errorf("%d bytes, when requests are lost", w.bytes)
	}
}
