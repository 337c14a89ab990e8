package command

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/godwitdb/godwit/internal/resp"
	"github.com/godwitdb/godwit/internal/script"
)

// scriptCommands run scripts. What scripts a server knows is not part of the data: it may forget them at any time,
// and the transaction that loads one does not have to succeed.
func scriptCommands() []*Command {
	keys := Keys{Of: scriptKeys}
	sub := func(name string, arity int, run func(*Call) error) *Command {
		return &Command{Name: "script|" + name, Group: "scripting", Arity: arity, Flags: NoScript, Run: run}
	}
	return []*Command{
		{Name: "eval", Group: "scripting", Arity: -3, Flags: NoScript | Movable, Keys: keys, Run: eval},
		{Name: "evalsha", Group: "scripting", Arity: -3, Flags: NoScript | Movable, Keys: keys, Run: eval},
		{Name: "eval_ro", Group: "scripting", Arity: -3, Flags: NoScript | Movable | ReadOnly, Keys: keys, Run: eval},
		{Name: "evalsha_ro", Group: "scripting", Arity: -3, Flags: NoScript | Movable | ReadOnly, Keys: keys, Run: eval},
		{Name: "script", Group: "scripting", Arity: -2, Flags: NoScript, Subcommands: map[string]*Command{
			"load":   sub("load", 3, scriptLoad),
			"exists": sub("exists", -3, scriptExists),
			"flush":  sub("flush", -2, scriptFlush),
			"kill":   sub("kill", 2, scriptKill),
			"debug":  sub("debug", 3, scriptDebug),
			"help":   sub("help", 2, scriptHelp),
		}},
	}
}

// scriptKeys finds the keys of a call of a script. There may be none.
func scriptKeys(args [][]byte) ([][]byte, error) {
	n, ok := resp.ParseInt(args[2])
	rest := args[3:]
	switch {
	case !ok:
		return nil, ErrNotInt
	case n > int64(len(rest)):
		return nil, Error("ERR Number of keys can't be greater than number of args")
	case n < 0:
		return nil, Error("ERR Number of keys can't be negative")
	}
	return rest[:n], nil
}

func scriptLoad(c *Call) error {
	p, err := c.Shared.Scripts.compile(c.Arg(2))
	if err != nil {
		return err
	}
	c.Out.BulkString(p.SHA)
	return nil
}

func scriptExists(c *Call) error {
	c.Out.Array(len(c.Args) - 2)
	for _, sha := range c.Args[2:] {
		n := int64(0)
		if c.Shared.Scripts.find(strings.ToLower(string(sha))) != nil {
			n = 1
		}
		c.Out.Int(n)
	}
	return nil
}

func scriptFlush(c *Call) error {
	if len(c.Args) > 3 || len(c.Args) == 3 && !is(c.Arg(2), "ASYNC") && !is(c.Arg(2), "SYNC") {
		return Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
	}
	c.Shared.Scripts.flush()
	c.Out.OK()
	return nil
}

// scriptKill ends scripts also if they have written: what they have done goes with their transactions.
func scriptKill(c *Call) error {
	if c.Shared.Scripts.kill() == 0 {
		return Error("NOTBUSY No scripts in execution right now.")
	}
	c.Out.OK()
	return nil
}

func scriptDebug(c *Call) error {
	switch {
	case is(c.Arg(2), "NO"):
		c.Out.OK()
		return nil
	case is(c.Arg(2), "YES"), is(c.Arg(2), "SYNC"):
		return Error("ERR the debugger of scripts is not supported")
	}
	return Error("ERR Use SCRIPT DEBUG YES/SYNC/NO")
}

func scriptHelp(c *Call) error {
	lines := []string{
		"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
		"DEBUG (YES|SYNC|NO)", "    There is no debugger: only NO is accepted.",
		"EXISTS <sha1> [<sha1> ...]", "    Tells which scripts the server knows.",
		"FLUSH [ASYNC|SYNC]", "    Forgets all scripts.",
		"KILL", "    Ends the scripts that have run for long. Nothing that they did has happened.",
		"LOAD <script>", "    Makes a script known without running it.",
		"HELP", "    Prints this help.",
	}
	c.Out.Array(len(lines))
	for _, l := range lines {
		c.Out.SimpleString(l)
	}
	return nil
}

// program returns the script that a call is of.
func (c *Call) program() (*script.Program, error) {
	if !strings.HasPrefix(c.Name, "evalsha") {
		return c.Shared.Scripts.compile(c.Arg(1))
	}
	p := c.Shared.Scripts.find(strings.ToLower(string(c.Arg(1))))
	if p == nil {
		return nil, Error("NOSCRIPT No matching script. Please use EVAL.")
	}
	return p, nil
}

