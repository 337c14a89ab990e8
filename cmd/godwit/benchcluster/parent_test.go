package benchcluster

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/bench/ycsb"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
)

func TestWhatIsUsedBetweenTwoMoments(t *testing.T) {
	samples := []Sample{
		{At: 100, CPU: 1000, Sent: 10, Rounds: 1, Payload: 100},
		{At: 200, CPU: 3000, Sent: 30, Rounds: 3, Payload: 300},
		{At: 300, CPU: 4000, Sent: 40, Rounds: 4, Payload: 900},
	}
	for _, c := range []struct {
		from, to int64
		want     use
	}{
		{100, 300, use{cpu: 3000, rounds: 3, payload: 800, sent: 30}},
		{150, 250, use{cpu: 1500, rounds: 1, payload: 400, sent: 15}},
		{0, 150, use{cpu: 1000, rounds: 1, payload: 100, sent: 10}}, // nothing is known before the first sample
		{250, 900, use{cpu: 500, rounds: 1, payload: 300, sent: 5}}, // nor behind the last
		{200, 200, use{}},
	} {
		if got := used(samples, c.from, c.to); got != c.want {
			t.Errorf("used from %d to %d: %+v, want %+v", c.from, c.to, got, c.want)
		}
	}
	if got := used(nil, 0, 100); got != (use{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestMeasuredTime(t *testing.T) {
	began := time.Unix(100, 0)
	r := &bench.Result{Started: began, Intervals: []bench.Interval{
		{EndSeconds: 1, Seconds: 1}, {EndSeconds: 2, Seconds: 0.75, Measured: true}, {EndSeconds: 3, Seconds: 1, Measured: true},
	}}
	from, to := measured(r)
	if from != began.Add(1250*time.Millisecond).UnixNano() || to != began.Add(3*time.Second).UnixNano() {
		t.Errorf("from %v to %v", time.Unix(0, from), time.Unix(0, to))
	}
}

func TestTimeline(t *testing.T) {
	fault := int64(time.Hour)
	ms := int64(time.Millisecond)
	// 100 transactions over two steps, a third of them in the first one.
	at := fault - int64(timelineBefore) + 20*ms
	samples := []Sample{{At: at + 5*ms}, {At: at + 20*ms, Executed: 150, Released: 75}, {At: at + 10*int64(time.Second), Executed: 150, Released: 75}}
	all := addTimeline(nil, samples, fault)
	if len(all) != timelineLen || all[2].Executed != 50 || all[3].Executed != 100 || all[2].Released != 25 || all[3].Released != 50 {
		t.Errorf("%v", all[:6])
	}
	all = addTimeline(all, samples[:2], fault)
	if all[2].Executed != 100 || all[1] != (Moment{}) || all[4] != (Moment{}) {
		t.Errorf("of two members: %v", all[:6])
	}
	o := Outage{Timeline: all}
	if r := o.Rates(); r[2].At != -timelineBefore+20*time.Millisecond || r[2].Executed != 10_000 {
		t.Errorf("%+v", r[2])
	}
}

func TestQuantiles(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1))
	}
	for _, c := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{{times, 0.5, 50}, {times, 0.99, 99}, {times, 1, 100}, {times[:1], 0.99, 1}, {times[:3], 0.5, 2}, {nil, 0.5, 0}} {
		if got := quantile(c.of, c.q); got != c.want {
			t.Errorf("%v of %d: %d, want %d", c.q, len(c.of), got, c.want)
		}
	}
	if low, middle, high := spread([]float64{4, 1, 3, 2}); low != 1 || middle != 2.5 || high != 4 {
		t.Errorf("spread %v %v %v", low, middle, high)
	}
	if o, ok := Middle([]Outage{{Took: 3}, {Took: 1}, {Took: 2}}); !ok || o.Took != 2 {
		t.Errorf("the middle one took %v", o.Took)
	}
}

func result(leader env.NodeID, cpu ...time.Duration) *Result {
	r := &Result{LeaderID: leader}
	for i, c := range cpu {
		r.Members = append(r.Members, Member{ID: env.NodeID(i + 1), CPUPerTransaction: c})
	}
	return r
}

func TestRatios(t *testing.T) {
	p := Pair{Alone: result(1, 1000), Replicated: result(2, 400, 1200, 800)}
	if got := p.Ratios(); got != (Ratios{1.2, 0.6, 0.5}) {
		t.Errorf("%+v", got)
	}
	c := Comparison{Rounds: []Pair{p, {Alone: result(1, 1000), Replicated: result(1, 1400, 500, 500)}}}
	var b strings.Builder
	if err := c.Write(&b); err != nil || !strings.Contains(b.String(), "leader / engine alone    1.30 (1.20 to 1.40)") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestContest(t *testing.T) {
	match := func(subject, rival float64) Match {
		return Match{&Result{Leader: &bench.Result{ReleasedPerSecond: subject}}, &Result{Leader: &bench.Result{ReleasedPerSecond: rival}}}
	}
	c := Contest{Subject: "a", Rival: "b", Rounds: []Match{match(300, 100), match(100, 100), match(50, 0.5), match(400, 200)}}
	if m := c.Middle(); m.Ratio() != 2 {
		t.Errorf("the middle ratio is %v", m.Ratio())
	}
	var b strings.Builder
	if err := c.Write(&b); err != nil || !strings.Contains(b.String(), "a / b                                2.5 (1 to 50)") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestJudge holds that whatever a member finds wrong, or has otherwise than the leader,
// makes the run fail.
func TestJudge(t *testing.T) {
	good := CheckReport{At: 7, Checksum: benchshard.Checksum{Tables: 1, Rows: 2, Sum: 3}}
	wrong, fewer, other := good, good, good
	wrong.Wrong, fewer.Checksum.Rows, other.Checksum.Sum = "a row too many", 1, 4
	for _, c := range []struct {
		second CheckReport
		want   string
	}{{good, ""}, {wrong, "a row too many"}, {fewer, "member 2 holds"}, {other, "member 2 holds"}} {
		cl := &cluster{members: map[env.NodeID]*one{1: {checked: &good}, 2: {checked: &c.second}}}
		_, err := cl.judge(&good)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.second, err)
		}
	}
}

func TestOrdersAndReportsAreLines(t *testing.T) {
	config := ycsb.For(ycsb.PlusPlus)
	for _, v := range []any{
		&Order{Start: &Setup{ID: 2, Addrs: map[env.NodeID]string{1: "a", 2: "b"}, Workload: Workload{YCSB: &config}, ElectionTimeout: time.Second}},
		&Order{Run: &RunOrder{Warmup: time.Second, Endless: true, RatePerSecond: 3}}, &Order{Check: &CheckOrder{AtLeast: 1 << 60}},
		&Report{Sample: &Sample{At: 1, Applied: 1<<61 - 1, Leads: true}}, &Report{Checked: &CheckReport{Checksum: benchshard.Checksum{Sum: 1<<64 - 1}}},
	} {
		text, err := json.Marshal(v)
		if err != nil || strings.Contains(string(text), "\n") {
			t.Errorf("%v %s", err, text)
		}
		back := reflect.New(reflect.TypeOf(v).Elem()).Interface()
		if err := json.Unmarshal(text, back); err != nil || !reflect.DeepEqual(v, back) {
			t.Errorf("%v\n%+v\n%+v", err, v, back)
		}
	}
	if _, err := (Workload{}).New(); err == nil {
		t.Error("no workload is one")
	}
}
