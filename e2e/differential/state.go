package main

import (
	"fmt"

	"github.com/godwitdb/godwit/internal/resp"
)

// check compares all data.
func (r *runner) check() error {
	for _, db := range []int{0, 1, 15} {
		if _, _, err := r.watcher.do("SELECT", fmt.Sprint(db)); err != nil {
			return err
		}
		faults := r.faults
		if err := r.checkDB(db); err != nil || r.faults > faults {
			return err
		}
	}
	return nil
}

// checkDB compares the keys of a database, up to the first that differs.
func (r *runner) checkDB(db int) error {
	redis, godwit, err := r.watcher.do("KEYS", "*")
	if err != nil {
		return err
	}
	redis, godwit = sorted(redis, 1), sorted(godwit, 1)
	if show(redis) != show(godwit) {
		return r.fault(fmt.Sprintf("the keys of database %d\n  Redis:  %s\n  Godwit: %s", db, show(redis), show(godwit)), differing(redis, godwit))
	}
	for _, key := range redis.Elems {
		faults := r.faults
		if err := r.checkKey(string(key.Bytes)); err != nil || r.faults > faults {
			return err
		}
	}
	return nil
}

// differing returns keys that only one of two lists has.
func differing(a, b resp.Value) (keys []string) {
	in := map[string]int{}
	for _, k := range a.Elems {
		in[string(k.Bytes)]++
	}
	for _, k := range b.Elems {
		in[string(k.Bytes)]--
	}
	for k, n := range in {
		if n != 0 {
			keys = append(keys, k)
		}
	}
	return keys
}

// checkKey compares a key's type, value and when it expires.
func (r *runner) checkKey(key string) error {
	redis, godwit, err := r.watcher.do("TYPE", key)
	if err != nil {
		return err
	}
	commands := [][]string{{"TYPE", key}, {"PTTL", key}}
	if string(redis.Bytes) == string(godwit.Bytes) {
		switch string(redis.Bytes) {
		case "string":
			commands = append(commands, []string{"GET", key}, []string{"STRLEN", key})
		case "list":
			commands = append(commands, []string{"LRANGE", key, "0", "-1"}, []string{"LLEN", key})
		case "hash":
			commands = append(commands, []string{"HGETALL", key}, []string{"HLEN", key})
		case "set":
			commands = append(commands, []string{"SMEMBERS", key}, []string{"SCARD", key})
		case "zset":
			commands = append(commands, []string{"ZRANGE", key, "0", "-1", "WITHSCORES"}, []string{"ZCARD", key})
		}
	}
	for _, args := range commands {
		if redis, godwit, err = r.watcher.do(args...); err != nil {
			return err
		}
		faults := r.faults
		if err := r.compare(args, redis, godwit); err != nil || r.faults > faults {
			return err
		}
	}
	return nil
}
