package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwitdb/godwit"
	"github.com/godwitdb/godwit/internal/keyspace"
	"github.com/godwitdb/godwit/internal/resp"
)

// fuzzNow is the time of all commands, in milliseconds since 1970.
const fuzzNow = 1_700_000_000_000

// fuzzReplyBytes bounds replies, so that a count that is huge does not make the fuzzer slow.
const fuzzReplyBytes = 1 << 20

// bench runs commands on a database that is in memory, each as a transaction.
type bench struct {
	t       *testing.T
	db      *godwit.DB
	space   *keyspace.Space
	shared  Shared
	session Session
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db, err := godwit.Open("", &godwit.Options{Durability: godwit.DurabilityNone, Workers: 1, MemoryLimit: godwit.MinMemoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b := &bench{t: t, db: db, session: Session{Proto: 2}}
	if b.space, err = keyspace.Open(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	b.shared = Shared{Table: NewTable(), Scripts: newTestScripts(), Receivers: func([]byte, bool) int { return 0 }}
	b.shared.Encodings.Init()
	return b
}

// run runs a command as the server does, and returns its reply: an error that is a reply leaves what the command has done, another
// one ends the transaction.
func (b *bench) run(args ...[]byte) resp.Value {
	b.t.Helper()
	for {
		var out resp.Writer
		before := b.session
		err := b.db.Update(context.Background(), func(in *godwit.Tx) error {
			b.session = before
			out = resp.Writer{Proto: b.session.Proto, Limit: fuzzReplyBytes}
			cmd, err := b.shared.Table.Resolve(args)
			if err != nil {
				out.Error(Reply(err))
				return nil
			}
			var messages []Message
			tx := keyspace.Tx{Space: b.space, DB: b.session.DB}
			tx.Begin(in, fuzzNow)
			call := Call{
				Command: cmd, Ctx: context.Background(), Tx: &tx, Args: args, Out: &out, Session: &b.session, Shared: &b.shared, Messages: &messages,
				Permitted: func(*Command, [][]byte) error { return nil },
			}
			err = cmd.Run(&call)
			if err == nil && out.Full() {
				err = ErrReplyTooLarge
			}
			if text := Reply(err); err != nil && text != "" {
				out.Truncate(0)
				out.Error(text)
				return tx.End()
			}
			if err != nil {
				return err
			}
			return tx.End()
		})
		if err != nil {
			b.session = before
			if strings.Contains(err.Error(), "corrupt") {
				b.t.Fatalf("%q: %v", args, err)
			}
			if err := b.space.Reserve(context.Background(), b.db); err != nil {
				b.t.Fatal(err)
			}
			if strings.Contains(err.Error(), keyspace.ErrNoIDs.Error()) {
				continue
			}
			return resp.Value{Kind: resp.KindError, Bytes: []byte(err.Error())}
		}
		return b.parse(args, out.Bytes())
	}
}

// parse reads one reply, which must be all that there is.
func (b *bench) parse(args [][]byte, raw []byte) resp.Value {
	b.t.Helper()
	in := bytes.NewReader(raw)
	v, err := resp.ReadReply(bufio.NewReader(in), resp.ReplyLimits{})
	if err != nil {
		b.t.Fatalf("%q replies %.200q: %v", args, raw, err)
	}
	var again resp.Writer
	again.Proto = b.session.Proto
	v.AppendTo(&again)
	if again.Len() != len(raw) {
		b.t.Fatalf("%q replies more than one reply: %.200q", args, raw)
	}
	return v
}

// ask is run with words.
func (b *bench) ask(words ...string) resp.Value {
	b.t.Helper()
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	return b.run(args...)
}

// keys returns the keys of the selected database.
func (b *bench) keys() (keys []string) {
	for _, k := range b.ask("KEYS", "*").Elems {
		keys = append(keys, string(k.Bytes))
	}
	slices.Sort(keys)
	return keys
}

// state describes all that databases 0 and 1 have.
func (b *bench) state() string {
	before := b.session
	defer func() { b.session = before }()
	var s strings.Builder
	for db := range 2 {
		b.session = Session{Proto: 2, DB: db}
		for _, k := range b.keys() {
			fmt.Fprintf(&s, "%d %q %q %d\n", db, k, b.ask("DUMP", k).Bytes, b.ask("PEXPIRETIME", k).Int)
		}
	}
	return s.String()
}

// check holds what is stored to what must be so whatever was done.
func (b *bench) check(after [][]byte) {
	b.t.Helper()
	before := b.session
	defer func() { b.session = before }()
	for db := range 2 {
		b.session = Session{Proto: 2, DB: db}
		keys := b.keys()
		if n := b.ask("DBSIZE").Int; int(n) != len(keys) {
			b.t.Fatalf("after %q: DBSIZE is %d, and there are %q", after, n, keys)
		}
		for _, k := range keys {
			b.checkKey(after, k)
		}
	}
}

func (b *bench) checkKey(after [][]byte, key string) {
	b.t.Helper()
	kind := string(b.ask("TYPE", key).Bytes)
	var size int64
	var found int
	switch kind {
	case "string":
		size, found = b.ask("STRLEN", key).Int, len(b.ask("GET", key).Bytes)
	case "list":
		size, found = b.ask("LLEN", key).Int, len(b.ask("LRANGE", key, "0", "-1").Elems)
	case "set":
		size, found = b.ask("SCARD", key).Int, len(b.ask("SMEMBERS", key).Elems)
	case "hash":
		size, found = b.ask("HLEN", key).Int, len(b.ask("HGETALL", key).Elems)/2
	case "zset":
		size, found = b.ask("ZCARD", key).Int, len(b.ask("ZRANGE", key, "0", "-1").Elems)
		if n := b.ask("ZCOUNT", key, "-inf", "+inf").Int; n != size {
			b.t.Fatalf("after %q: ZCOUNT of %q is %d of %d", after, key, n, size)
		}
	default:
		b.t.Fatalf("after %q: %q is a %q", after, key, kind)
	}
	if int(size) != found || size == 0 && kind != "string" {
		b.t.Fatalf("after %q: %s %q says it has %d, and has %d", after, kind, key, size, found)
	}
	dump := b.ask("DUMP", key)
	const copied = "a copy that only the test makes"
	if v := b.ask("RESTORE", copied, "0", string(dump.Bytes)); string(v.Bytes) != "OK" {
		b.t.Fatalf("after %q: RESTORE of %q: %s", after, key, v.Bytes)
	}
	if again := b.ask("DUMP", copied); !bytes.Equal(again.Bytes, dump.Bytes) {
		b.t.Fatalf("after %q: %q is %q when it is restored, was %q", after, key, again.Bytes, dump.Bytes)
	}
	b.ask("DEL", copied)
}

// FuzzCommands runs commands, one a line, their arguments separated by spaces. Each has a well-formed reply; one that is an error has
// changed nothing; and in the end all that is stored is as it says.
func FuzzCommands(f *testing.F) {
	const filled = "SET s 10\nRPUSH l a b c a\nSADD t a b c 1\nHSET h a 1 b x\nZADD z 1 a 2 b 3 c\n"
	for _, c := range NewTable().All() {
		if c.Run == nil || c.Group == "scripting" {
			continue
		}
		words := []string{c.Name}
		for range max(c.Arity, -c.Arity) - 1 {
			words = append(words, "a")
		}
		keys := []string{"s", "l", "t", "h", "z", "new"}
		if testing.Short() {
			keys = keys[len(words)%len(keys):][:1]
		}
		for _, key := range keys {
			if len(words) > 1 {
				words[1] = key
			}
			f.Add([]byte(filled + strings.Join(words, " ")))
			f.Add([]byte(filled + strings.Join(words, " ") + " 1 -1\nHELLO"))
		}
	}
	for _, lines := range []string{
		"SETRANGE s 5 x\nAPPEND s y\nGETRANGE s -3 -1\nINCRBYFLOAT s 1.5\nGETEX s PXAT 1800000000000\nGETDEL s",
		"LINSERT l BEFORE b x\nLREM l -2 a\nLTRIM l 1 -2\nLMOVE l m LEFT RIGHT\nLPOS l a RANK -1 COUNT 0\nLMPOP 2 x l LEFT COUNT 2",
		"ZADD z GT CH 5 a\nZRANGESTORE y z 0 -1\nZUNIONSTORE u 2 z y WEIGHTS 2 inf AGGREGATE MAX\nZRANGE z (1 +inf BYSCORE LIMIT 0 1\nZREMRANGEBYRANK z 0 0",
		"SMOVE t r a\nSPOP t 2\nSINTERSTORE i t r\nSRANDMEMBER t -5\nSDIFF t r\nSINTERCARD 2 t r LIMIT 1",
		"HINCRBY h a 9223372036854775807\nHRANDFIELD h -3 WITHVALUES\nHSCAN h 0 MATCH * COUNT 1\nHDEL h a b",
		"COPY h s\nCOPY h s REPLACE\nRENAMENX z t\nEXPIRE h 100 NX\nMOVE l 1\nSELECT 1\nSWAPDB 0 1\nFLUSHDB\nPERSIST h\nOBJECT ENCODING h",
		"SORT t ALPHA DESC LIMIT 0 2 STORE l\nSORT l BY w* GET # GET h->a\nSCAN 0 TYPE set\nRANDOMKEY\nEXPIREAT s 1\nLCS s s IDX WITHMATCHLEN",
	} {
		f.Add([]byte(filled + lines))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBench(t)
		for n, line := range bytes.Split(text, []byte("\n")) {
			args := slices.DeleteFunc(bytes.Split(line, []byte(" ")), func(a []byte) bool { return len(a) == 0 })
			if n > 32 || len(args) == 0 {
				continue
			}
			cmd, _ := b.shared.Table.Resolve(args)
			if cmd != nil && (cmd.Run == nil || cmd.Group == "scripting") {
				continue
			}
			before := b.state()
			if v := b.run(args...); v.IsError() {
				if after := b.state(); after != before {
					t.Fatalf("%q failed with %s and changed\n%sto\n%s", args, v.Bytes, before, after)
				}
			}
			b.check(args)
		}
	})
}
