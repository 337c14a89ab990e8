package acl

import (
	"strings"

	"github.com/godwitdb/godwit/internal/command"
)

// keysOf returns the keys of a call, and what it does with each. A call with wrong arguments has none: it does nothing.
func keysOf(r *Request) (keys [][]byte, access []Access) {
	keys, err := r.Command.Of(r.Args)
	if err != nil || len(keys) == 0 {
		return nil, nil
	}
	modes := strings.Fields(modes(r))
	access = make([]Access, len(keys))
	for i := range keys {
		switch modes[min(i, len(modes)-1)] {
		case "r":
			access[i] = Read
		case "w":
			access[i] = Write
		case "rw":
			access[i] = Read | Write
		}
	}
	return keys, access
}

// modes returns what a call does with its keys, the last word for all that follow: r reads, w writes, - neither.
// To read is to give away what is there; to tell whether and how much there is, is not.
func modes(r *Request) string {
	switch r.Command.Name {
	case "exists", "touch", "type", "strlen", "hlen", "llen", "scard", "zcard", "hexists", "hstrlen", "sismember", "smismember",
		"watch", "memory|usage", "object|encoding", "object|refcount", "object|idletime", "object|freq":
		return "-"
	case "set":
		for _, arg := range r.Args[3:] {
			if strings.EqualFold(string(arg), "GET") {
				return "rw"
			}
		}
		return "w"
	case "setnx", "setex", "psetex", "mset", "msetnx", "append", "setrange", "del", "unlink", "expire", "pexpire", "expireat", "pexpireat",
		"persist", "restore", "hset", "hmset", "hsetnx", "hdel", "lpush", "rpush", "lpushx", "rpushx", "linsert", "lset", "lrem", "ltrim",
		"sadd", "srem", "zadd", "zrem", "zremrangebyscore", "zremrangebyrank", "zremrangebylex":
		return "w"
	case "copy":
		return "r w"
	case "rename", "renamenx", "lmove", "blmove", "rpoplpush", "brpoplpush", "smove":
		return "rw w"
	case "sunionstore", "sinterstore", "sdiffstore", "zunionstore", "zinterstore", "zdiffstore", "zrangestore":
		return "w r"
	case "sort":
		return "r w"
	case "eval", "evalsha":
		return "rw"
	}
	if r.Command.Flags&command.ReadOnly != 0 {
		return "r"
	}
	return "rw"
}
