package main

import (
	"bytes"
	"errors"

	"github.com/godwitdb/godwit/bench"
)

// errNoReverse: no workload here scans backward.
var errNoReverse = errors.New("peers: no backward scans here")

// getEach is GetMany for stores without one.
func getEach(t bench.Tx, table bench.Table, keys, values [][]byte) error {
	for i, key := range keys {
		v, err := t.Get(table, key)
		if errors.Is(err, bench.ErrNotFound) {
			v, err = nil, nil
		}
		if err != nil {
			return err
		}
		values[i] = v
	}
	return nil
}

// insert is Insert for stores without one.
func insert(t bench.Tx, table bench.Table, key, value []byte) error {
	_, err := t.Get(table, key)
	switch {
	case err == nil:
		return bench.ErrExists
	case errors.Is(err, bench.ErrNotFound):
		return t.Put(table, key, value)
	}
	return err
}

// before tells whether key is below the bound; nil is none.
func before(key, bound []byte) bool { return bound == nil || bytes.Compare(key, bound) < 0 }
