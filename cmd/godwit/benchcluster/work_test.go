package benchcluster

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/godwitdb/godwit/bench/refengine"
	"github.com/godwitdb/godwit/bench/ycsb"
)

// TestDeposedSaysWhatToDo: a leader that nobody was to take away tells why there is no
// result, and what helps.
func TestDeposedSaysWhatToDo(t *testing.T) {
	config := ycsb.For(ycsb.PlusPlus)
	config.Records = 1000
	var out bytes.Buffer
	m := &member{reporter: newReporter(&out), setup: &Setup{Workload: Workload{YCSB: &config}, Threads: 1, ElectionTimeout: 123 * time.Millisecond}}
	m.work.changed = make(chan struct{}, 1)
	over := make(chan struct{})
	close(over)
	w, err := m.setup.Workload.New()
	if err != nil {
		t.Fatal(err)
	}
	e := refengine.New(refengine.Options{})
	if err := w.Load(t.Context(), e, 1); err != nil {
		t.Fatal(err)
	}
	m.work.want(&Order{Run: &RunOrder{Duration: time.Hour, InFlightMax: 1}})
	if !m.turn(t.Context(), e, over) {
		t.Error("it still leads")
	}
	if said := out.String(); !strings.Contains(said, "--election-timeout") || !strings.Contains(said, "123ms") {
		t.Errorf("it says %q", said)
	}
}
