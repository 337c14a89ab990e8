package benchchaos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/godwitdb/godwit/bench"
)

// ErrAnomaly: the clients have seen, or the replicas hold, what cannot be.
var ErrAnomaly = errors.New("benchchaos: the database has not kept its promise")

// Result is what a run has found.
type Result struct {
	Cycles          int           `json:"cycles"`
	Seconds         float64       `json:"seconds"`
	Seed            uint64        `json:"seed"`
	ElectionTimeout time.Duration `json:"election_timeout_ns"`
	Durability      string        `json:"durability"`
	Clients         Totals        `json:"transactions"`
	Faults          []*Faults     `json:"faults"`
	Wrong           []string      `json:"wrong,omitempty"`
	// Unfinished says why the run has ended before its time.
	Unfinished string        `json:"unfinished,omitempty"`
	Machine    bench.Machine `json:"machine"`
}

// Faults are all of one kind, of the leader or of others.
type Faults struct {
	Kind     Kind            `json:"kind"`
	Leader   bool            `json:"leader"` // it could not release meanwhile
	Released []time.Duration `json:"released_ns"`
	// Recovered is how long it took from the end of the fault until all had what was
	// released.
	Recovered []time.Duration `json:"recovered_ns"`
}

func newResult(c Config) *Result {
	r := &Result{Seed: c.Seed, ElectionTimeout: c.ElectionTimeout, Durability: "disk", Machine: bench.ThisMachine()}
	if c.Memory {
		r.Durability = "memory"
	}
	return r
}

// add adds a cycle.
func (r *Result) add(k Kind, leader bool, released, recovered time.Duration) {
	r.Cycles++
	i := slices.IndexFunc(r.Faults, func(f *Faults) bool { return f.Kind == k && f.Leader == leader })
	if i < 0 {
		i = len(r.Faults)
		r.Faults = append(r.Faults, &Faults{Kind: k, Leader: leader})
	}
	f := r.Faults[i]
	f.Released, f.Recovered = append(f.Released, released), append(f.Recovered, recovered)
}

// verdict returns ErrAnomaly with what is wrong, if anything is.
func (r *Result) verdict() error {
	if len(r.Wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%s", ErrAnomaly, strings.Join(r.Wrong, "\n"))
}

// Write prints the result for people.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d cycles in %.0f s, seed %d, durable in %s, election timeout %v\n", r.Cycles, r.Seconds, r.Seed, r.Durability, r.ElectionTimeout)
	t := r.Clients
	fmt.Fprintf(&b, "transactions: %d released, %d reads, %d of snapshots, %d of unknown outcome, %d failed\n", t.Released, t.Read, t.Snapshots, t.Unknown, t.Failed)
	for _, f := range r.Faults {
		role := "of others"
		if f.Leader {
			role = "of the leader"
		}
		fmt.Fprintf(&b, "%-8s %-14s %4d times: first release after p50 %s, p99 %s; all recovered after p50 %s, p99 %s\n", f.Kind, role, len(f.Released),
			bench.FormatDuration(quantile(f.Released, 0.5)), bench.FormatDuration(quantile(f.Released, 0.99)),
			bench.FormatDuration(quantile(f.Recovered, 0.5)), bench.FormatDuration(quantile(f.Recovered, 0.99)))
	}
	if len(r.Wrong) == 0 && r.Unfinished == "" {
		b.WriteString("nothing lost, no anomaly, all replicas equal\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quantile returns the least of some values that at least a share q is at or below.
func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, max(0, int(q*float64(len(sorted))+0.999999)-1))]
}
