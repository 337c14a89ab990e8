package server

import (
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/acl"
	"github.com/godwitdb/godwit/internal/resp"
)

const (
	// accessLogMax is how many entries ACL LOG has, the latest.
	accessLogMax = 128
	// accessLogMerge is for how long what is the same counts as one entry.
	accessLogMerge = 60 * time.Second
	// accessLogObjectMax is how many bytes of a name an entry has.
	accessLogObjectMax = 1024
)

// accessLog has what was denied by this node, the latest first.
type accessLog struct {
	mu      sync.Mutex
	entries []accessEntry
}

type accessEntry struct {
	count                         int64
	verdict                       acl.Reason
	context, object, user, client string
	at                            time.Time
}

// add notes that something was denied.
func (l *accessLog) add(c *conn, v acl.Verdict, context, user string) {
	e := accessEntry{
		count: 1, verdict: v.Reason, context: context, object: cut(v.Object), user: cut(user),
		client: c.describe(), at: time.Now(),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries {
		old := &l.entries[i]
		if old.verdict == e.verdict && old.context == e.context && old.object == e.object && old.user == e.user && e.at.Sub(old.at) <= accessLogMerge {
			e.count = old.count + 1
			l.entries = append(l.entries[:i], l.entries[i+1:]...)
			break
		}
	}
	l.entries = append([]accessEntry{e}, l.entries[:min(len(l.entries), accessLogMax-1)]...)
}

func cut(s string) string { return s[:min(len(s), accessLogObjectMax)] }

func (l *accessLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// write replies with the latest entries.
func (l *accessLog) write(w *resp.Writer, most int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int(min(int64(len(l.entries)), most))
	w.Array(n)
	for _, e := range l.entries[:n] {
		w.Map(7)
		w.BulkString("count")
		w.Int(e.count)
		for _, field := range [][2]string{
			{"reason", e.verdict.String()}, {"context", e.context}, {"object", e.object}, {"username", e.user},
		} {
			w.BulkString(field[0])
			w.BulkString(field[1])
		}
		w.BulkString("age-seconds")
		w.Double(time.Since(e.at).Seconds())
		w.BulkString("client-info")
		w.BulkString(e.client)
	}
}
