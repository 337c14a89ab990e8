package benchcluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
	"github.com/godwitdb/godwit/internal/env"
)

// Result is what a run has shown. There is none if a check failed.
type Result struct {
	Replicas int `json:"replicas"` // 0: an engine alone
	// Protocol is how the leader replicates what it executes.
	Protocol   Protocol `json:"protocol"`
	Durability string   `json:"durability"`
	Links      *Links   `json:"links,omitempty"`
	Fault      *Fault   `json:"fault,omitempty"`
	// RatePerSecond is what the workload was held to, 0 if to nothing.
	RatePerSecond float64 `json:"rate_per_second,omitempty"`
	// Leader is what the leader's process has measured, or the clients'. What was executed
	// and what was aborted is what the replicas have counted in any case.
	Leader *bench.Result `json:"leader"`
	// LeaderID is the leader, Members what everybody has spent in the measured time.
	LeaderID env.NodeID `json:"leader_id"`
	Members  []Member   `json:"members"`
	// Clients are the clients' costs, if they are a process of their own.
	Clients *ClientCosts `json:"clients,omitempty"`
	// What the leader has sent: bytes to all other replicas, headers of frames included,
	// and rounds.
	SentPerTransactionBytes float64             `json:"sent_per_transaction_bytes"`
	RoundsPerSecond         float64             `json:"rounds_per_second"`
	RoundMeanBytes          float64             `json:"round_mean_bytes"`
	Checksum                benchshard.Checksum `json:"checksum"`
	LoadPerMinute           float64             `json:"machine_load_per_minute"`
}

// Member is a member's part of the costs.
type Member struct {
	ID                env.NodeID    `json:"id"`
	CPUSeconds        float64       `json:"cpu_seconds"`
	CPUPerTransaction time.Duration `json:"cpu_per_transaction_ns"`
}

// ClientCosts are what clients have spent that are a process of their own.
type ClientCosts struct {
	CPUSeconds        float64       `json:"cpu_seconds"`
	CPUPerTransaction time.Duration `json:"cpu_per_transaction_ns"`
	// Bytes to and from the replicas, headers of frames included.
	SentPerTransactionBytes     float64 `json:"sent_per_transaction_bytes"`
	ReceivedPerTransactionBytes float64 `json:"received_per_transaction_bytes"`
	// Writes are calls of the system that send: the clients' requests, and the leader's
	// answers and rounds.
	WritesPerTransaction       float64 `json:"writes_per_transaction"`
	LeaderWritesPerTransaction float64 `json:"leader_writes_per_transaction"`
}

// Leads returns the leader's costs, Follows the mean of the others'.
func (r *Result) Leads() time.Duration {
	for _, m := range r.Members {
		if m.ID == r.LeaderID {
			return m.CPUPerTransaction
		}
	}
	return 0
}

// Follows returns the mean of the followers' costs.
func (r *Result) Follows() time.Duration {
	sum, n := time.Duration(0), 0
	for _, m := range r.Members {
		if m.ID != r.LeaderID {
			sum += m.CPUPerTransaction
			n++
		}
	}
	return sum / time.Duration(max(1, n))
}

// summarize puts the result of a workload that has run on a leader and everybody's samples
// together.
func (c *cluster) summarize(leader env.NodeID) *Result {
	b := c.result.Result
	r := &Result{Replicas: c.config.Replicas, Protocol: cmp.Or(c.config.Protocol, Godwit), Durability: c.config.Durability, Links: c.config.Links, Fault: c.config.Fault, RatePerSecond: c.config.Run.RatePerSecond,
		Leader: b, LeaderID: leader, LoadPerMinute: machineLoad()}
	from, to := measured(b)
	done := float64(max(1, b.Executed+b.Rollbacks))
	var led, all use
	for _, id := range c.ids() {
		u := used(c.members[id].samples, from, to)
		r.Members = append(r.Members, Member{id, u.cpu.Seconds(), time.Duration(float64(u.cpu) / done)})
		all.executed, all.conflicts = all.executed+u.executed, all.conflicts+u.conflicts
		if id == leader {
			led = u
		}
	}
	if c.clients != nil {
		u := used(c.clients.samples, from, to)
		r.Clients = &ClientCosts{
			CPUSeconds: u.cpu.Seconds(), CPUPerTransaction: time.Duration(float64(u.cpu) / done),
			SentPerTransactionBytes: float64(u.sent) / done, ReceivedPerTransactionBytes: float64(u.received) / done,
			WritesPerTransaction: float64(u.writes) / done, LeaderWritesPerTransaction: float64(led.writes) / done,
		}
		led.sent -= min(led.sent, u.received)
		b.Executed, b.ExecutedPerSecond, b.Aborts = all.executed, float64(all.executed)/b.Seconds, all.conflicts
	}
	r.SentPerTransactionBytes = float64(led.sent) / done
	r.RoundsPerSecond = float64(led.rounds) / b.Seconds
	r.RoundMeanBytes = float64(led.payload) / float64(max(1, led.rounds))
	return r
}

