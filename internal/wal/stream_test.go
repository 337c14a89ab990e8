package wal

import (
	"strings"
	"sync"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

func TestStreamLockExcludes(t *testing.T) {
	s := NewStreams(1)[0]
	const goroutines, each = 4, 3000
	var wg sync.WaitGroup
	count, tried := 0, 0
	for g := range goroutines {
		wg.Go(func() {
			for range each {
				if g == 0 {
					for !s.TryLock() {
						s.Lock()
						tried++
						s.Unlock()
					}
				} else {
					s.Lock()
				}
				count++
				s.Unlock()
			}
		})
	}
	wg.Wait()
	if count != goroutines*each {
		t.Fatalf("counted to %d, want %d", count, goroutines*each)
	}
	s.Lock()
	if s.TryLock() {
		t.Fatal("locked twice")
	}
	s.Unlock()
}

func TestReservedIsNotPartOfTheBatch(t *testing.T) {
	s := NewStreams(1)[0]
	s.Lock()
	defer s.Unlock()
	s.Reserve(100)
	if b := s.Pending(); b.Bytes() != 0 || b.Records != 0 {
		t.Fatalf("reserved bytes count: %+v", b)
	}
	b := s.Reserve(TxHeaderBytes)
	if len(b) != TxHeaderBytes || cap(b) != TxHeaderBytes {
		t.Fatalf("reserved %d bytes with room for %d", len(b), cap(b))
	}
	PutTxHeader(b, 1, 0, TxHeaderBytes)
	s.Appended(1)
	if b := s.Pending(); b.Bytes() != TxHeaderBytes || b.Records != 1 {
		t.Fatalf("%+v", b)
	}
}

// TestClosedTimestampIsAsserted: Invariant I5.
func TestClosedTimestampIsAsserted(t *testing.T) {
	appendAt := func(s *Stream, ts hlc.Timestamp) (message any) {
		defer func() { message = recover() }()
		s.Reserve(TxHeaderBytes)
		s.Appended(ts)
		return nil
	}
	var clock hlc.Clock
	clock.Observe(10)
	s := NewStreams(1)[0]
	s.log = &group{}
	s.gather(&clock, nil, true)
	for _, ts := range []hlc.Timestamp{9, 10} {
		if m, ok := appendAt(s, ts).(string); !ok || !strings.Contains(m, "I5") {
			t.Errorf("a record at %d on a stream that has closed 10: %v", ts, m)
		}
	}
	if m := appendAt(s, 11); m != nil {
		t.Fatal(m)
	}
	if m, ok := appendAt(s, 11).(string); !ok || !strings.Contains(m, "I5") {
		t.Errorf("two records at 11: %v", m)
	}
}

func TestLargeBuffersAreNotKept(t *testing.T) {
	o := testOptions(newFS(t), 1)
	o.SegmentBytes = 4 * bufferBytesKept
	found, _, err := recoverAll(o.FS, 0)
	must(t, err)
	l, err := open(o, found)
	must(t, err)
	n := &node{t: t, log: l, opt: o}
	l.files.requests <- 1
	capacity := func(valueBytes int) int {
		appendTx(l.Stream(0), o.HLC, []Write{{Kind: KindPut, Value: make([]byte, valueBytes)}})
		must(t, n.prepare())
		must(t, l.flush.work(false))
		return cap(l.flush.spares[0])
	}
	if got := capacity(1000); got != bufferBytesMin {
		t.Errorf("a small transaction leaves a buffer of %d bytes", got)
	}
	if got := capacity(2 * bufferBytesKept); got != 0 {
		t.Errorf("a large transaction leaves a buffer of %d bytes", got)
	}
	for i := range l.flush.batches[:1] {
		if l.flush.batches[:1][i].data != nil {
			t.Error("the flusher holds on to a large buffer")
		}
	}
}
