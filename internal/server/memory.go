package server

import (
	"runtime/debug"
	"strconv"

	"github.com/godwitdb/godwit/internal/command"
)

func memoryCommands() []connectionCommand {
	usage := entry("memory|usage", "server", -3, command.ReadOnly, nil)
	usage.Keys, usage.Run = command.Keys{First: 2, Last: 2, Step: 1}, command.MemoryUsage
	return []connectionCommand{
		entry("memory|help", "server", 2, 0, help(
			"DOCTOR", "    Tells what is wrong with the memory.",
			"PURGE", "    Gives memory that is free back to the system.",
			"STATS", "    Returns what takes how much.",
			"USAGE <key> [SAMPLES <count>]", "    Returns how much a key takes with its value, about, after a look at some elements (5; 0 means all).",
		)),
		entry("memory|doctor", "server", 2, 0, (*conn).memoryDoctor),
		entry("memory|purge", "server", 2, 0, (*conn).memoryPurge),
		entry("memory|stats", "server", 2, 0, (*conn).memoryStats),
		usage,
	}
}

// memoryPurge has the garbage of the process collected and its memory given back. That of the data is in use.
func (c *conn) memoryPurge(*command.Command, [][]byte) error {
	debug.FreeOSMemory()
	c.out.OK()
	return nil
}

// memoryScarce is the part of the limit from which MEMORY DOCTOR complains, in percent.
const memoryScarce = 90

func (c *conn) memoryDoctor(*command.Command, [][]byte) error {
	d := c.server.db.Stats()
	if d.MemoryUsedBytes*100 > d.MemoryLimitBytes*memoryScarce {
		c.out.Verbatim("txt", "The data takes "+strconv.FormatInt(d.MemoryUsedBytes*100/d.MemoryLimitBytes, 10)+"% of the memory that it may have. At 100% writes are refused.\n")
		return nil
	}
	c.out.Verbatim("txt", "The memory is as it should be.\n")
	return nil
}

func (c *conn) memoryStats(*command.Command, [][]byte) error {
	d := c.server.db.Stats()
	figures := []struct {
		name string
		n    int64
	}{
		{"total.allocated", d.MemoryUsedBytes},
		{"dataset.bytes", d.MemoryLiveBytes},
		{"retired.bytes", d.MemoryRetiredBytes},
		{"limit.bytes", d.MemoryLimitBytes},
		{"records.count", d.Records},
		{"deleted.records.count", d.DeletedRecords},
		{"old.versions.count", d.OldVersions},
	}
	c.out.Map(len(figures))
	for _, f := range figures {
		c.out.BulkString(f.name)
		c.out.Int(f.n)
	}
	return nil
}
