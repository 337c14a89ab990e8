package godwit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/godwitdb/godwit"
)

// Three replicas, which would be in three processes on three machines. Nothing but
// Options.Cluster tells a replicated database from an embedded one.
func ExampleCluster() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "godwit-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	id, peers, listeners := godwit.NewClusterID(), map[godwit.NodeID]string{}, map[godwit.NodeID]net.Listener{}
	for node := range godwit.NodeID(3) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		peers[node+1], listeners[node+1] = l.Addr().String(), l
	}
	nodes := map[godwit.NodeID]*godwit.DB{}
	for node := range peers {
		nodes[node], err = godwit.Open(fmt.Sprintf("%s/%d", dir, node), &godwit.Options{
			MemoryLimit: 64 << 20,
			Cluster:     &godwit.Cluster{ID: id, Node: node, Peers: peers, Listener: listeners[node]},
		})
		if err != nil {
			log.Fatal(err)
		}
		defer nodes[node].Close()
	}

	// onLeader runs f on the node that leads. Others say which one does.
	leader := godwit.NodeID(1)
	onLeader := func(f func(*godwit.DB) error) {
		for {
			err := f(nodes[leader])
			var other *godwit.NotLeaderError
			switch {
			case err == nil:
				return
			case !errors.As(err, &other):
				log.Fatal(err)
			case other.Leader != 0:
				leader = other.Leader
			}
		}
	}
	onLeader(func(db *godwit.DB) error {
		_, err := db.CreateTable(ctx, "greetings", godwit.Ordered)
		if errors.Is(err, godwit.ErrExists) {
			return nil
		}
		return err
	})
	var at godwit.Timestamp
	onLeader(func(db *godwit.DB) error {
		greetings, err := db.Table("greetings")
		if err != nil {
			return err
		}
		p, err := db.UpdateAsync(ctx, func(tx *godwit.Tx) error { return tx.Put(greetings, []byte("hello"), []byte("world")) })
		if err != nil {
			return err
		}
		at = p.Timestamp()
		return p.Wait(ctx) // until a majority has it on disk
	})

	// Any replica reads, and waits until it has what the client has written.
	for node := godwit.NodeID(1); node <= 3; node++ {
		s, err := nodes[node].SnapshotAtLeast(ctx, at)
		if err != nil {
			log.Fatal(err)
		}
		greetings, err := nodes[node].Table("greetings")
		if err != nil {
			log.Fatal(err)
		}
		err = s.View(ctx, func(tx *godwit.Tx) error {
			value, err := tx.Get(greetings, []byte("hello"))
			fmt.Printf("hello, %s\n", value)
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
		s.Close()
	}
	// Output:
	// hello, world
	// hello, world
	// hello, world
}
