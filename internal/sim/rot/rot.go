// Package rot damages what a simulated node has on its disk, in one place, as disks do: bits
// turn over, writes go astray, files are gone. Where something is damaged, the program under
// test has promised to notice it.
package rot

import (
	"path/filepath"
	"strings"

	"github.com/godwitdb/godwit/internal/sim"
)

// sector is how much a write that goes astray destroys.
const sector = 4096

// Log damages the log in a folder of wal.Tape's segments, which are so long at most. Not in the
// newest segment's rounds: the last of them may have no witness, and would be taken for
// torn. Of a node that runs no file goes away. It returns false if there is no log.
func Log(n *sim.Node, dir string, segmentBytes int64) bool {
	rng, files := n.World().Rand(), n.Files()
	names, err := files.List(dir)
	var segments []string
	for _, base := range names {
		name := filepath.Join(dir, base)
		if b, err := files.ReadFile(name); err == nil && strings.HasSuffix(base, ".seg") && len(b) >= sector && b[0] != 0 {
			segments = append(segments, name)
		}
	}
	if err != nil || len(segments) == 0 {
		return false
	}
	newest := len(segments) - 1
	i := max(0, newest-rng.IntN(5))
	name, what := segments[i], rng.IntN(6)
	at := int64(rng.IntN(sector / 16)) // in the segment's header
	if i < newest && what < 5 {
		at = rng.Int64N(segmentBytes)
	}
	switch {
	case what == 0 && !n.Up():
		err = files.Remove(name)
	case what == 1 && i < newest: // a write went astray
		err = files.Misplace(name, at-at%sector, make([]byte, sector))
	case what == 2 && i < newest:
		err = files.Misplace(name, at-at%sector, must(files.ReadFile(segments[newest]))[:sector])
	default:
		err = files.FlipBit(name, at, uint(rng.IntN(8)))
	}
	n.World().Logf("n%d: %s is damaged at %d, kind %d: %v", n.ID(), name, at, what, err)
	return true
}

// Checkpoint turns over a bit of a file in a folder of checkpoints (package checkpoint). It
// returns false if there is none.
func Checkpoint(n *sim.Node, dir string) bool {
	rng, files := n.World().Rand(), n.Files()
	var names []string
	for _, name := range files.Names() {
		if b, err := files.ReadFile(name); err == nil && len(b) > 0 && strings.HasPrefix(name, dir+string(filepath.Separator)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return false
	}
	name := names[rng.IntN(len(names))]
	at := rng.IntN(len(must(files.ReadFile(name))))
	err := files.FlipBit(name, int64(at), uint(rng.IntN(8)))
	n.World().Logf("n%d: %s is damaged at %d: %v", n.ID(), name, at, err)
	return true
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
