package main

import (
	"errors"
	"time"

	"github.com/godwitdb/godwit/cmd/godwit/benchcluster"

	"github.com/spf13/cobra"
)

// bytesPerMB is how many bytes a second --bandwidth counts as one.
const bytesPerMB = 1e6

// linkFlags are the flags of bench cluster that put the replicas into different places.
type linkFlags struct {
	roundTrip, jitter time.Duration
	megabytes         float64
	set               bool
}

func (l *linkFlags) declare(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&l.roundTrip, "round-trip", 0, "how long it takes from a replica to another and back, at least")
	f.DurationVar(&l.jitter, "jitter", 0, "how much longer at most, each way")
	f.Float64Var(&l.megabytes, "bandwidth", 0, "MB (1,000,000 bytes) per second from one replica to another; 0 is no limit")
}

func (l *linkFlags) validate(cmd *cobra.Command, unreplicated bool) error {
	for _, name := range []string{"round-trip", "jitter", "bandwidth"} {
		l.set = l.set || cmd.Flags().Changed(name)
	}
	switch {
	case l.roundTrip < 0 || l.jitter < 0 || l.megabytes < 0:
		return errors.New("--round-trip, --jitter and --bandwidth are not less than 0")
	case l.set && unreplicated:
		return errors.New("--round-trip, --jitter and --bandwidth are about replicas; --unreplicated has none")
	}
	return nil
}

// links returns nil if the replicas are to find each other without a detour.
func (l *linkFlags) links() *benchcluster.Links {
	if !l.set {
		return nil
	}
	return &benchcluster.Links{RoundTrip: l.roundTrip, Jitter: l.jitter, BytesPerSecond: l.megabytes * bytesPerMB}
}
