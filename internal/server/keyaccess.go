package server

import (
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// keyAccess returns what a command does with its first key and with the others, in the words of Redis's key
// specifications: RO, RW, OW (overwrite) or RM (remove), and what of the value that is about.
func keyAccess(cmd *command.Command) (first, others string) {
	const (
		overwrite, move, read = "OW update", "RW access delete", "RO access"
	)
	all := func(access string) (string, string) { return access, access }
	switch cmd.Name {
	case "msetnx", "setnx":
		return all("OW insert")
	case "mset", "psetex", "restore", "setex":
		return all(overwrite)
	case "del", "unlink":
		return all("RM delete")
	case "exists", "hexists", "hlen", "hstrlen", "llen", "object|encoding", "object|freq", "object|idletime", "object|refcount",
		"scard", "sismember", "strlen", "touch", "type", "watch", "zcard", "memory|usage":
		return all("RO")
	case "blmpop", "bzmpop", "lmpop", "zmpop", "blpop", "brpop", "bzpopmax", "bzpopmin", "getdel", "lpop", "rpop", "spop", "zpopmax", "zpopmin":
		return all(move)
	case "hdel", "lrem", "ltrim", "srem", "zrem", "zremrangebylex", "zremrangebyrank", "zremrangebyscore":
		return all("RW delete")
	case "append", "hsetnx", "linsert", "lpush", "lpushx", "rpush", "rpushx", "sadd":
		return all("RW insert")
	case "expire", "expireat", "hmset", "hset", "lset", "persist", "pexpire", "pexpireat", "setrange", "zadd":
		return all("RW update")
	case "zdiffstore", "zinterstore", "zunionstore", "sdiffstore", "sunionstore", "sinterstore", "zrangestore":
		return overwrite, read
	case "copy", "sort":
		return read, overwrite
	case "renamenx":
		return move, "OW insert"
	case "rename":
		return move, overwrite
	case "blmove", "brpoplpush", "lmove", "rpoplpush", "smove":
		return move, "RW insert"
	case "spublish":
		return all("not_key")
	}
	if cmd.Flags&command.Write != 0 || cmd.Name == "eval" || cmd.Name == "evalsha" {
		return all("RW access update")
	}
	return all(read)
}

// keySpecs writes where the keys of a command are.
func (c *conn) keySpecs(cmd *command.Command) {
	k := cmd.Keys
	if k.First == 0 {
		c.out.Set(0)
		return
	}
	last := k.Last
	if last > 0 {
		last -= k.First // from the first on
	}
	first, others := keyAccess(cmd)
	if cmd.Name == "set" {
		first += " variable_flags" // without GET it only overwrites
	}
	if first == others || k.Of != nil || cmd.Name == "set" {
		c.out.Set(1)
		c.keySpec(first, k.First, last, k.Step)
		return
	}
	c.out.Set(2)
	c.keySpec(first, k.First, 0, 1)
	c.keySpec(others, k.First+k.Step, min(last-k.Step, last), k.Step)
}

// keySpec writes one specification: keys from an index to another one from there, or from the end if that is negative.
func (c *conn) keySpec(access string, index, last, step int) {
	c.out.Map(3)
	c.out.BulkString("flags")
	c.accessFlags(access)
	spec := func(name, kind string, values ...any) {
		c.out.BulkString(name)
		c.out.Map(2)
		c.out.BulkString("type")
		c.out.BulkString(kind)
		c.out.BulkString("spec")
		c.out.Map(len(values) / 2)
		for i := 0; i < len(values); i += 2 {
			c.out.BulkString(values[i].(string))
			c.out.Int(int64(values[i+1].(int)))
		}
	}
	spec("begin_search", "index", "index", index)
	spec("find_keys", "range", "lastkey", last, "keystep", step, "limit", 0)
}

func (c *conn) accessFlags(access string) {
	words := strings.Fields(access)
	c.out.Set(len(words))
	for _, w := range words {
		c.out.SimpleString(w)
	}
}

// keyAccesses returns what a call does with each of its keys.
func keyAccesses(cmd *command.Command, call [][]byte, keys int) []string {
	first, others := keyAccess(cmd)
	if cmd.Name == "set" {
		first = "OW update"
		for _, arg := range call[3:] {
			if equal(arg, "GET") {
				first = "RW access update"
			}
		}
	}
	list := make([]string, keys)
	for i := range list {
		list[i] = others
	}
	if keys > 0 {
		list[0] = first
	}
	return list
}
