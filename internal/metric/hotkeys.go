package metric

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// hotKeysMax is how many keys HotKeys watches.
	hotKeysMax = 64
	// hotKeyBytesMax bounds what is kept of a key.
	hotKeyBytesMax = 128
	// hotKeysMemory is how fast HotKeys forgets: by half in this time times ln 2.
	hotKeysMemory = 10 * time.Second
)

// HotKeys finds the keys that are asked for most, from samples, with memory for a few of them: a key that is not
// watched takes the place, and the count, of the one that was seen least (Metwally et al., Efficient computation of
// frequent and top-k elements in data streams, 2005). So no key that is hot is missed, and a count is at most as much too
// large as the smallest one. What was long ago counts less.
type HotKeys struct {
	mu     sync.Mutex
	keys   map[hotKey]float64
	decays time.Time // up to when counts are faded
}

type hotKey struct {
	db  int
	key string
}

// HotKey is a key and about how often a second it is asked for.
type HotKey struct {
	DB        int
	Key       string
	PerSecond float64
}

// Record counts a sample that stands for weight requests. It does nothing while another caller counts: samples may be lost, and
// nobody waits.
func (h *HotKeys) Record(db int, key []byte, weight int) {
	if !h.mu.TryLock() {
		return
	}
	defer h.mu.Unlock()
	k := hotKey{db, string(key[:min(len(key), hotKeyBytesMax)])}
	if h.keys == nil {
		h.keys = map[hotKey]float64{}
	}
	if _, known := h.keys[k]; known || len(h.keys) < hotKeysMax {
		h.keys[k] += float64(weight)
		return
	}
	least, count := k, math.Inf(1)
	for other, n := range h.keys {
		if n < count {
			least, count = other, n
		}
	}
	delete(h.keys, least)
	h.keys[k] = count + float64(weight)
}

// Top returns the hottest keys, up to n, the hottest first. Counts fade by the time between its calls, the first of which begins it.
func (h *HotKeys) Top(now time.Time, n int) []HotKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	fade := 1.0
	if !h.decays.IsZero() {
		fade = math.Exp(-now.Sub(h.decays).Seconds() / hotKeysMemory.Seconds())
	}
	h.decays = now
	top := make([]HotKey, 0, len(h.keys))
	for k, count := range h.keys {
		if count *= fade; count < 1 {
			delete(h.keys, k)
			continue
		}
		h.keys[k] = count
		top = append(top, HotKey{k.db, k.key, count / hotKeysMemory.Seconds()})
	}
	slices.SortFunc(top, func(a, b HotKey) int {
		return cmp.Or(cmp.Compare(b.PerSecond, a.PerSecond), cmp.Compare(a.DB, b.DB), cmp.Compare(a.Key, b.Key))
	})
	return top[:min(n, len(top))]
}