// eval runs a script. Other than an error of any other command, one of a script is a reply like another: what the script
// has written before stays.
func eval(c *Call) error {
	if c.Ended != nil {
		return c.Ended
	}
	keys, err := c.Of(c.Args)
	if err != nil {
		return err
	}
	p, err := c.program()
	if err != nil {
		return err
	}
	r := scripted{Call: c, readOnly: c.Flags&ReadOnly != 0, keys: keys}
	if p.HasShebang && r.readOnly && p.Flags&script.NoWrites == 0 {
		return Error("ERR Can not execute a script with write flag using *_ro command.")
	}
	r.readOnly = r.readOnly || p.HasShebang && p.Flags&script.NoWrites != 0
	v, err := r.run(p, keys, c.Args[len(keys)+3:])
	if errors.Is(err, ErrScriptKilled) || errors.Is(err, ErrScriptMemory) || errors.Is(err, ErrScriptTime) {
		c.Ended = Error(err.Error())
	}
	if err != nil {
		return err
	}
	if v.Kind == script.KindError {
		return Error(v.Str)
	}
	appendValue(c.Out, v)
	return nil
}

// scripted is a call whose script calls commands.
type scripted struct {
	*Call
	readOnly bool
	keys     [][]byte    // that were declared
	session  Session     // which SELECT of the script changes
	out      resp.Writer // of the command that the script calls
}

func (r *scripted) run(p *script.Program, keys, argv [][]byte) (script.Value, error) {
	r.session, r.out.Proto = *r.Session, 2
	defer func(db int) { r.Tx.DB = db }(r.Tx.DB)
	return r.Shared.Scripts.run(r.Ctx, p, keys, argv, script.Env{
		Call:     r.call,
		Seed:     rand.Int32(), //nolint:gosec // for math.random
		Log:      r.Shared.Scripts.logged,
		SetProto: func(version int) { r.out.Proto = version },
		ACLCheck: func(args [][]byte) (allowed, known bool) {
			cmd := r.Shared.Table.lookup(args)
			return cmd != nil && r.Permitted(cmd, args) == nil, cmd != nil
		},
	})
}

// call runs a command of the script.
func (r *scripted) call(args [][]byte) (script.Value, error) {
	if err := r.Ctx.Err(); err != nil {
		return script.Value{}, err
	}
	r.out.Truncate(0)
	r.out.Limit = ReplyBytesMax
	err := r.command(args)
	if err == nil && r.out.Full() {
		err = ErrReplyTooLarge
	}
	if err == nil {
		v, _ := decodeValue(r.out.Bytes())
		return v, nil
	}
	if text := Reply(err); text != "" {
		return script.Value{Kind: script.KindError, Str: []byte(text)}, nil
	}
	return script.Value{}, err
}

func (r *scripted) command(args [][]byte) error {
	cmd := r.Shared.Table.lookup(args)
	switch {
	case cmd == nil:
		return Error("ERR Unknown Redis command called from script")
	case !cmd.takes(len(args)) || cmd.Run == nil && cmd.Subcommands != nil:
		return Error("ERR Wrong number of args calling Redis command from script")
	case cmd.Flags&NoScript != 0 || cmd.Run == nil:
		return Error("ERR This Redis command is not allowed from script")
	case r.readOnly && cmd.Flags&(Write|PubSub) != 0: // a message is something that others see
		return Error("ERR Write commands are not allowed from read-only scripts.")
	}
	if err := r.Permitted(cmd, args); err != nil {
		return err
	}
	if r.Reads != nil && cmd.Flags&ReadOnly != 0 {
		r.Reads(r.keys)
	}
	if r.Watch != nil {
		r.Watch(cmd, args, r.session.DB)
	}
	call := Call{
		Command: cmd, Ctx: r.Ctx, Tx: r.Tx, Args: args, Out: &r.out, Session: &r.session, Shared: r.Shared, Messages: r.Messages,
		Scripted: true,
	}
	if err := cmd.Run(&call); err != nil {
		return err
	}
	return r.Tx.Err()
}

// logged writes what a script logs.
func (s *Scripts) logged(level int, message string) {
	ctx := context.Background()
	switch level {
	case 0, 1:
		s.log.DebugContext(ctx, message)
	case 2:
		s.log.InfoContext(ctx, message)
	default:
		s.log.WarnContext(ctx, message)
	}
}
