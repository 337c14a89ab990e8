package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteSummary prints the result for people.
func (r *Result) WriteSummary(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s, %d sessions, %.1f s\n", r.Workload, r.Engine, r.Sessions, r.Seconds)
	fmt.Fprintf(&b, "  executed %s/s, released %s/s", group(r.ExecutedPerSecond), group(r.ReleasedPerSecond))
	fmt.Fprintf(&b, ", aborted attempts %s, rolled back %s", percent(r.Aborts, r.Executed), percent(r.Rollbacks, r.Executed))
	if r.BlockedFraction >= 0.001 {
		fmt.Fprintf(&b, ", waited for releases %.1f %% of the time", 100*r.BlockedFraction)
	}
	fmt.Fprintf(&b, "\n  executed after  %v\n  released after  %v\n", r.ExecutedLatency, r.ReleasedLatency)
	u := r.Resources
	fmt.Fprintf(&b, "  per transaction %s of processor time, %.3f allocations of %.0f bytes\n",
		FormatDuration(u.CPUPerTransaction), u.AllocsPerTransaction, u.AllocBytesPerTransaction)
	fmt.Fprintf(&b, "  garbage collection %.2f %% of the processor time, %d cycles, longest pause %s\n",
		100*u.GCFraction, u.GCCycles, FormatDuration(u.GCPauseMax))
	fmt.Fprintf(&b, "  memory %s resident, %s of it by the Go runtime\n", mebibytes(u.ResidentBytes), mebibytes(u.GoTotalBytes))
	if len(r.WorkloadStats) > 0 {
		b.WriteString("  with the warm-up")
		for _, name := range slices.Sorted(maps.Keys(r.WorkloadStats)) {
			fmt.Fprintf(&b, "  %s %s", strings.ReplaceAll(name, "_", " "), group(r.WorkloadStats[name]))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	r.writeKinds(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) writeKinds(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "transaction\texecuted/s\trolled back\texecuted p50\tp99\tp99.9\treleased p50\tp99\tp99.9\t")
	for _, k := range r.Kinds {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", k.Name, group(float64(k.Executed)/r.Seconds), percent(k.Rollbacks, k.Executed),
			FormatDuration(k.ExecutedLatency.P50), FormatDuration(k.ExecutedLatency.P99), FormatDuration(k.ExecutedLatency.P999),
			FormatDuration(k.ReleasedLatency.P50), FormatDuration(k.ReleasedLatency.P99), FormatDuration(k.ReleasedLatency.P999))
	}
	t.Flush() //nolint:errcheck // a strings.Builder takes everything
}

// WriteComparison prints several results beside each other, as ratios to the
// first. There is one name for each.
func WriteComparison(w io.Writer, results []*Result, names []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "run\tworkload\tsessions\texecuted/s\tratio\treleased/s\tratio\taborts\treleased p50\tp99\tp99.9\tCPU/txn\tallocs/txn\t")
	for i, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t\n", names[i], r.Workload, r.Sessions,
			group(r.ExecutedPerSecond), ratio(r.ExecutedPerSecond, results[0].ExecutedPerSecond),
			group(r.ReleasedPerSecond), ratio(r.ReleasedPerSecond, results[0].ReleasedPerSecond),
			percent(r.Aborts, r.Executed),
			FormatDuration(r.ReleasedLatency.P50), FormatDuration(r.ReleasedLatency.P99), FormatDuration(r.ReleasedLatency.P999),
			FormatDuration(r.Resources.CPUPerTransaction), r.Resources.AllocsPerTransaction)
	}
	return t.Flush()
}

// group renders a number with commas between thousands, to the unit.
func group(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// percent renders part of all, with as many digits as small shares need.
func percent(part, all uint64) string {
	return fmt.Sprintf("%.2f %%", 100*float64(part)/max(1, float64(all)))
}

func ratio(v, base float64) string {
	if base == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", v/base)
}

// mebibytes renders a size, "unknown" for what the system does not tell.
func mebibytes(n uint64) string {
	if n == 0 {
		return "unknown"
	}
	return group(float64(n)/(1<<20)) + " MiB"
}
