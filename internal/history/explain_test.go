package history

import (
	"strings"
	"testing"
)

// TestExplanations holds whole reports against what they should say.
func TestExplanations(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    Workload
		text string
		want string
	}{
		{"lists", Lists, `
			c1 0..10 ok: x+1 y+2 z+9
			c2 0..10 ok: x?1 y?
			c3 20..30 ok: y?2
			c3 40..50 ok: z?`, `
2 anomalies in 4 committed transactions
lost-write
  T0 (client 1, ok, 0..10): append(26, 9) and 2 more
  T3 (client 3, ok, 40..50): read(26) = []
  T0's append of 9 to key 26 was acknowledged at 10; T3 began at 40 and did not see it, and nobody did after that
G-single
  T0 (client 1, ok, 0..10): append(24, 1), append(25, 2) and 1 more
  T1 (client 2, ok, 0..10): read(24) = [1], read(25) = []
  T0 before T1 (wr): T1 read [1] in key 24, the last of which T0 appended
  T1 before T0 (rw): T1 read key 25 as []; T0 appended 2 (number 1 of the list that T2 read)
`},
		{"long lists", Lists, `
			c1 0..10 ok: x+1 x+2 x+3 x+4 x+5 x+6 x+7 x+8 x+9 x+10
			c1 20..30 ok: x?1,2,3,4,5,6,7,8,9,10
			c2 40..50 ok: x?`, `
2 anomalies in 3 committed transactions
lost-write
  T0 (client 1, ok, 0..10): append(24, 1), append(24, 2), append(24, 3), append(24, 4), append(24, 5), append(24, 6), append(24, 7), append(24, 8), append(24, 9), append(24, 10)
  T2 (client 2, ok, 40..50): read(24) = []
  T0's append of 1 to key 24 was acknowledged at 10; T2 began at 40 and did not see it, and nobody did after that
G-single-realtime
  T0 (client 1, ok, 0..10): append(24, 1), append(24, 2), append(24, 3), append(24, 4), append(24, 5), append(24, 6), append(24, 7), append(24, 8), append(24, 9), append(24, 10)
  T2 (client 2, ok, 40..50): read(24) = []
  T0 before T2 (realtime): it was over at 10, before the other began at 40
  T2 before T0 (rw): T2 read key 24 as []; T0 appended 1 (number 1 of the list that T1 read), 2 (number 2 of the list that T1 read), 3 (number 3 of the list that T1 read) and 7 more
`},
		{"registers", Registers, `
			c1 0..10 ok: x:=1
			c2 20..30 ok: x:=2
			c3 40..50 ok: x=1`, `
1 anomaly in 3 committed transactions
G-single-realtime
  T1 (client 2, ok, 20..30): write(24, 2)
  T2 (client 3, ok, 40..50): read(24) = 1
  T1 before T2 (realtime): it was over at 30, before the other began at 40
  T2 before T1 (rw): T2 read key 24 as 1, and T1's 2 is later, for T0, with 1, was over at 10 before T1, with 2, began at 20
`},
		{"sets", Sets, `
			c1 0..10 ok: a:=1 b:=2
			c2 20..30 ok: [a,f){a:1 b:2} a-
			c3 20..30 ok: [a,f){a:1 b:2} b-
			c4 40..50 ok: a=nil`, `
1 anomaly in 4 committed transactions
G2
  T1 (client 2, ok, 20..30): range(1, 6) = {1:1 2:2}, delete(1)
  T2 (client 3, ok, 20..30): range(1, 6) = {1:1 2:2}, delete(2)
  T1 before T2 (rw, of a range): T1 read key 2 as 2, and T2's nil by T2 is later, for T2 read 2 before it wrote nil by T2
  T2 before T1 (rw, of a range): T2 read key 1 as 1, and T1's nil by T1 is later, for T1 read 1 before it wrote nil by T1
`},
		{"circle", Registers, `
			c1 0..10 ok: x:=1
			c2 0..10 ok: x:=2
			c3 20..30 ok: x=1
			c3 40..50 ok: x=2
			c3 60..70 ok: x=1`, `
1 anomaly in 5 committed transactions
cyclic-versions
  T0 (client 1, ok, 0..10): write(24, 1)
  T1 (client 2, ok, 0..10): write(24, 2)
  T3 (client 3, ok, 40..50): read(24) = 2
  T4 (client 3, ok, 60..70): read(24) = 1
  The values of key 24:
  1 before 2, for T0, with 1, was over at 10 before T3, with 2, began at 40
  2 before 1, for T1, with 2, was over at 10 before T4, with 1, began at 60
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustCheck(t, transcript(t, tt.w, tt.text), Options{})
			if got, want := r.String(), strings.TrimPrefix(tt.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestLinearExplanation(t *testing.T) {
	h := transcript(t, Registers, `
		c1 0..10 ok: x:=1
		c2 0..10 ok: x:=2 y:=3
		c3 20..30 ok: x=1
		c3 40..50 ok: x=2
		c4 20..30 ok: y=3`)
	r, err := CheckLinearizable(h, LinearOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := `1 anomaly in 5 committed transactions
not-linearizable
  No order explains the 4 operations on key 24. The longest one that makes sense has 3 and ends with
  T1 (client 2, ok, 0..10): write(24, 2) and 1 more
  T0 (client 1, ok, 0..10): write(24, 1)
  T2 (client 3, ok, 20..30): read(24) = 1
  Now one would have to come that fits, before this one is over:
  T3 (client 3, ok, 40..50): read(24) = 2
`
	if got := r.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPerKindMax demands that anomalies beyond the bound are counted and not
// shown.
func TestPerKindMax(t *testing.T) {
	h := &History{Workload: Lists}
	for i := range 20 {
		h.Txns = append(h.Txns, Txn{Client: 2, Outcome: OK, Invoke: Time(i), Complete: Time(i),
			Ops: []Op{{Kind: OpList, Key: Key(i), List: []Value{88}}}})
	}
	r := mustCheck(t, h, Options{PerKindMax: 3})
	if len(r.Anomalies) != 3 || r.Omitted != 17 || r.OK() {
		t.Errorf("%d shown, %d omitted", len(r.Anomalies), r.Omitted)
	}
	if !strings.HasPrefix(r.String(), "20 anomalies in 20 committed transactions (17 not shown)\n") {
		t.Error(r.String())
	}
}
