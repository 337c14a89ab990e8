package mutants

import (
	"testing"

	"github.com/godwitdb/godwit/internal/mutant"
)

const (
	chainGo   = "internal/wal/chain.go"
	filesGo   = "internal/wal/files.go"
	flusherGo = "internal/wal/flusher.go"
	recoverGo = "internal/wal/recover.go"
	roomGo    = "internal/wal/room.go"
	streamGo  = "internal/wal/stream.go"
	writerGo  = "internal/wal/writer.go"
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
		{Name: "a truncation that failed is not gone on with", File: filesGo, Tests: "^TestTruncationGoesOnAfterAnError$", Edits: []string{
			"if err != nil && !errors.Is(err, fs.ErrNotExist) {\n		return err", "if err != nil && !errors.Is(err, fs.ErrClosed) {\n		return err",
		}},
	}
}

const crash = "^TestCrashAtEveryWrite$"

// ends are mistakes about what ends where: epochs, segments, the log.
func ends() []mutant.Mutant {
	return []mutant.Mutant{
		{Name: "an opening goes on in the epoch before", File: flusherGo, Tests: crash, Edits: []string{
			"found.tail.base.Epoch + 1,", "max(1, found.tail.base.Epoch),",
		}},
		{Name: "what an epoch has left above its end comes back", File: chainGo, Tests: crash, Edits: []string{
			"b.Epoch != epoch.Epoch {", "b.Epoch > epoch.Epoch {",
		}},
		{Name: "a barrier has the watermark of the epoch before", File: flusherGo, Tests: "^TestTapeOpensALog$", Edits: []string{
			"&roundHeader{kind: RoundOpen, last: f.base.Last}", "&roundHeader{kind: RoundOpen, last: f.base.Last, watermark: f.base.Watermark}",
		}},
		{Name: "the end is that of the last epoch, though that has nothing", File: recoverGo, Tests: crash, Edits: []string{
			"		found.Watermark = max(found.Watermark, s.to)\n", "",
		}},
		{Name: "a header comes before what it is proof of", File: writerGo, Tests: "^TestTapeCrashAtEveryWrite$", Edits: []string{
			"		err = w.sync()\n", "",
		}},
	}
}

// Every planted mistake is found.
func TestMutantsAreFound(t *testing.T) {
	mutant.Kill(t, "../../..", "..", append(waits(), ends()...))
}
