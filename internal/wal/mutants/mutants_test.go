package mutants

import (
	"testing"

	"github.com/godwitdb/godwit/internal/mutant"
)

const (
	roomGo    = "internal/wal/room.go"
	segmentGo = "internal/wal/segment.go"
	streamGo  = "internal/wal/stream.go"
)

const load = "^TestRoomUnderLoad$"

// waits are mistakes by which somebody waits for ever, or for room that does not come.
func waits() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "a segment counts before it can be had", File: roomGo, Tests: "^TestPreparedIsThere$", Edits: []string{
			"	sf.prepared <- p // has room: there is one preparation at a time\n	sf.mu.Unlock()\n	sf.limitPending()\n", "	sf.mu.Unlock()\n	sf.limitPending()\n	time.Sleep(time.Millisecond) // or a busy machine would hide it\n	sf.prepared <- p\n",
			"	\"fmt\"\n", "	\"fmt\"\n	\"time\"\n",
		}},
		{Name: "nobody is told of the room that is kept", File: roomGo, Tests: load, Edits: []string{
			"	if sf.mu.kept > 0 {\n		sf.log.notify()", "	if sf.mu.kept < 0 {\n		sf.log.notify()",
		}},
		{Name: "nobody is told that less is pending", File: roomGo, Tests: load, Edits: []string{
			"		g.gate.And(^gatePending)\n		sf.log.notify()\n", "		g.gate.And(^gatePending)\n",
		}},
		{Name: "a full disk that stalls refuses nothing large", File: roomGo, Tests: "^TestAdmitOnAFullDiskThatStalls$", Edits: []string{
			"	case gate&gateDiskFull != 0: // what stalls", "	case gate&gateDiskFull != 0 && !stalled: // what stalls",
		}},
		{Name: "who is refused keeps the room", File: roomGo, Tests: load, Edits: []string{
			"	if err != nil {\n		sf.keep(-int64(bytes))\n	}\n", "",
		}},
		{Name: "large ones keep room side by side", File: roomGo, Tests: load, Edits: []string{
			"	case sf.turn <- struct{}{}: // one after the other, or two could wait for each other's room\n		defer func() { <-sf.turn }()\n	case", "	default:\n	case",
		}},
		{Name: "a commit phase does not look for room", File: streamGo, Tests: load, Edits: []string{
			"return s.log == nil || s.log.gate.Load() == 0", "return true",
		}},
		{Name: "what is kept does not count", File: roomGo, Tests: "^TestPendingLimit$", Edits: []string{
			"	room -= kept + int64(streams)*streamRoom\n", "	room -= int64(streams) * streamRoom\n",
		}},
		{Name: "a truncation that failed is not gone on with", File: segmentGo, Tests: "^TestTruncationGoesOnAfterAnError$", Edits: []string{
			"if err != nil && !errors.Is(err, fs.ErrNotExist) {\n			return err", "if err != nil && !errors.Is(err, fs.ErrClosed) {\n			return err",
		}},
	}
}

// Every planted mistake is found.
func TestMutantsAreFound(t *testing.T) {
	mutant.Kill(t, "../../..", "..", waits())
}
