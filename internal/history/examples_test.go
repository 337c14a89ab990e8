package history

// example is a small history with the anomalies that it has to be found to have,
// at strict serializability and at the levels below.
type example struct {
	name string
	w    Workload
	text string
	// want lists the kinds for StrictSerializable, then for the levels below
	// it; a level that is not listed wants the same as the one above it.
	want [][]Kind
}

func is(kinds ...Kind) [][]Kind { return [][]Kind{kinds} }

// realtime is for anomalies that take real time to find.
func realtime(kinds ...Kind) [][]Kind { return [][]Kind{kinds, nil} }

// process is for anomalies that take the order of each client to find.
func process(kinds ...Kind) [][]Kind { return [][]Kind{kinds, kinds, nil} }

// examples are the anomalies of the literature one by one, and histories that
// look like them and are fine.
func examples() []example {
	return []example{
		// Lists.
		{"G0", Lists, `
			c1 0..10 ok: x+1 y+1
			c2 0..10 ok: x+2 y+2
			c3 20..30 ok: x?1,2 y?2,1`, is(G0)},
		{"G0 of one key", Lists, `
			c1 0..10 ok: x+1 x+3
			c2 0..10 ok: x+2
			c3 20..30 ok: x?1,2,3`, is(G0)},
		{"G0 of three", Lists, `
			c1 0..10 ok: x+1 z+2
			c2 0..10 ok: x+2 y+1
			c3 0..10 ok: y+2 z+1
			c4 20..30 ok: x?1,2 y?1,2 z?1,2`, is(G0)},
		{"G1a", Lists, `
			c1 0..10 fail: x+1
			c2 20..30 ok: x?1`, is(G1a)},
		{"dirty update", Lists, `
			c1 0..10 fail: x+1
			c2 20..30 ok: x+2
			c3 40..50 ok: x?1,2`, is(G1a, DirtyUpdate)},
		{"G1b", Lists, `
			c1 0..10 ok: x+1 x+2
			c2 0..10 ok: x?1
			c3 20..30 ok: x?1,2`, is(G1b)},
		{"G1b, the rest unseen", Lists, `
			c1 0..10 ok: x+1 x+2
			c2 0..10 ok: x?1`, is(G1b)},
		{"G1c", Lists, `
			c1 0..10 ok: x+1 y?2
			c2 0..10 ok: y+2 x?1`, is(G1c)},
		{"G1c with a ww edge", Lists, `
			c1 0..10 ok: x+1 y?2
			c2 0..10 ok: x+2 z?
			c3 0..10 ok: y+2 x?1,2`, is(G1c)},
		{"G1c, found by an append nobody saw", Lists, `
			c1 0..10 ok: x+1 y?2
			c2 0..10 ok: x+2 y+2
			c3 0..10 ok: x?1`, is(G1c)},
		{"read skew", Lists, `
			c1 0..10 ok: x+1 y+2
			c2 0..10 ok: x?1 y?
			c3 20..30 ok: y?2`, is(GSingle)},
		{"read skew, found by an append nobody saw", Lists, `
			c1 0..10 ok: x+1 y+2
			c2 0..10 ok: x?1 y?`, is(GSingle)},
		{"read skew on a transaction of unknown outcome", Lists, `
			c1 0..10 unknown: x+1 y+2
			c2 40..50 ok: x?1 y?`, is(GSingle)},
		{"lost update", Lists, `
			c1 0..10 ok: x? x+1
			c2 0..10 ok: x? x+2
			c3 20..30 ok: x?1,2`, is(LostUpdate)},
		{"lost update of three", Lists, `
			c1 0..10 ok: x? x+1
			c2 0..10 ok: x? x+2
			c3 0..10 ok: x? x+3
			c4 20..30 ok: x?1,2,3`, is(LostUpdate)},
		{"lost update whose write is gone", Lists, `
			c1 0..10 ok: x? x+1
			c2 0..10 ok: x? x+2
			c3 20..30 ok: x?2`, [][]Kind{{LostWrite, LostUpdate}, {LostUpdate}}},
		{"write skew", Lists, `
			c1 0..10 ok: x? y? x+1
			c2 0..10 ok: x? y? y+2
			c3 20..30 ok: x?1 y?2`, is(WriteSkew)},
		{"write skew, appends unseen", Lists, `
			c1 0..10 ok: x? y? x+1
			c2 0..10 ok: x? y? y+2`, is(WriteSkew)},
		{"G2 of three", Lists, `
			c1 0..10 ok: x? y+1
			c2 0..10 ok: y? z+1
			c3 0..10 ok: z? x+1`, is(G2Item)},
		{"long fork", Lists, `
			c1 0..10 ok: x+1
			c2 0..10 ok: y+2
			c3 0..10 ok: x?1 y?
			c4 0..10 ok: x? y?2`, is(G2Item)},
		{"internal: own append missing", Lists, `
			c1 0..10 ok: x+1 x?`, is(Internal)},
		{"internal: unrepeatable read", Lists, `
			c1 0..10 ok: x+1
			c2 0..10 ok: x? x?1`, is(Internal)},
		{"internal: read from its own future", Lists, `
			c1 0..10 ok: x?1 x+1`, is(Internal)},
		{"duplicate", Lists, `
			c1 0..10 ok: x+1
			c2 20..30 ok: x?1,1`, is(DuplicateAppend)},
		{"incompatible order", Lists, `
			c1 0..10 ok: x+1
			c2 0..10 ok: x+2
			c3 0..10 ok: x?1
			c4 0..10 ok: x?2`, is(IncompatibleOrder)},
		{"incompatible order, both seen to the end", Lists, `
			c1 0..10 ok: x+1
			c2 0..10 ok: x+2
			c3 20..50 ok: x?1
			c4 20..60 ok: x?2
			c5 40..50 ok: x?1`, is(IncompatibleOrder)},
		{"incompatible order within a transaction", Lists, `
			c1 0..10 ok: x+1 x+2
			c2 20..30 ok: x?2,1`, is(IncompatibleOrder)},
		{"garbage", Lists, `
			c1 0..10 ok: x+1
			c2 20..30 ok: x?1,99`, is(GarbageRead)},
		{"lost write", Lists, `
			c1 0..10 ok: x+1
			c2 20..30 ok: x?`, [][]Kind{{LostWrite}, nil}},
		{"lost write that was seen before", Lists, `
			c1 0..10 ok: x+1
			c2 20..30 ok: x?1
			c3 40..50 ok: x+2
			c4 60..70 ok: x?2`, [][]Kind{{IncompatibleOrder, LostWrite}, {IncompatibleOrder}}},
		{"ww against real time", Lists, `
			c1 0..10 ok: x+1
			c2 20..30 ok: x+2
			c3 40..50 ok: x?2,1`, realtime(G0Realtime)},
		{"ww against the client's order", Lists, `
			c1 0..10 ok: x+1
			c1 20..30 ok: x+2
			c3 40..50 ok: x?2,1`, process(G0Process)},
		{"read from the future", Lists, `
			c1 0..10 ok: x?1
			c2 20..30 ok: x+1`, realtime(G1cRealtime)},
		{"read from the client's future", Lists, `
			c1 0..10 ok: x?1
			c1 20..30 ok: x+1`, process(G1cProcess)},
		{"stale read", Lists, `
			c1 0..10 ok: x+1
			c2 20..30 ok: x?
			c3 40..50 ok: x?1`, realtime(GSingleRealtime)},
		{"client does not read what it wrote", Lists, `
			c1 0..10 ok: x+1
			c1 20..30 ok: x?
			c3 40..50 ok: x?1`, process(GSingleProcess)},
		{"stale read of two", Lists, `
			c1 50..60 ok: x?
			c2 0..100 ok: x+1 y?
			c3 10..20 ok: y+2
			c4 200..210 ok: x?1 y?2`, realtime(G2ItemRealtime)},
		{"stale read of two by a client", Lists, `
			c2 0..100 ok: x+1 y?
			c1 10..20 ok: y+2
			c1 50..60 ok: x?
			c4 200..210 ok: x?1 y?2`, process(G2ItemProcess)},
		{"fine: unknown and never seen", Lists, `
			c1 0..10 unknown: x+1 y+1
			c2 20..30 ok: x? y?
			c3 40..50 fail: x?1,1 y?7`, is()},
		{"fine: unknown, seen late", Lists, `
			c1 0..10 unknown: x+1 y+2
			c2 20..30 ok: x? y?
			c2 40..50 ok: x?1 y?2`, is()},
		{"fine: concurrent, either order", Lists, `
			c1 0..10 ok: x? y+1
			c2 5..15 ok: x+1 y?1
			c3 10..20 ok: x?1 y?1 x+2 x?1,2
			c4 20..30 ok: x?1,2`, is()},
		{"fine: appends that nobody saw", Lists, `
			c1 0..10 ok: x? x+1
			c2 20..30 ok: x+2
			c3 40..50 ok: x+3
			c4 0..60 ok: x?1`, is()},

		// Registers.
		{"G1a", Registers, `
			c1 0..10 fail: x:=1
			c2 20..30 ok: x=1`, is(G1a)},
		{"dirty update", Registers, `
			c1 0..10 fail: x:=1
			c2 20..30 ok: x=1 x:=2
			c3 40..50 ok: x=2`, is(G1a, DirtyUpdate)},
		{"G1b", Registers, `
			c1 0..10 ok: x:=1 x:=2
			c2 0..10 ok: x=1`, is(G1b)},
		{"G1c", Registers, `
			c1 0..10 ok: x:=1 y=2
			c2 0..10 ok: y:=2 x=1`, is(G1c)},
		{"G1c at one key", Registers, `
			c1 0..10 ok: x=2 x:=1
			c2 0..10 ok: x=1 x:=2`, is(G1c)},
		{"read skew", Registers, `
			c1 0..10 ok: x:=1 y:=2
			c2 0..10 ok: x=1 y=nil`, is(GSingle)},
		{"read skew behind a chain", Registers, `
			c1 0..10 ok: x:=1 y:=1
			c2 20..30 ok: x=1 x:=2 y:=2 y=2
			c3 40..60 ok: y=2 y:=3 x=2 x:=3
			c4 40..60 ok: x=2 y=3`, is(GSingle)},
		{"lost update", Registers, `
			c1 0..10 ok: x=nil x:=1
			c2 0..10 ok: x=nil x:=2`, is(LostUpdate)},
		{"lost update, one after the other", Registers, `
			c1 0..10 ok: x:=1
			c2 20..30 ok: x=1 x:=2
			c3 40..50 ok: x=1 x:=3
			c4 60..70 ok: x=3`, is(LostUpdate)},
		{"write skew", Registers, `
			c1 0..10 ok: x=nil y=nil x:=1
			c2 0..10 ok: x=nil y=nil y:=2`, is(WriteSkew)},
		{"G2 of three", Registers, `
			c1 0..10 ok: x=nil y:=1
			c2 0..10 ok: y=nil z:=1
			c3 0..10 ok: z=nil x:=1`, is(G2Item)},
		{"internal: own write missing", Registers, `
			c1 0..10 ok: x:=1 x=nil`, is(Internal)},
		{"internal: unrepeatable read", Registers, `
			c1 0..10 ok: x:=1
			c2 0..10 ok: x=nil x=1`, is(Internal)},
		{"internal: read from its own future", Registers, `
			c1 0..10 ok: x=1 x:=1`, is(Internal)},
		{"garbage", Registers, `
			c1 0..10 ok: x:=1
			c2 0..10 ok: x=99`, is(GarbageRead)},
		{"garbage at a key without writes", Registers, `
			c2 0..10 ok: x=99`, is(GarbageRead)},
		{"stale read", Registers, `
			c1 0..10 ok: x:=1
			c2 20..30 ok: x=nil`, realtime(GSingleRealtime)},
		{"stale read of a blind write", Registers, `
			c1 0..10 ok: x:=1
			c2 20..30 ok: x:=2
			c3 40..50 ok: x=1`, realtime(GSingleRealtime)},
		{"client does not read what it wrote", Registers, `
			c1 0..10 ok: x:=1
			c1 20..30 ok: x=nil`, process(GSingleProcess)},
		{"read from the future", Registers, `
			c1 0..10 ok: x=1
			c2 20..30 ok: x:=1`, realtime(G1cRealtime)},
		{"there and back", Registers, `
			c1 0..10 ok: x:=1
			c2 0..10 ok: x:=2
			c3 20..30 ok: x=1
			c3 40..50 ok: x=2
			c3 60..70 ok: x=1`, realtime(CyclicVersions)},
		{"write skew on blind writes", Registers, `
			c1 0..10 ok: x:=1 y:=1
			c2 20..30 ok: y=1 x:=2
			c3 20..30 ok: x=1 y:=2`, realtime(G2ItemRealtime)},
		{"fine: blind writes in either order", Registers, `
			c1 0..10 ok: x:=1
			c2 0..10 ok: x:=2
			c3 5..15 ok: x=1
			c4 5..15 ok: x=2`, is()},

		// Sets.
		{"phantom", Sets, `
			c1 0..10 ok: [a,f){} b:=1
			c2 0..10 ok: [a,f){} c:=2
			c3 20..30 ok: [a,f){b:1 c:2}`, is(G2)},
		{"phantom by deletion", Sets, `
			c0 0..5 ok: a=nil a:=1 b=nil b:=2
			c1 10..20 ok: [a,f){a:1 b:2} a-
			c2 10..20 ok: [a,f){a:1 b:2} b-`, is(G2)},
		{"phantom against a point", Sets, `
			c1 0..10 ok: [a,f){} x:=1
			c2 0..10 ok: x=nil b:=2`, is(G2)},
		{"write skew of points", Sets, `
			c1 0..10 ok: a=nil b=nil a:=1
			c2 0..10 ok: a=nil b=nil b:=2`, is(WriteSkew)},
		{"write skew of points that were in a range before", Sets, `
			c1 0..10 ok: [a,c){} b=nil a=nil a:=1
			c2 0..10 ok: [a,c){} a=nil b=nil b:=2`, is(WriteSkew)},
		{"write skew around one's own deletion", Sets, `
			c1 0..10 ok: a=nil a- b:=1
			c2 0..10 ok: b=nil a:=2`, is(WriteSkew)},
		{"write skew past a failed deletion", Sets, `
			c1 0..10 fail: a-
			c2 0..10 ok: a=nil b:=1
			c3 0..10 ok: b=nil a:=2`, is(WriteSkew)},
		{"circular deletion", Sets, `
			c1 0..10 ok: a:=1
			c2 20..40 ok: a- b=3
			c3 20..40 ok: a=nil a:=2 b:=3`, realtime(G1cRealtime)},
		{"half a second deletion", Sets, `
			c1 0..10 ok: a:=1 b:=2
			c1 20..30 ok: a-
			c1 40..50 ok: a:=3
			c2 60..70 ok: a- b-
			c3 60..70 ok: [a,f){b:2}`, realtime(GSingleRealtime)},
		{"half an insertion", Sets, `
			c1 0..10 ok: a:=1 b:=2
			c2 0..10 ok: [a,f){b:2}`, is(GSingle)},
		{"half a deletion", Sets, `
			c1 0..5 ok: a=nil a:=1 b=nil b:=2
			c2 10..20 ok: a=1 a- b=2 b-
			c3 10..20 ok: [a,f){b:2}`, realtime(GSingleRealtime)},
		{"double insertion", Sets, `
			c1 0..10 ok: a=nil a:=1
			c2 0..10 ok: a=nil a:=2`, is(LostUpdate)},
		{"double deletion", Sets, `
			c1 0..5 ok: a:=1
			c2 10..20 ok: a=1 a-
			c3 10..20 ok: a=1 a-`, is(LostUpdate)},
		{"stale absence", Sets, `
			c1 0..10 ok: a:=1
			c2 20..30 ok: a-
			c3 40..50 ok: a:=2
			c4 60..70 ok: a=nil`, realtime(GSingleRealtime)},
		{"stale presence", Sets, `
			c1 0..10 ok: a:=1
			c2 20..30 ok: a-
			c3 60..70 ok: [a,c){a:1}`, realtime(GSingleRealtime)},
		{"range with a key twice", Sets, `
			c1 0..10 ok: a:=1
			c2 20..30 ok: [a,c){a:1 a:1}`, is(GarbageRead)},
		{"range beyond its end", Sets, `
			c1 0..10 ok: a:=1 c:=2
			c2 20..30 ok: [a,c){a:1 c:2}`, is(GarbageRead)},
		{"internal: own insertion missing in a range", Sets, `
			c1 0..10 ok: a:=1 [a,c){}`, is(Internal)},
		{"internal: own deletion missing in a range", Sets, `
			c0 0..5 ok: a:=1
			c1 10..20 ok: a- [a,c){a:1}`, is(Internal)},
		{"fine: who deleted it?", Sets, `
			c1 0..10 ok: a:=1
			c2 5..15 ok: a-
			c3 5..15 ok: [a,c){}
			c4 5..15 ok: a=nil b:=2
			c5 20..30 ok: [a,c){b:2}`, is()},
		{"fine: inserted again", Sets, `
			c1 0..10 ok: a=nil a:=1
			c1 20..30 ok: a=1 a-
			c1 40..50 ok: a=nil a:=2
			c2 0..60 ok: [a,c){}
			c3 60..70 ok: [a,c){a:2}`, is()},
		{"fine: an unknown deletion took effect late", Sets, `
			c1 0..10 ok: a:=1
			c2 20..30 unknown: a-
			c3 40..50 ok: a=1
			c3 60..70 ok: a=nil`, is()},
	}
}
