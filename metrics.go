package godwit

import "time"

// Metrics gets measurements as they are made. Its methods are called from hot
// paths and from several goroutines at once: they must be quick and must not
// call the database. Counts are in Stats. On a replica, LogSynced and Checkpointed are of its own disk.
type Metrics interface {
	// Released: an Update, or an UpdateAsync, took this long from its call to its
	// release.
	Released(latency time.Duration)
	// LogSynced: a sync of the log took this long and made this many bytes
	// durable.
	LogSynced(latency time.Duration, bytes int64)
	// Checkpointed: a checkpoint took this long and has this many bytes.
	Checkpointed(duration time.Duration, bytes int64)
}

// now returns the time if anybody wants to know how long something takes.
func (db *DB) now() time.Time {
	if db.opts.Metrics == nil {
		return time.Time{}
	}
	return time.Now()
}

func (db *DB) measureReleased(start time.Time) {
	if db.opts.Metrics != nil {
		db.opts.Metrics.Released(time.Since(start))
	}
}
