package main

import (
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestBenchClusterElectionTimeout: a busy machine elects nobody in a run without faults, and
// those with faults measure what users get.
func TestBenchClusterElectionTimeout(t *testing.T) {
	for _, c := range []struct {
		args   []string
		faults bool
		want   time.Duration
	}{
		{nil, false, 3 * time.Second},
		{nil, true, 500 * time.Millisecond},
		{[]string{"--election-timeout", "3s"}, true, 3 * time.Second},
		{[]string{"--election-timeout", "50ms"}, false, 50 * time.Millisecond},
	} {
		var o clusterOptions
		cmd := &cobra.Command{}
		o.flags(cmd)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		if c.faults {
			o.expectFaults(cmd)
		}
		if o.election != c.want {
			t.Errorf("%v, faults %t: %v", c.args, c.faults, o.election)
		}
	}
}
