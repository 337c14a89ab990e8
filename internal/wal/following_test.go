package wal

import (
	"slices"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

// TestFollowing: a record is durable with the round that took it, or when the watermark says so, and not before.
func TestFollowing(t *testing.T) {
	var f Following
	var told []hlc.Timestamp
	follow := func(ts hlc.Timestamp) {
		f.Follow(ts, func() { told = append(told, ts) })
	}
	expect := func(want ...hlc.Timestamp) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Fatalf("durable are %v, want %v", told, want)
		}
	}
	follow(10)
	f.Gather()
	follow(9) // it was appended too late, or just in time
	f.Gathered(1)
	f.Durable(0, 5)
	expect()
	f.Durable(1, 5) // the watermark is behind: another stream holds it back
	expect(10)
	f.Gather()
	f.Gathered(2)
	f.Durable(1, 8)
	expect(10)
	f.Durable(2, 8)
	expect(10, 9)
	follow(20) // its round was made before
	f.Durable(2, 20)
	expect(10, 9, 20)
	follow(19)
	expect(10, 9, 20, 19)
	follow(30)
	f.Drop()
	f.Durable(3, 40)
	expect(10, 9, 20, 19)
	for ts := range hlc.Timestamp(2 * followedMax) {
		follow(100 + ts)
	}
	if len(f.records) != followedMax {
		t.Errorf("%d records are followed, the bound is %d", len(f.records), followedMax)
	}
}
