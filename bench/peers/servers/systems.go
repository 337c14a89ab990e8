package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// system is servers that run, and are used at one address.
type system struct {
	address   string
	processes []*process
	// confirm is sent behind each SET, for its write to be on another node; the system's reply to it is how many have it.
	confirm bool
}

func (s *system) stop() {
	for _, p := range s.processes {
		p.stop()
	}
}

// starter starts a system with its data in dir, which is empty.
type starter func(ctx context.Context, dir string) (*system, error)

// godwits starts a group of Godwit servers, or one alone.
func (s *settings) godwits(nodes int, durability string) starter {
	return func(ctx context.Context, dir string) (*system, error) {
		clients, err := freeAddresses(ctx, nodes)
		if err != nil {
			return nil, err
		}
		peers, err := freeAddresses(ctx, nodes)
		if err != nil {
			return nil, err
		}
		var list []string
		for i, a := range peers {
			list = append(list, fmt.Sprintf("%d=%s", i+1, a))
		}
		y := &system{address: clients[0]}
		for i := range clients {
			args := []string{"serve", "--dir", "data", "--listen", clients[i], "--durability", durability}
			if nodes > 1 {
				args = append(args, "--node", fmt.Sprint(i+1), "--peers", strings.Join(list, ","), "--preferred", "1",
					"--cluster", "00112233445566778899aabbccddeeff", "--cluster-secret", "benchmark")
			}
			p, err := start(filepath.Join(dir, fmt.Sprint(i+1)), s.godwit, args...)
			if err != nil {
				y.stop()
				return nil, err
			}
			y.processes = append(y.processes, p)
		}
		if err := y.processes[0].await(ctx, func(ctx context.Context) bool { return leads(ctx, clients[0]) }); err != nil {
			y.stop()
			return nil, err
		}
		return y, nil
	}
}

// redises starts a Redis with these options, and with replicas that have them too.
func redises(replicas int, options ...string) starter {
	return func(ctx context.Context, dir string) (*system, error) {
		addresses, err := freeAddresses(ctx, 1+replicas)
		if err != nil {
			return nil, err
		}
		y := &system{address: addresses[0], confirm: replicas > 0}
		for i, a := range addresses {
			args := append([]string{"--bind", "127.0.0.1", "--port", portOf(a), "--save", ""}, options...)
			ready := answers
			if i > 0 {
				args = append(args, "--replicaof", "127.0.0.1 "+portOf(addresses[0]))
				ready = follows
			}
			p, err := start(filepath.Join(dir, fmt.Sprint(i+1)), "redis-server", args...)
			if err != nil {
				y.stop()
				return nil, err
			}
			y.processes = append(y.processes, p)
			if err := p.await(ctx, func(ctx context.Context) bool { return ready(ctx, a) }); err != nil {
				y.stop()
				return nil, err
			}
		}
		return y, nil
	}
}

// etcds starts a cluster of three members of etcd. Each write is synced by a majority before its reply.
func etcds(ctx context.Context, dir string) (*system, error) {
	const members = 3
	clients, err := freeAddresses(ctx, members)
	if err != nil {
		return nil, err
	}
	peers, err := freeAddresses(ctx, members)
	if err != nil {
		return nil, err
	}
	var list []string
	for i, a := range peers {
		list = append(list, fmt.Sprintf("m%d=http://%s", i+1, a))
	}
	y := &system{}
	for i := range clients {
		p, err := start(filepath.Join(dir, fmt.Sprint(i+1)), "etcd", "--name", fmt.Sprintf("m%d", i+1), "--data-dir", "data",
			"--listen-client-urls", "http://"+clients[i], "--advertise-client-urls", "http://"+clients[i],
			"--listen-peer-urls", "http://"+peers[i], "--initial-advertise-peer-urls", "http://"+peers[i],
			"--initial-cluster", strings.Join(list, ","), "--initial-cluster-state", "new", "--log-level", "warn")
		if err != nil {
			y.stop()
			return nil, err
		}
		y.processes = append(y.processes, p)
	}
	err = y.processes[0].await(ctx, func(ctx context.Context) bool {
		y.address = etcdLeader(ctx, clients)
		return y.address != ""
	})
	if err != nil {
		y.stop()
		return nil, err
	}
	return y, nil
}
