package benchcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/cmd/godwit/benchshard"
)

// sampleEvery is how often a member says how it is.
const sampleEvery = 10 * time.Millisecond

// member is a member's process.
type member struct {
	*reporter
	setup    *Setup
	listener net.Listener
	host     host
	live     bench.Live
	work     work
	logs     io.Writer
	profile  profile
	running  sync.WaitGroup
	telling  sync.Mutex // so that samples are in order
}

// Serve is a member's process: it does what it is told on in until that ends, and says
// on out how it is. What happens in the group goes to logs.
func Serve(ctx context.Context, in io.Reader, out, logs io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	m := &member{reporter: newReporter(out), logs: logs}
	m.work.changed = make(chan struct{}, 1)
	err := m.obeyAll(ctx, json.NewDecoder(in))
	cancel()
	m.running.Wait()
	err = errors.Join(err, m.profile.stop())
	if m.host != nil {
		err = errors.Join(err, m.host.Close())
	}
	return err
}

func (m *member) obeyAll(ctx context.Context, orders *json.Decoder) error {
	for {
		var o Order
		switch err := orders.Decode(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case o.Quit:
			return nil
		}
		if err := m.obey(ctx, &o); err != nil {
			m.report(Report{Err: err.Error()})
		}
	}
}

func (m *member) obey(ctx context.Context, o *Order) (err error) {
	switch {
	case o.Listen != "":
		var config net.ListenConfig
		if m.listener, err = config.Listen(ctx, "tcp", o.Listen); err == nil {
			m.report(Report{Addr: m.listener.Addr().String()})
		}
		return err
	case o.Start != nil:
		return m.start(ctx, o.Start)
	case m.host == nil:
		return errors.New("benchcluster: an order for a member that has not started")
	case o.Load:
		m.work.want(o)
	case o.Run != nil:
		m.work.want(o)
		return m.profile.start()
	case o.Disk != nil:
		m.host.slow(o.Disk.SyncDelay)
	case o.Stop:
		m.work.stop()
		m.report(Report{Stopped: true})
		return m.profile.stop()
	case o.Check != nil:
		found, err := m.check(ctx, o.Check)
		if err != nil {
			return err
		}
		m.report(Report{Checked: found})
	}
	return nil
}

func (m *member) start(ctx context.Context, s *Setup) error {
	m.setup = s
	if s.Alone {
		e, err := benchshard.NewAlone(s.MemoryMiB<<20, s.Threads)
		if err != nil {
			return err
		}
		m.host = loner{e}
	} else {
		r, err := startReplica(ctx, s, m.listener, m.logf, func(err error) { m.report(Report{Err: err.Error()}) })
		if err != nil {
			return err
		}
		m.host = r
	}
	m.profile.name = s.Profile
	m.report(Report{Started: true})
	m.running.Go(func() { m.sample(ctx) })
	m.running.Go(func() { m.lead(ctx) })
	return nil
}

// sample says how the member is, again and again.
func (m *member) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for m.tell(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tell says how the member is now. It returns false if it has ended.
func (m *member) tell(ctx context.Context) bool {
	m.telling.Lock()
	defer m.telling.Unlock()
	s := Sample{Executed: m.live.Executed(), Released: m.live.Released()}
	if err := m.host.look(ctx, &s); err != nil {
		return false
	}
	s.At, s.CPU = time.Now().UnixNano(), int64(bench.ProcessorTime())
	m.report(Report{Sample: &s})
	return true
}

func (m *member) logf(format string, args ...any) {
	fmt.Fprintf(m.logs, "%s member %d: %s\n", time.Now().Format("15:04:05.000000"), m.setup.ID, fmt.Sprintf(format, args...))
}
