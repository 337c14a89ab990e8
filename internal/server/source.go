package server

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/console"
)

// hotKeysShown is how many hot keys the console shows.
const hotKeysShown = 12

// Pulse implements console.Source.
func (s *Server) Pulse() (executed, released, inFlight uint64) { return s.counters.replies() }

// Connect implements console.Source.
func (s *Server) Connect(user string) net.Conn {
	near, far := net.Pipe()
	s.accept(far, user)
	return near
}

// Figures implements console.Source.
func (s *Server) Figures(ctx context.Context) console.Figures {
	stats := s.db.Stats()
	f := console.Figures{
		Role: string(RoleAlone), Started: s.started, Watermark: moment(stats.Released), Address: s.opts.Advertise,
		Transactions: stats.Committed, Conflicts: stats.Conflicts, Favoured: stats.Favoured,
		ExecutedIn: s.counters.executedIn.Counts(), ReleasedIn: s.counters.releasedIn.Counts(),
		PendingBytes: stats.Log.PendingBytes, SyncP50: stats.Log.SyncP50, SyncP99: stats.Log.SyncP99, Syncs: stats.Log.Syncs,
		Keys: stats.Records, MemoryUsed: stats.MemoryUsedBytes, MemoryLive: stats.MemoryLiveBytes, MemoryLimit: stats.MemoryLimitBytes,
		LogBytes: stats.Log.DiskBytes, CheckpointBytes: stats.Checkpoint.Bytes, Trouble: []string{}, HotKeys: []console.HotKey{}, Members: []console.Member{}, Errors: []console.Count{},
	}
	f.Executed, f.Released, f.InFlight = s.counters.replies()
	for _, k := range s.counters.hot.Top(time.Now(), hotKeysShown) {
		f.HotKeys = append(f.HotKeys, console.HotKey{DB: k.DB, Key: k.Key, PerSecond: k.PerSecond})
	}
	f.Clients = s.clients()
	s.stats.errors.Lock()
	for code, n := range s.stats.errors.byCode {
		f.Errors = append(f.Errors, console.Count{Name: code, Count: n})
	}
	s.stats.errors.Unlock()
	slices.SortFunc(f.Errors, func(a, b console.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	if stats.Log.Failed != nil {
		f.Trouble = append(f.Trouble, "The log has failed, and no more writes are taken: "+stats.Log.Failed.Error())
	}
	if status, err := s.db.Status(ctx); err == nil {
		s.groupFigures(ctx, status, &f)
	}
	return f
}

// groupFigures adds what a replica knows of its group.
func (s *Server) groupFigures(ctx context.Context, status godwit.ClusterStatus, f *console.Figures) {
	f.Node, f.Epoch, f.Leader, f.Role = uint32(status.Node), status.Epoch, uint32(status.Leader), string(role(status))
	f.Watermark = moment(status.Released)
	addrs, err := s.nodeAddrs(ctx)
	if err != nil && !errors.Is(err, godwit.ErrNoTable) {
		s.log.Debug("the addresses of the nodes cannot be read", "error", err)
	}
	for _, id := range status.Members {
		f.Members = append(f.Members, console.Member{Node: uint32(id), Address: addrs[id]})
	}
	for _, id := range status.Learners {
		f.Members = append(f.Members, console.Member{Node: uint32(id), Address: addrs[id], Learner: true})
	}
	for _, trouble := range []struct {
		on   bool
		text string
	}{
		{status.Leader == 0, "No leader is known: nothing is executed until there is one."},
		{status.Recovering, "This node has restarted, and votes when it has caught up."},
		{status.OtherFolder, "The group knows this node with another data folder: remove it, and add it again."},
		{status.DiskFull, "The disk is full: this node acknowledges nothing new until there is room."},
	} {
		if trouble.on {
			f.Trouble = append(f.Trouble, trouble.text)
		}
	}
	for _, err := range []error{status.Damaged, status.Refused} {
		if err != nil {
			f.Trouble = append(f.Trouble, err.Error())
		}
	}
}
