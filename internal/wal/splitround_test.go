package wal

import (
	"fmt"
	"testing"

	"github.com/godwitdb/godwit/internal/hlc"
)

// TestSplitRound: the pieces of a round have its records, in order, and its watermark
// comes with the last one.
func TestSplitRound(t *testing.T) {
	var clock hlc.Clock
	streams := NewStreams(3)
	g := newGatherer(t, GathererOptions{Streams: streams, Clock: &clock})
	for i := range 60 {
		s := streams[i%2*2]
		s.Lock()
		ts := clock.Next()
		bytes := TxHeaderBytes + WriteHeaderBytes + 1 + 10*i
		b := s.Reserve(bytes)
		PutTxHeader(b, ts, 1, bytes)
		PutWrite(b[TxHeaderBytes:], 1, KindPut, []byte{byte(i)}, make([]byte, 10*i))
		s.Appended(ts)
		s.Unlock()
	}
	whole := g.Gather()
	want := map[StreamID]string{}
	for _, x := range txsOf(t, &whole) {
		want[x.stream] += fmt.Sprint(x)
	}
	for _, most := range []int{payloadHeaderBytes + 1, 300, 700, 5000, 1 << 20} {
		rounds, err := whole.Split(most, 7)
		must(t, err)
		if fits := len(whole.Payload) <= most; fits != (len(rounds) == 1) {
			t.Errorf("%d bytes in rounds of %d are %d rounds", len(whole.Payload), most, len(rounds))
		}
		got := map[StreamID]string{}
		var parts []byte
		for i := range rounds {
			r := &rounds[i]
			if len(r.Payload) > most || len(r.Payload) == 0 {
				t.Errorf("%d bytes each: round %d has %d", most, i, len(r.Payload))
			}
			if r.Kind == RoundPart || r.Kind == RoundLastPart {
				parts = append(parts, r.Payload...)
				if r.Kind == RoundPart {
					if r.Watermark != 7 || r.Last < 1 {
						t.Errorf("%d bytes each: part %d has watermark %d, last timestamp %d", most, i, r.Watermark, r.Last)
					}
					continue
				}
				r.Kind, r.Payload, parts = RoundData, parts, nil
				if n := len(txsOf(t, r)); n != 1 || len(r.Payload) <= most {
					t.Errorf("%d bytes each: %d records in parts of %d bytes together", most, n, len(r.Payload))
				}
			}
			watermark := hlc.Timestamp(7)
			if i == len(rounds)-1 {
				watermark = whole.Watermark
			}
			txs := txsOf(t, r)
			if r.Kind != RoundData || r.Watermark != watermark || len(txs) == 0 || len(r.Payload) > most && len(txs) > 1 || len(parts) > 0 {
				t.Errorf("%d bytes each: round %d has kind %v, watermark %d, %d records in %d bytes", most, i, r.Kind, r.Watermark, len(txs), len(r.Payload))
			}
			for _, x := range txs {
				got[x.stream] += fmt.Sprint(x)
				if x.ts > r.Last {
					t.Errorf("%d is above the last timestamp %d", x.ts, r.Last)
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d bytes each: other records", most)
		}
	}
}
