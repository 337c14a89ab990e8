package procedure

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/godwitdb/godwit/internal/dberr"
	"github.com/godwitdb/godwit/internal/occ"
	"github.com/godwitdb/godwit/internal/shard"
	"github.com/godwitdb/godwit/quorum"
)

// Func is a procedure: it runs in a transaction, again if that is in conflict with others,
// and may therefore have no effect but on tx. An error undoes it and goes to the client as
// a RejectedError. argument is not to be changed; the answer of an Update has at most
// once.AnswerBytesMax.
type Func func(tx *occ.Tx, argument []byte) (answer []byte, err error)

// ServerOptions are the bounds of a Server. Zero stands for a default.
type ServerOptions struct {
	// RunningMax is how many calls execute or wait for their release at a time.
	// Default: 4,096.
	RunningMax int
}

// Server runs procedures on a replica. It belongs to the replica's Runtime.
type Server struct {
	replica    *shard.Replica
	procedures map[string]Func
	options    ServerOptions
	rt         *quorum.Runtime
	running    int
	executed   uint64
}

// Executed returns how many updates and views this replica has executed, released or not,
// without those that a procedure's error has undone. It is for tasks.
func (s *Server) Executed() uint64 { return s.executed }

// Serve makes an endpoint that does not listen yet serve procedures, by their names.
func Serve(ctx context.Context, e *quorum.Endpoint, r *shard.Replica, procedures map[string]Func, o ServerOptions) *Server {
	o.RunningMax = cmp.Or(o.RunningMax, 4096)
	s := &Server{replica: r, procedures: procedures, options: o, rt: quorum.RuntimeOf(ctx)}
	callMethod().Handle(e, s.call)
	leadMethod().Handle(e, s.lead)
	return s
}

// lead waits until this replica leads in an epoch above one.
func (s *Server) lead(ctx context.Context, _ quorum.NodeID, q *epochMsg) (*epochMsg, error) {
	l, err := s.replica.AwaitLeading(ctx, q.epoch)
	if err != nil {
		return nil, err
	}
	return &epochMsg{l.Epoch}, nil
}

// call runs a procedure. Its error says that the outcome is unknown.
func (s *Server) call(ctx context.Context, _ quorum.NodeID, q *request) (*response, error) {
	f := s.procedures[q.name]
	if f == nil {
		return &response{status: rejected, reason: fmt.Sprintf("there is no procedure %q", q.name)}, nil
	}
	if s.running >= s.options.RunningMax {
		return &response{status: busy}, nil
	}
	s.running++
	defer func() { s.running-- }()
	switch q.manner {
	case update:
		written := false
		r, err := s.execute(ctx, func(ctx context.Context) (x shard.Executed, answer []byte, err error) {
			x, answer, err = s.replica.ExecuteOnce(ctx, q.once, func(tx *occ.Tx) ([]byte, error) { return f(tx, q.argument) })
			written = err == nil && x.Wrote
			return x, answer, err
		})
		if err == nil && !written {
			// No round of the log says that this replica led when it has concluded that.
			if err := s.replica.Read(ctx); err != nil {
				return refusal(err)
			}
		}
		return r, err
	case view:
		if err := s.replica.Read(ctx); err != nil {
			return refusal(err)
		}
		return s.execute(ctx, func(ctx context.Context) (x shard.Executed, answer []byte, err error) {
			x, err = s.replica.View(ctx, reading(f, q.argument, &answer))
			return x, answer, err
		})
	case snapshot:
		return s.snapshot(ctx, q, f)
	}
	return nil, fmt.Errorf("procedure: an unknown manner %d of a call", q.manner)
}

// reading runs a procedure in a transaction that only reads.
func reading(f Func, argument []byte, answer *[]byte) func(*occ.Tx) error {
	return func(tx *occ.Tx) (err error) {
		*answer, err = f(tx, argument)
		return err
	}
}

// executed is the outcome of an execution.
type executed struct {
	shard.Executed
	answer []byte
	err    error
}

// execute runs a procedure beside the loop and waits until its answer, or what it has
// concluded its error from, is released.
func (s *Server) execute(ctx context.Context, run func(context.Context) (shard.Executed, []byte, error)) (*response, error) {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	x, err := quorum.Blocking(ctx, quorum.KindJob, "procedure", func() (x executed, _ error) {
		x.Executed, x.answer, x.err = run(inner)
		return x, nil
	}).Wait(ctx)
	if err != nil {
		return nil, err
	}
	if x.err == nil {
		s.executed++
	}
	if l := x.Lead(); l != nil {
		certain := quorum.NewValue[struct{}](ctx, "procedure release")
		l.Notify(x.TS, func(err error) {
			s.rt.Post(func() {
				if err != nil {
					certain.Fail(err)
					return
				}
				certain.Set(struct{}{})
			})
		})
		if _, err := certain.Wait(ctx); err != nil {
			return refusal(err)
		}
	}
	if x.err != nil {
		return refusal(x.err)
	}
	return &response{answer: x.answer, at: x.TS, epoch: x.Lead().Epoch}, nil
}

// refusal makes an error that says that nothing has happened a response, and returns the
// others.
func refusal(err error) (*response, error) {
	switch {
	case errors.Is(err, shard.ErrNotLeader), errors.Is(err, shard.ErrDropped), errors.Is(err, occ.ErrRolledBack):
		return &response{status: again}, nil
	case errors.Is(err, dberr.ErrOverloaded), errors.Is(err, dberr.ErrDiskFull), errors.Is(err, quorum.ErrOverloaded):
		return &response{status: busy}, nil
	case errors.Is(err, dberr.ErrSuperseded):
		return &response{status: superseded}, nil
	case errors.Is(err, shard.ErrStopped), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, quorum.ErrLost), errors.Is(err, quorum.ErrClosed):
		return nil, err
	}
	return &response{status: rejected, reason: err.Error()}, nil
}

// snapshot runs a procedure that reads on a snapshot of what this replica has.
func (s *Server) snapshot(ctx context.Context, q *request, f Func) (*response, error) {
	opened, err := s.replica.Snapshot(ctx, q.atLeast)
	if err != nil {
		return refusal(err)
	}
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	answer, err := quorum.Blocking(ctx, quorum.KindJob, "procedure snapshot", func() (answer []byte, err error) {
		defer opened.Close()
		tx, err := opened.Begin(inner)
		if err != nil {
			return nil, err
		}
		defer tx.End()
		_, err = shard.Attempt(tx, reading(f, q.argument, &answer))
		return answer, err
	}).Wait(ctx)
	if err != nil {
		return refusal(err)
	}
	return &response{answer: answer, at: opened.Timestamp()}, nil
}
