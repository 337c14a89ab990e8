package raft_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwitdb/godwit/internal/env"
	"github.com/godwitdb/godwit/quorum"
	"github.com/godwitdb/godwit/quorum/raft"
)

// sum is a state machine: the sum of all commands.
type sum struct{ total, applied uint64 }

func (s *sum) Apply(_ uint64, command []byte) []byte {
	s.total += binary.LittleEndian.Uint64(command)
	s.applied++
	return binary.LittleEndian.AppendUint64(nil, s.total)
}

func (s *sum) Snapshot() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, s.total), s.applied)
}

func (s *sum) Restore(data []byte) error {
	if len(data) != 16 {
		return errors.New("not a sum")
	}
	s.total, s.applied = binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
	return nil
}

// server is a member on real sockets and a real disk.
type server struct {
	rt      *quorum.Runtime
	node    *raft.Node
	machine *sum
	stop    func()
}

func start(t *testing.T, id quorum.NodeID, dir string, addrs map[quorum.NodeID]string) *server {
	t.Helper()
	listener, err := net.Listen("tcp", addrs[id])
	if err != nil {
		t.Fatal(err)
	}
	rt, stopLoop := quorum.Start(id)
	network := env.NewTCP(rt.Host(), addrs, listener)
	s := &server{rt: rt, machine: &sum{}}
	var endpoint *quorum.Endpoint
	err = rt.Run(t.Context(), "start", func(ctx context.Context) error {
		endpoint = quorum.NewEndpoint(rt, network, quorum.Options{}, nil)
		var err error
		o := raft.Options{Dir: dir, Voters: []quorum.NodeID{1, 2, 3}, ElectionTimeout: time.Second, SnapshotEntries: 64}
		if s.node, err = raft.Start(ctx, endpoint, env.OS(), s.machine, o); err != nil {
			return err
		}
		endpoint.Listen()
		rt.Go("member", s.node.Run)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.stop = func() {
		rt.Post(endpoint.Close)
		stopLoop()
		network.Wait()
	}
	return s
}

// Three members on sockets and files: commands, a leader that goes, a member
// that comes back with what it had.
func TestRealWorld(t *testing.T) {
	addrs := map[quorum.NodeID]string{}
	for id := quorum.NodeID(1); id <= 3; id++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addrs[id] = l.Addr().String()
		l.Close()
	}
	dir := t.TempDir()
	servers := map[quorum.NodeID]*server{}
	boot := func(id quorum.NodeID) {
		servers[id] = start(t, id, filepath.Join(dir, fmt.Sprint(id)), addrs)
	}
	for id := range addrs {
		boot(id)
	}
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var want uint64
	// propose adds a number wherever the leader is, and returns who that was.
	propose := func(x uint64) quorum.NodeID {
		t.Helper()
		command, unknown := binary.LittleEndian.AppendUint64(nil, x), uint64(0)
		for ctx.Err() == nil {
			for id, s := range servers {
				var got []byte
				err := s.rt.Run(ctx, "propose", func(ctx context.Context) error {
					ctx, cancel := quorum.WithTimeout(ctx, 5*time.Second)
					defer cancel()
					var err error
					got, err = s.node.Propose(ctx, command)
					if errors.Is(err, raft.ErrNotLeader) {
						return errors.Join(err, quorum.Sleep(ctx, time.Millisecond))
					}
					return err
				})
				if errors.Is(err, raft.ErrNotLeader) {
					continue
				}
				if errors.Is(err, raft.ErrUnknown) {
					// A busy machine may have cost the leader its place. The next
					// command tells whether this one counted.
					command, unknown = binary.LittleEndian.AppendUint64(nil, 0), x
					continue
				}
				if err == nil && unknown > 0 && binary.LittleEndian.Uint64(got) == want+unknown {
					x = unknown
				} else if unknown > 0 {
					x = 0
				}
				want += x
				if err != nil || binary.LittleEndian.Uint64(got) != want {
					t.Fatalf("n%d: %v, %v, want %d", id, got, err, want)
				}
				return id
			}
		}
		t.Fatal("no leader")
		return 0
	}
	var leader quorum.NodeID
	for x := range uint64(200) {
		leader = propose(x)
	}
	servers[leader].stop()
	gone := leader
	delete(servers, gone)
	for x := range uint64(100) {
		leader = propose(x)
	}
	if leader == gone {
		t.Fatal("a leader that has stopped leads")
	}
	boot(gone)
	// It catches up, by a snapshot.
	back := servers[gone]
	for propose(1); ctx.Err() == nil; {
		var total uint64
		err := back.rt.Run(ctx, "look", func(ctx context.Context) error {
			total = back.machine.total
			return quorum.Sleep(ctx, time.Millisecond)
		})
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		if total == want {
			break
		}
	}
	if ctx.Err() != nil {
		t.Fatal("the member that came back does not catch up")
	}
}
