package console

import (
	"context"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/metric"
)

const (
	// sampleEvery is how often the node's figures are taken.
	sampleEvery = time.Second
	// historyMax is how many of them are kept: a quarter of an hour.
	historyMax = 900
	// eventsMax is how many changes of the lead are kept.
	eventsMax = 100
)

// point is one second of a node, as pages get it: rates a second, times in microseconds.
type point struct {
	At           int64   `json:"t"` // milliseconds since 1970
	Executed     float64 `json:"executed"`
	Released     float64 `json:"released"`
	Transactions float64 `json:"transactions"`
	Conflicts    float64 `json:"conflicts"`
	Favoured     float64 `json:"favoured"`
	Errors       float64 `json:"errors"`
	InFlight     uint64  `json:"inFlight"` // commands that are executed and not released
	ExecutedP50  float64 `json:"e50"`
	ExecutedP99  float64 `json:"e99"`
	ReleasedP50  float64 `json:"r50"`
	ReleasedP99  float64 `json:"r99"`
	ReleasedP999 float64 `json:"r999"`
	PendingBytes int64   `json:"pending"`
	SyncP50      float64 `json:"s50"`
	SyncP99      float64 `json:"s99"`
	Syncs        float64 `json:"syncs"`
	Clients      int     `json:"clients"`
	Keys         int64   `json:"keys"`
	MemoryUsed   int64   `json:"memUsed"`
	MemoryLive   int64   `json:"memLive"`
	MemoryLimit  int64   `json:"memLimit"`
	Log          int64   `json:"log"`
	Checkpoint   int64   `json:"checkpoint"`
}

// event is a change of who leads.
type event struct {
	At     int64  `json:"t"`
	Epoch  uint64 `json:"epoch"`
	Leader uint32 `json:"leader"`
}

// sample is what pages get every second.
type sample struct {
	Point point   `json:"point"`
	Node  Figures `json:"node"`
	Event *event  `json:"event,omitempty"`
}

// history is what a page gets when it begins.
type history struct {
	Points []point `json:"points"`
	Events []event `json:"events"`
	Node   Figures `json:"node"`
}

// sampler takes the figures of a node and keeps those of the last minutes.
type sampler struct {
	source Source

	mu struct {
		sync.Mutex
		last     Figures
		at       time.Time // of last; zero before the first
		points   []point
		events   []event
		watchers map[chan sample]struct{}
	}
}

func newSampler(source Source) *sampler {
	s := &sampler{source: source}
	s.mu.watchers = map[chan sample]struct{}{}
	return s
}

// run takes figures until ctx ends.
func (s *sampler) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		now := s.source.Figures(ctx)
		if s.watched() {
			now.Replicas = s.source.Replicas()
		}
		s.take(time.Now(), now)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watched tells whether somebody looks.
func (s *sampler) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.watchers) > 0
}

// take adds figures of a moment.
func (s *sampler) take(at time.Time, now Figures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.ExecutedIn == nil {
		now.ExecutedIn, now.ReleasedIn = &metric.Counts{}, &metric.Counts{}
	}
	for i := range now.HotKeys {
		now.HotKeys[i].Key = printable([]byte(now.HotKeys[i].Key))
	}
	if s.mu.at.IsZero() {
		s.mu.last, s.mu.at = now, at
		if now.Epoch != 0 {
			s.mu.events = append(s.mu.events, event{at.UnixMilli(), now.Epoch, now.Leader})
		}
		return
	}
	next := sample{Point: pointOf(at, at.Sub(s.mu.at).Seconds(), &s.mu.last, &now), Node: now}
	if last := &s.mu.last; now.Epoch != last.Epoch || now.Leader != last.Leader {
		next.Event = &event{at.UnixMilli(), now.Epoch, now.Leader}
		s.mu.events = keep(s.mu.events, *next.Event, eventsMax)
	}
	s.mu.points = keep(s.mu.points, next.Point, historyMax)
	s.mu.last, s.mu.at = now, at
	for w := range s.mu.watchers {
		select {
		case w <- next:
		default: // a page that does not read misses some
		}
	}
}

// keep appends to a list and drops its beginning if it is longer than most.
func keep[T any](list []T, next T, most int) []T {
	if len(list) >= most {
		list = list[len(list)-most+1:]
	}
	return append(list, next)
}

func pointOf(at time.Time, seconds float64, last, now *Figures) point {
	rate := func(now, last uint64) float64 {
		if now < last || seconds <= 0 { // the counts have begun anew
			return 0
		}
		return float64(now-last) / seconds
	}
	executed, released := now.ExecutedIn.Since(last.ExecutedIn), now.ReleasedIn.Since(last.ReleasedIn)
	return point{
		At: at.UnixMilli(), Executed: rate(now.Executed, last.Executed), Released: rate(now.Released, last.Released),
		Transactions: rate(now.Transactions, last.Transactions), Conflicts: rate(now.Conflicts, last.Conflicts), Favoured: rate(now.Favoured, last.Favoured),
		Errors:      rate(total(now.Errors), total(last.Errors)),
		ExecutedP50: micros(executed.Percentile(0.5)), ExecutedP99: micros(executed.Percentile(0.99)),
		ReleasedP50: micros(released.Percentile(0.5)), ReleasedP99: micros(released.Percentile(0.99)), ReleasedP999: micros(released.Percentile(0.999)),
		PendingBytes: now.PendingBytes, SyncP50: micros(now.SyncP50), SyncP99: micros(now.SyncP99), Syncs: rate(now.Syncs, last.Syncs),
		Clients: now.Clients, Keys: now.Keys, MemoryUsed: now.MemoryUsed, MemoryLive: now.MemoryLive, MemoryLimit: now.MemoryLimit,
		Log: now.LogBytes, Checkpoint: now.CheckpointBytes, InFlight: now.InFlight,
	}
}

func total(counts []Count) (n uint64) {
	for _, c := range counts {
		n += c.Count
	}
	return n
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// watch returns what there is, and a channel of what comes until stop is called.
func (s *sampler) watch() (h history, more <-chan sample, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := make(chan sample, 8)
	s.mu.watchers[w] = struct{}{}
	h = history{Points: append([]point{}, s.mu.points...), Events: append([]event{}, s.mu.events...), Node: s.mu.last}
	return h, w, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.mu.watchers, w)
	}
}
