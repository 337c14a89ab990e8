package wal

import "testing"

func TestPendingLimit(t *testing.T) {
	const mib, most = 1 << 20, 64 << 20
	for _, c := range []struct {
		left, ahead int64
		streams     int
		want        int64
	}{
		{0, 0, 2, 0}, // nothing to write to: everybody waits
		{0, 64 * mib, 2, 64*mib - 2*reportBytes - 2*blockBytes}, // the next one is ready
		{64 * mib, 64 * mib, 2, most},
		{mib, 0, 2, mib - 2*reportBytes - 2*blockBytes}, // near the end, and the next one is not ready
		{100 << 10, 0, 2, 0},
		{mib, mib, 256, mib / 2}, // small segments, many streams: it gets on all the same
		{mib, 0, 256, 0},
	} {
		if got := pendingLimit(c.left, c.ahead, c.streams, most); got != c.want {
			t.Errorf("%d bytes left, %d ahead, %d streams: %d, want %d", c.left, c.ahead, c.streams, got, c.want)
		}
	}
}
