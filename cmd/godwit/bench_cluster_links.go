package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"

	"github.com/spf13/cobra"
)

// bytesPerMB is how many bytes a second --bandwidth counts as one.
const bytesPerMB = 1e6

// linkFlags are the flags of bench cluster about what is between the replicas, and what is
// wrong with one of them.
type linkFlags struct {
	roundTrip, jitter time.Duration
	megabytes         float64
	fault             string
	faultDelay        time.Duration
	set               bool // a link is
}

func (l *linkFlags) declare(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&l.roundTrip, "round-trip", 0, "how long it takes from a replica to another and back, at least")
	f.DurationVar(&l.jitter, "jitter", 0, "how much longer at most, each way")
	f.Float64Var(&l.megabytes, "bandwidth", 0, "MB (1,000,000 bytes) per second from one replica to another; 0 is no limit")
	f.StringVar(&l.fault, "fault", "", "what is wrong with one follower while the workload runs: stopped, slow-disk or slow-link")
	f.DurationVar(&l.faultDelay, "fault-delay", 40*time.Millisecond, "how much longer its syncs, or its messages each way, take")
}

func (l *linkFlags) validate(cmd *cobra.Command, replicas int, unreplicated bool) error {
	for _, name := range []string{"round-trip", "jitter", "bandwidth"} {
		l.set = l.set || cmd.Flags().Changed(name)
	}
	switch {
	case l.roundTrip < 0 || l.jitter < 0 || l.megabytes < 0:
		return errors.New("--round-trip, --jitter and --bandwidth are not less than 0")
	case (l.set || l.fault != "") && unreplicated:
		return errors.New("--round-trip, --jitter, --bandwidth and --fault are about replicas; --unreplicated has none")
	case l.fault == "" && cmd.Flags().Changed("fault-delay"):
		return errors.New("--fault-delay needs --fault")
	case l.faultDelay < 0:
		return errors.New("--fault-delay is less than 0")
	case l.fault == "":
		return nil
	case replicas < 3:
		return errors.New("--fault needs at least 3 replicas")
	}
	if err := benchcluster.FaultKind(l.fault).Validate(); err != nil {
		return fmt.Errorf("--fault: %w", err)
	}
	return nil
}

// broken returns what is wrong with a follower, nil if nothing is.
func (l *linkFlags) broken() *benchcluster.Fault {
	switch k := benchcluster.FaultKind(l.fault); k {
	case "":
		return nil
	case benchcluster.Stopped:
		return &benchcluster.Fault{Kind: k}
	default:
		return &benchcluster.Fault{Kind: k, Delay: l.faultDelay}
	}
}

// links returns nil if the replicas are to find each other without a detour.
func (l *linkFlags) links() *benchcluster.Links {
	if !l.set && benchcluster.FaultKind(l.fault) != benchcluster.SlowLink {
		return nil
	}
	return &benchcluster.Links{RoundTrip: l.roundTrip, Jitter: l.jitter, BytesPerSecond: l.megabytes * bytesPerMB}
}
