package clients

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	addrFlag  = flag.String("addr", os.Getenv("GODWIT_E2E_ADDR"), "the server's `host:port`, or those of its nodes, with commas between; if empty, three nodes of Godwit are started")
	faultFlag = flag.String("fault", os.Getenv("GODWIT_E2E_FAULT"), "the shell `command` that kills the leader behind -addr")
	forFlag   = flag.Duration("for", 16*time.Second, "how long the load of TestFailover lasts")
	everyFlag = flag.Duration("every", 4*time.Second, "how long after a kill of TestFailover the next one comes")
	limitFlag = flag.Duration("limit", 0, "the longest that a kill of TestFailover may make clients wait, for 99 of 100; 0 for no limit")
)

// probeTimeout is after how long without an answer a probe connects again.
const probeTimeout = time.Second

// patience bounds every wait for something that has to come.
const patience = time.Minute

// own are the nodes that this test run has started, nil with -addr.
var own *cluster

// TestMain starts the nodes that all tests use.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	redis.SetLogger(silent{})
	if *addrFlag != "" {
		return m.Run()
	}
	var err error
	own, err = startCluster()
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	defer own.stop()
	return m.Run()
}

// silent drops what go-redis says of connections, which break all the time here.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// server is what a test talks to.
type server struct {
	// addr is the first address, for clients that take one only.
	addr string
	// nodes are all addresses; current counts up when one cannot be reached.
	nodes   []string
	current atomic.Uint32
}

// program returns the path of a program of the machine.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// start returns the server with nothing in it.
func start(t *testing.T) *server {
	t.Helper()
	s := &server{}
	if own != nil {
		for _, n := range own.nodes {
			s.nodes = append(s.nodes, n.addr)
		}
	} else {
		s.nodes = strings.Split(*addrFlag, ",")
	}
	s.addr = s.nodes[0]
	c := s.client(t, 3)
	until(t, func() bool { return c.FlushAll(t.Context()).Err() == nil })
	return s
}

// canFail tells whether the test has a way to kill the server's leader.
func (s *server) canFail() bool { return own != nil || *faultFlag != "" }

// fault kills the leader, which starts again.
func (s *server) fault(t *testing.T) {
	t.Helper()
	if own != nil {
		if err := own.killLeader(t.Context()); err != nil {
			t.Errorf("killing the leader: %v\n%s", err, own.said())
		}
		return
	}
	if out, err := exec.Command("sh", "-c", *faultFlag).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", *faultFlag, err, out)
	}
}

// dial connects to a node: the one that could be reached last, or the next.
func (s *server) dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: probeTimeout}
	var conn net.Conn
	err := errors.New("no address")
	for range s.nodes {
		at := s.current.Load()
		conn, err = dialer.DialContext(ctx, "tcp", s.nodes[int(at)%len(s.nodes)])
		if err == nil {
			return conn, nil
		}
		s.current.CompareAndSwap(at, at+1)
	}
	return nil, err
}

// client returns a go-redis client that does not repeat commands by itself.
func (s *server) client(t *testing.T, protocol int) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr, Protocol: protocol, MaxRetries: -1,
		Dialer:      func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx) },
		DialTimeout: time.Second, ReadTimeout: 5 * time.Second, PoolSize: 50, MinRetryBackoff: -1, MaxRetryBackoff: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// until waits until what is asked holds, or fails the test.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !holds() {
		if !pause(ctx, 5*time.Millisecond) {
			t.Fatal("it did not come in time")
		}
	}
}

// pause tells whether ctx went on for that long: loads that the server refuses
// do not ask it again at once.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