// measured returns when the measured time began and ended, in Unix nanoseconds.
func measured(r *bench.Result) (from, to int64) {
	first, last := -1.0, 0.0
	for _, i := range r.Intervals {
		if !i.Measured {
			continue
		}
		if first < 0 {
			first = i.EndSeconds - i.Seconds
		}
		last = i.EndSeconds
	}
	at := func(seconds float64) int64 {
		return r.Started.Add(time.Duration(seconds * float64(time.Second))).UnixNano()
	}
	return at(max(0, first)), at(last)
}

// machineLoad is how many processes wanted a processor in the last minute, where the
// system tells.
func machineLoad() (load float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &load)
	}
	if err != nil {
		return 0
	}
	return load
}

// Write prints the result for people.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	if r.Replicas == 0 {
		b.WriteString("an engine alone, without log\n")
	} else {
		fmt.Fprintf(&b, "%d replicas by %s, durable in %s, member %d led\n", r.Replicas, r.Protocol, r.Durability, r.LeaderID)
	}
	if l := r.Links; l != nil {
		fmt.Fprintf(&b, "%v from member to member and back, %v of jitter each way", l.RoundTrip, l.Jitter)
		if l.BytesPerSecond > 0 {
			fmt.Fprintf(&b, ", %.3g MB/s", l.BytesPerSecond/1e6)
		}
		b.WriteByte('\n')
	}
	if r.Fault != nil {
		fmt.Fprintf(&b, "one follower: %s %v\n", r.Fault.Kind, r.Fault.Delay)
	}
	if r.RatePerSecond > 0 {
		fmt.Fprintf(&b, "held to %.0f transactions per second\n", r.RatePerSecond)
	}
	if r.Clients != nil {
		b.WriteString("clients over the network, a process of their own, in which this was measured:\n")
	}
	if err := r.Leader.WriteSummary(&b); err != nil {
		return err
	}
	b.WriteByte('\n')
	for _, m := range r.Members {
		role := "follower"
		if m.ID == r.LeaderID {
			role = "leader"
		}
		fmt.Fprintf(&b, "member %d, %s: %s of processor time per transaction, %.2f s\n", m.ID, role, bench.FormatDuration(m.CPUPerTransaction), m.CPUSeconds)
	}
	if k := r.Clients; k != nil {
		fmt.Fprintf(&b, "clients: %s of processor time per transaction, %.2f s; %.0f bytes sent and %.0f received\n", bench.FormatDuration(k.CPUPerTransaction),
			k.CPUSeconds, k.SentPerTransactionBytes, k.ReceivedPerTransactionBytes)
		fmt.Fprintf(&b, "calls of the system that send, per transaction: %.3f by clients, %.3f by the leader\n", k.WritesPerTransaction, k.LeaderWritesPerTransaction)
	}
	if r.Replicas > 0 {
		fmt.Fprintf(&b, "%.0f bytes on the wire between replicas per transaction, %.0f rounds per second of %.1f KiB\n", r.SentPerTransactionBytes, r.RoundsPerSecond, r.RoundMeanBytes/1024)
	}
	fmt.Fprintf(&b, "correct on every replica: %v\n", r.Checksum)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes anything to a file.
func WriteJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}
