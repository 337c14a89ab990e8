package server

import (
	"bufio"

	"github.com/godwitdb/godwit/internal/command"
)

// backupChunkBytes is how much of a backup is in one string.
const backupChunkBytes = 256 << 10

// backup answers GODWIT BACKUP: all data as of now, as strings one after the other, then OK, or an error. It is for
// `godwit backup`: other clients expect one reply.
func (c *conn) backup(args [][]byte) error {
	if len(args) != 0 {
		return command.Error("ERR GODWIT BACKUP has no arguments")
	}
	defer c.net.watch(c.close)()
	w := bufio.NewWriterSize(backupWriter{c}, backupChunkBytes)
	if err := c.server.db.Backup(c.ctx, w); err != nil {
		return command.Errorf("ERR the backup is not whole: %v", err)
	}
	if err := w.Flush(); err != nil {
		return command.Errorf("ERR the backup is not whole: %v", err)
	}
	c.out.OK()
	return nil
}

// backupWriter sends what is written to it as strings. It waits for a client that is slower.
type backupWriter struct{ c *conn }

func (w backupWriter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), backupChunkBytes)
		w.c.out.Bulk(rest[:n])
		w.c.flush()
		rest = rest[n:]
	}
	return len(b), w.c.ctx.Err()
}
