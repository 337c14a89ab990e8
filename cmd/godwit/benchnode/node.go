package benchnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/internal/shard"
)

// answerMax is how long an order may take.
const answerMax = 30 * time.Second

// node is the process.
type node struct {
	setup    *Setup
	disk     Disk
	listener net.Listener
	logs     io.Writer
	running  sync.WaitGroup // orders, and the replica
	// mu is shared by who uses the replica, and taken alone to change it.
	mu struct {
		sync.RWMutex
		replica *replica // nil while there is none
	}
	out struct {
		sync.Mutex
		reports *json.Encoder
	}
}

// Serve is the process: it does what it is told on in until that ends, or the replica does
// by itself, and reports on out. What happens in the group goes to logs.
func Serve(ctx context.Context, in io.Reader, out, logs io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := &node{logs: logs, disk: Disk{FS: env.OS()}}
	n.out.reports = json.NewEncoder(out)
	ended := make(chan error, 2)
	go func() { ended <- n.obeyAll(ctx, json.NewDecoder(in), ended) }() // which ends with the process
	err := <-ended
	cancel()
	n.running.Wait()
	return err
}

func (n *node) obeyAll(ctx context.Context, orders *json.Decoder, ended chan<- error) error {
	for {
		var o Order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		do := func() {
			inner, cancel := context.WithTimeout(ctx, answerMax)
			defer cancel()
			r, err := n.obey(inner, &o)
			r.Number = o.Number
			if err != nil {
				r.Err = err.Error()
			}
			n.report(r)
		}
		switch {
		case o.Start != nil:
			n.setup = o.Start
			opened, err := n.open(ctx)
			if err != nil {
				return err // which the parent finds on standard error
			}
			n.running.Go(func() { n.run(ctx, opened, ended) })
			do()
		case o.Listen != "", o.Disk != nil:
			do()
		default:
			n.running.Go(do) // it may take long
		}
	}
}

func (n *node) obey(ctx context.Context, o *Order) (r Report, err error) {
	switch {
	case o.Listen != "":
		r.Addr, err = n.listen(ctx, o.Listen)
		return r, err
	case o.Disk != nil:
		n.disk.Set(*o.Disk)
		return r, nil
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	replica := n.mu.replica
	switch {
	case replica == nil:
		return r, errors.New("there is no replica now")
	case o.Status:
		r.Status, err = replica.status(ctx)
	case o.Change != nil:
		err = replica.change(ctx, o.Change)
	case o.Check != nil:
		sum, at, err := replica.check(ctx, *o.Check)
		r.Sum, r.At = &sum, at
		return r, err
	}
	return r, err
}

func (n *node) listen(ctx context.Context, at string) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", at)
	if err != nil {
		return "", err
	}
	n.listener = l
	return l.Addr().String(), nil
}

func (n *node) open(ctx context.Context) (*replica, error) {
	r, err := openReplica(ctx, n.setup, &n.disk, n.listener, n.logf)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.mu.replica = r
	n.mu.Unlock()
	return r, nil
}

// run closes the replica when it has ended, and opens it again if it has got a checkpoint.
func (n *node) run(ctx context.Context, r *replica, ended chan<- error) {
	for {
		var why error
		select {
		case why = <-r.ended:
		case <-ctx.Done():
		}
		n.mu.Lock()
		n.mu.replica = nil
		n.mu.Unlock()
		at := r.Addr()
		err := r.Close()
		if ctx.Err() != nil {
			if err != nil {
				n.logf("close: %v", err)
			}
			return
		}
		n.logf("the replica has ended: %v", why)
		if err == nil && errors.Is(why, shard.ErrRestart) {
			if _, err = n.listen(ctx, at); err == nil {
				if r, err = n.open(ctx); err == nil {
					continue
				}
			}
		}
		err = errors.Join(why, err)
		n.report(Report{Ended: err.Error()})
		ended <- err
		return
	}
}

// report tells the parent something. If the parent is gone, the orders end.
func (n *node) report(r Report) {
	n.out.Lock()
	defer n.out.Unlock()
	_ = n.out.reports.Encode(r) // see above
}

func (n *node) logf(format string, args ...any) {
	fmt.Fprintf(n.logs, "%s node %d: %s\n", time.Now().Format("15:04:05.000000"), n.setup.ID, fmt.Sprintf(format, args...))
}
