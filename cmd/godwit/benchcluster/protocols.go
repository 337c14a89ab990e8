package benchcluster

import (
	"fmt"

	"github.com/godwitdb/godwit/baseline/singlestream"
	"github.com/godwitdb/godwit/baseline/syncrepl"
	"github.com/godwitdb/godwit/bench"
	"github.com/godwitdb/godwit/internal/shard"
)

// Protocol is how a group replicates what its leader executes.
type Protocol string

// The protocols. The zero Protocol is Godwit.
const (
	Godwit       Protocol = "godwit"
	SyncRepl     Protocol = "syncrepl"
	SingleStream Protocol = "singlestream"
)

// Validate tells whether there is such a protocol.
func (p Protocol) Validate() error {
	switch p {
	case "", Godwit, SyncRepl, SingleStream:
		return nil
	}
	return fmt.Errorf("%q is none of %s, %s and %s", string(p), Godwit, SyncRepl, SingleStream)
}

// options returns those of the protocol's replicas.
func (p Protocol) options(o shard.Options) shard.Options {
	if p == SingleStream {
		return singlestream.Options(o)
	}
	return o
}

// engine returns what the workload runs on. The data are loaded without it: that is not
// what is measured.
func (p Protocol) engine(e bench.Engine) bench.Engine {
	if p == SyncRepl {
		return syncrepl.New(e)
	}
	return e
}
