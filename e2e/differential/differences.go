package main

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/godwitdb/godwit/internal/resp"
)

// difference is one that is known, and meant or borne.
type difference struct {
	name, reason string
	apart        bool // the data are not the same then
	// holds tells whether it is what the replies to a command differ in.
	holds func(args []string, redis, godwit resp.Value) bool
}

func differences() []difference {
	return []difference{
		{"digits", "Redis 7.0 prints a score with 17 digits, Godwit and later versions with as few as tell it from others", false, func(args []string, redis, godwit resp.Value) bool {
			return strings.Contains(args[0], "Z") && sameBut(redis, godwit, sameNumber)
		}},
		{"time", "a time to live is told a moment later", false, func(args []string, redis, godwit resp.Value) bool {
			const apart = 3000
			return (strings.HasSuffix(args[0], "TTL") || strings.HasSuffix(args[0], "EXPIRETIME")) && abs(redis.Int-godwit.Int) <= apart
		}},
		{"random", "what is random is another thing", false, func(args []string, redis, godwit resp.Value) bool {
			switch args[0] {
			case "RANDOMKEY", "SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER":
				return redis.Kind == godwit.Kind && len(redis.Elems) == len(godwit.Elems)
			}
			return false
		}},
		{"places in a set", "which members of a set come first when it is not sorted, or behind a cursor, follows from how it is stored", false, func(args []string, redis, godwit resp.Value) bool {
			nosort := strings.HasPrefix(args[0], "SORT") && !strings.HasPrefix(args[1], "q") && slices.Contains(args, "BY")
			scan := strings.HasSuffix(args[0], "SCAN")
			return (nosort || scan) && redis.Kind == godwit.Kind && !redis.IsError()
		}},
		{"stale errno", "SORT of Redis 7.0 fails for an error that an earlier number has left behind", true, func(args []string, redis, _ resp.Value) bool {
			return strings.HasPrefix(args[0], "SORT") && redis.IsError() && strings.Contains(string(redis.Bytes), "can't be converted into double")
		}},
		{"collation", "SORT ALPHA of Redis compares up to the first zero byte", false, func(args []string, redis, godwit resp.Value) bool {
			return strings.HasPrefix(args[0], "SORT") && strings.Contains(show(redis), "\\x00") && show(sorted(redis, 1)) == show(sorted(godwit, 1))
		}},
		{"keys of what is wrong", "COMMAND GETKEYS of Redis looks less closely at arguments", false, func(args []string, redis, godwit resp.Value) bool {
			return args[0] == "COMMAND" && !redis.IsError() && string(godwit.Bytes) == "ERR Invalid arguments specified for command"
		}},
		{"smallest rank", "LPOS of Redis 7.0 negates the smallest integer", false, func(args []string, _, _ resp.Value) bool {
			return args[0] == "LPOS" && slices.Contains(args, "-9223372036854775808")
		}},
		{"expired keys", "DBSIZE counts keys that have expired until they are removed", false, func(args []string, redis, godwit resp.Value) bool {
			return args[0] == "DBSIZE" && redis.Kind == godwit.Kind
		}},
		{"as it was", "a watched key that was changed and is missing again, or was swapped away and back, counts as unchanged", true, func(args []string, redis, godwit resp.Value) bool {
			return args[0] == "EXEC" && redis.IsNull() && godwit.Kind == resp.KindArray
		}},
		{"memory of LCS", "LCS has a limit of its own", false, func(args []string, _, godwit resp.Value) bool {
			return args[0] == "LCS" && strings.Contains(string(godwit.Bytes), "exceeds its limit")
		}},
	}
}

func abs(n int64) int64 { return max(n, -n) }

// same tells whether replies are the same, whatever the order where there is none.
func same(args []string, redis, godwit resp.Value) bool {
	return sameBut(ordered(args, redis), ordered(args, godwit), func(_, _ resp.Value) bool { return false })
}

// sameBut tells whether replies are the same but for elements that like takes for the same.
func sameBut(a, b resp.Value, like func(a, b resp.Value) bool) bool {
	if a.Kind == b.Kind && len(a.Elems) == len(b.Elems) && a.Int == b.Int && bytes.Equal(a.Bytes, b.Bytes) && a.Format == b.Format && (a.Float == b.Float || math.IsNaN(a.Float) && math.IsNaN(b.Float)) {
		for i := range a.Elems {
			if !sameBut(a.Elems[i], b.Elems[i], like) {
				return false
			}
		}
		return true
	}
	return like(a, b)
}

func sameNumber(a, b resp.Value) bool {
	n, ok1 := resp.ParseFloat(a.Bytes)
	m, ok2 := resp.ParseFloat(b.Bytes)
	return a.Kind == resp.KindBulk && b.Kind == resp.KindBulk && ok1 && ok2 && n == m
}

// ordered sorts a reply that has no order.
func ordered(args []string, v resp.Value) resp.Value {
	if v.Kind == resp.KindMap {
		return sorted(v, 2)
	}
	switch args[0] {
	case "SMEMBERS", "SUNION", "SINTER", "SDIFF", "HKEYS", "HVALS", "KEYS":
		return sorted(v, 1)
	case "HGETALL", "LCS": // of LCS a map, which scripts get in any order
		return sorted(v, 2)
	case "SCAN", "SSCAN", "HSCAN", "ZSCAN":
		if len(v.Elems) == 2 {
			size := 1
			if args[0] == "HSCAN" || args[0] == "ZSCAN" {
				size = 2
			}
			v.Elems = []resp.Value{v.Elems[0], sorted(v.Elems[1], size)}
		}
	}
	return v
}

// sorted sorts groups of so many elements.
func sorted(v resp.Value, size int) resp.Value {
	if len(v.Elems)%size != 0 {
		return v
	}
	groups := slices.Collect(slices.Chunk(slices.Clone(v.Elems), size))
	slices.SortFunc(groups, func(a, b []resp.Value) int { return strings.Compare(show(a...), show(b...)) })
	v.Elems = slices.Concat(groups...)
	return v
}
