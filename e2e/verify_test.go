package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwitdb/godwit"
)

// expectation is what a client's transactions were when its process ended.
type expectation struct {
	// Acked was acknowledged: it and all before it are there. Started was begun:
	// nothing after it is there.
	Acked, Started uint64
}

// verify checks everything that is in the database against what is expected,
// reports what it finds, and returns each client's last transaction.
func (f *fixture) verify(c config, r *reporter) ([writers]uint64, error) {
	var last [writers]uint64
	err := f.db.View(context.Background(), func(tx *godwit.Tx) (err error) {
		last, err = f.verifyClients(tx, c, r)
		return err
	})
	if err != nil {
		return last, fmt.Errorf("verify: %w", err)
	}
	f.verifyTables(r, last[0])
	for client, n := range last {
		r.send(message{Kind: found, Client: client, Number: n})
	}
	return last, f.readLists(c, r)
}

// verifyClients checks what the clients have written, in one transaction, and
// returns each client's last one.
func (f *fixture) verifyClients(tx *godwit.Tx, c config, r *reporter) (last [writers]uint64, err error) {
	for client := range writers {
		if last[client], err = f.verifyCopies(tx, r, client); err != nil {
			return last, err
		}
		n := last[client]
		if err := f.verifyWindow(tx, r, client, n); err != nil {
			return last, err
		}
		if want, ok := c.Expect[client]; ok && (n < want.Acked || n > want.Started) {
			r.wrong("client %d: transaction %d is the last one there; acknowledged up to %d, begun up to %d", client, n, want.Acked, want.Started)
		}
	}
	for client := range writers {
		for other := range writers {
			seen, err := number(tx, f.observed, key(client, uint64(other)))
			if err != nil {
				return last, err
			}
			if seen > last[other] {
				r.wrong("client %d read transaction %d of client %d, whose last one there is %d", client, seen, other, last[other])
			}
		}
	}
	return last, nil
}

// verifyCopies checks that all copies of a client are of one transaction, and
// returns it.
func (f *fixture) verifyCopies(tx *godwit.Tx, r *reporter, client int) (uint64, error) {
	n, err := number(tx, f.ordered, key(client, 0))
	if err != nil {
		return 0, err
	}
	for i := range copies {
		var want []byte
		if n > 0 {
			want = content(client, n, i)
		}
		for _, t := range []*godwit.Table{f.ordered, f.hashed} {
			got, err := tx.Get(t, key(client, uint64(i)))
			if err != nil && n > 0 {
				r.wrong("client %d, transaction %d, copy %d in %s: %v", client, n, i, t.Name(), err)
				continue
			}
			if !bytes.Equal(got, want) {
				other := uint64(0)
				if len(got) >= 8 {
					other = binary.BigEndian.Uint64(got)
				}
				r.wrong("client %d, transaction %d, copy %d in %s: %d bytes of transaction %d, want %d", client, n, i, t.Name(), len(got), other, len(want))
			}
		}
	}
	return n, nil
}

// verifyWindow checks that exactly the client's newest transactions are in the
// table windows.
func (f *fixture) verifyWindow(tx *godwit.Tx, r *reporter, client int, n uint64) error {
	want := uint64(1)
	if n > window {
		want = n - window + 1
	}
	for k, value := range tx.Scan(f.windows, godwit.Range{From: key(client, 0), To: key(client+1, 0)}) {
		if want > n || !bytes.Equal(k, key(client, want)) || !bytes.Equal(value, content(client, want, copies)) {
			r.wrong("client %d, last transaction %d: the window holds %x with %d bytes where %d belongs", client, n, k, len(value), want)
			return tx.Err()
		}
		want++
	}
	if want != n+1 {
		r.wrong("client %d, last transaction %d: the window ends before %d", client, n, want)
	}
	return tx.Err()
}

// verifyTables checks which of client 0's tables are there. Its last
// transaction may be followed by work on the tables of the next one.
func (f *fixture) verifyTables(r *reporter, last uint64) {
	newest := last / generation * generation
	there := map[uint64]bool{}
	for _, t := range f.db.Tables() {
		text, ok := strings.CutPrefix(t.Name(), "generation ")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			r.wrong("a table with the name %q", t.Name())
			continue
		}
		there[n] = true
		if n != newest && n+generation != newest && n != newest+generation {
			r.wrong("table %q is there after transaction %d", t.Name(), last)
		}
		f.verifyTable(r, t, n, last)
	}
	// The one before the newest may have been dropped for the next one.
	if newest > 0 && !there[newest] {
		r.wrong("table %q is missing after transaction %d", generationTable(newest), last)
	}
}

// verifyTable checks the content of one of client 0's tables.
func (f *fixture) verifyTable(r *reporter, t *godwit.Table, n, last uint64) {
	rows := 0
	err := f.db.View(context.Background(), func(tx *godwit.Tx) error {
		rows = 0
		for k, value := range tx.Scan(t, godwit.Range{}) {
			rows++
			if !bytes.Equal(k, key(0, n)) || !bytes.Equal(value, content(0, n, 0)) {
				r.wrong("table %q holds %x with %d bytes", t.Name(), k, len(value))
			}
		}
		return tx.Err()
	})
	if err != nil {
		r.wrong("table %q: %v", t.Name(), err)
	}
	if n <= last && rows != 1 {
		r.wrong("table %q has %d rows", t.Name(), rows)
	}
}
