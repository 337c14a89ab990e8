package command

import (
	"context"

	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/script"
)

// Flags say what a command does, in Redis's words.
type Flags uint32

// The flags.
const (
	Write Flags = 1 << iota
	ReadOnly
	DenyOOM  // it may need more memory
	Admin    // of the server
	PubSub   // of channels
	NoScript // not in scripts
	Blocking // it may wait
	Fast     // O(1), or O(log n)
	NoAuth   // before authentication too
	NoMulti  // not between MULTI and EXEC
	Movable  // its keys are found by Keys.Of only
	Dangerous
	NoData // it neither reads nor writes any
)

// Keys says which arguments of a command are keys: from First to Last (negative: from the end), every Step. Of, if not nil,
// finds those of one call, where their place depends on other arguments.
type Keys struct {
	First, Last, Step int
	Of                func(args [][]byte) ([][]byte, error)
}

// Command is what Redis clients call one.
type Command struct {
	// Name is in lower case; that of a subcommand has its command's before it, as in client|list.
	Name string
	// ID is its place in its table, that of the command for a subcommand. NewTable sets it.
	ID int
	// Group is the ACL category of the data that it works on: string, list, ...
	Group string
	// Arity is how many arguments it has, the name included; negative: at least that many.
	Arity int
	Flags Flags
	Keys  Keys
	// Run carries it out; nil for those that belong to a connection, which the server carries out.
	Run func(*Call) error
	// Subcommands by their names in lower case: the second argument says which is meant.
	Subcommands map[string]*Command
	// Number is the command's place among all of its table, subcommands included. NewTable sets it.
	Number int
}

// Session is what a connection has that commands in a transaction read and change.
type Session struct {
	DB    int
	Proto int    // 2 or 3
	User  string // "" before authentication
	// UsersChanged says that the transaction at hand changes what users may do.
	UsersChanged bool
}

// Message is what PUBLISH sends.
type Message struct {
	Channel, Payload []byte
	Shard            bool // of SPUBLISH
	// Class is that of the event of a key which the message tells, 0 if a client has sent it. ByKey says that its channel
	// is that of the key, not that of the event.
	Class byte
	ByKey bool
	// Stale, if not nil, makes it something else: what clients that track keys are told.
	Stale *Stale
}

// Stale are keys that have changed.
type Stale struct {
	Keys []string
	All  bool  // all that there are
	By   int64 // the number of the connection that has changed them
}

// Wait is what a command waits for that has found nothing: one of the keys to become Ready, and then to be run again.
type Wait struct {
	Keys [][]byte
	// Timeout is in milliseconds; 0 for none.
	Timeout int64
	// Nothing is the reply when the time is over.
	Nothing func(*resp.Writer)
}

// Call is one command in one attempt of a transaction.
type Call struct {
	*Command
	Ctx     context.Context // ends with the client's connection
	Tx      *keyspace.Tx
	Args    [][]byte // with the name first; they are good until the reply is made
	Out     *resp.Writer
	Session *Session
	// Shared is what all calls of a server have in common.
	Shared *Shared
	// Messages are to be published when the transaction is released.
	Messages *[]Message
	// Wait is set by a command that has found nothing and is to be run again. It may be
	// set only if MayWait.
	Wait    *Wait
	MayWait bool
	// Woken is the key that has become ready when a call that waits is run again for it: the others are passed over,
	// and this one too if it is not of the type that the call waits for. nil if no key is meant.
	Woken []byte
	// Permitted tells whether a script may call a command with these arguments. The error is a reply.
	Permitted func(cmd *Command, args [][]byte) error
	// Tracked says that the client is to hear when what the call reads changes.
	Tracked bool
	// Reads is called before a script reads, if not nil, with the keys that it has declared.
	Reads func(keys [][]byte)
	// Watch, if not nil, sees what a script calls, and in which database.
	Watch func(cmd *Command, args [][]byte, db int)
	// Scripted says that a script calls.
	Scripted bool
	// Ended is set by a call that was ended from outside, with its transaction: it is not run again.
	Ended error
}

// Arg returns an argument; that at 0 is the name.
func (c *Call) Arg(i int) []byte { return c.Args[i] }

// Shared is what all calls of a server have in common.
type Shared struct {
	Table   *Table
	Scripts *Scripts
	// Encodings are what OBJECT ENCODING goes by.
	Encodings Encodings
	// Receivers returns how many clients of this node listen to a channel now, or to a shard channel.
	Receivers func(channel []byte, shard bool) int
}

// MayChange tells whether a call of the command may change keys or send messages. A script may, but if it says that it does
// not.
func (c *Command) MayChange(shared *Shared, args [][]byte) bool {
	switch c.Name {
	case "eval", "evalsha":
		call := Call{Command: c, Args: args, Shared: shared}
		p, err := call.program()
		return err != nil || !p.HasShebang || p.Flags&script.NoWrites == 0
	case "publish", "spublish":
		return true
	}
	return c.Flags&Write != 0
}

// Of returns the keys of a call of the command.
func (c *Command) Of(args [][]byte) ([][]byte, error) {
	k := c.Keys
	if k.Of != nil {
		return k.Of(args)
	}
	if k.First == 0 {
		return nil, nil
	}
	last := k.Last
	if last < 0 {
		last += len(args)
	}
	var keys [][]byte
	for i := k.First; i <= last && i < len(args); i += k.Step {
		keys = append(keys, args[i])
	}
	return keys, nil
}
