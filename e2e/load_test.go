package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/godwitdb/godwit"
)

const (
	// writers are the clients that number their transactions.
	writers = 6
	// copies is how many keys, in each of two tables, a transaction writes its
	// number to.
	copies = 4
	// window is how many of its transactions a client keeps in the table of that
	// name.
	window = 10
	// generation is after how many transactions a client's table is replaced.
	generation = 64
	// inFlight is how many transactions a client of UpdateAsync has under way.
	inFlight = 8

	ordered, hashed = "ordered", "hashed"
	windows         = "windows"
	observed        = "observed"
)

// Transaction number n of client c, in one go:
//   - writes n to the keys (c, 0) to (c, copies-1) of the tables ordered and
//     hashed, with a value that n determines;
//   - inserts (c, n) into windows and deletes (c, n-window);
//   - reads the number of another client d and writes it to (c, d) of observed.
//
// So a transaction that is half there, one that is there without one that it
// read, and one that is missing before one that is there can all be seen.

// fixture is the database with its tables.
type fixture struct {
	db                                 *godwit.DB
	ordered, hashed, windows, observed *godwit.Table
	lists                              [2]*godwit.Table
}

// openFixture opens the database of a child and its tables. Segments are small
// and checkpoints frequent, so that kills hit what is rare otherwise.
func openFixture(c config) (*fixture, error) {
	opts := &godwit.Options{
		LogSegmentBytes: 1 << 20,
		CheckpointBytes: 8 << 20,
		MemoryLimit:     512 << 20,
		Workers:         4,
	}
	if c.Role == "fill" {
		opts.CheckpointBytes = -1 // they would make room, and the disk would be full by chance only
	}
	if c.Background {
		opts.Durability = godwit.DurabilityBackground
		opts.SyncInterval = 5 * time.Millisecond
	}
	db, err := godwit.Open(c.Dir, opts)
	if err != nil {
		return nil, err
	}
	f := &fixture{db: db}
	for _, t := range []struct {
		name string
		kind godwit.TableKind
		to   **godwit.Table
	}{
		{ordered, godwit.Ordered, &f.ordered},
		{hashed, godwit.Hashed, &f.hashed},
		{windows, godwit.Ordered, &f.windows},
		{observed, godwit.Hashed, &f.observed},
		{"lists", godwit.Ordered, &f.lists[0]},
		{"hashed lists", godwit.Hashed, &f.lists[1]},
	} {
		if *t.to, err = openTable(db, t.name, t.kind); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return f, nil
}

// openTable returns the table of that name, which it makes if there is none.
func openTable(db *godwit.DB, name string, kind godwit.TableKind) (*godwit.Table, error) {
	t, err := db.Table(name)
	if errors.Is(err, godwit.ErrNoTable) {
		return db.CreateTable(context.Background(), name, kind)
	}
	return t, err
}

// key returns the key of a client and a number, in order of both.
func key(client int, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(client)}, number)
}

// content returns the value of copy i of a client's transaction: its number, and
// bytes that follow from it. Most are short, some longer than a page, few longer
// than what a record holds itself.
func content(client int, number uint64, i int) []byte {
	rng := rand.New(rand.NewPCG(uint64(client)<<32|uint64(i), number))
	size := rng.IntN(100)
	switch rng.IntN(100) {
	case 0:
		size = rng.IntN(100_000)
	case 1, 2, 3:
		size = rng.IntN(5_000)
	}
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+size), number)
	for len(value) < 8+size {
		value = append(value, byte(rng.Uint32()))
	}
	return value
}

// number returns the transaction that wrote a value; 0 if there is none.
func number(tx *godwit.Tx, t *godwit.Table, key []byte) (uint64, error) {
	value, err := tx.Get(t, key)
	if errors.Is(err, godwit.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(value) < 8 {
		return 0, fmt.Errorf("the value of %x has %d bytes", key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// write is transaction n of client c.
func (f *fixture) write(tx *godwit.Tx, c int, n uint64, other int) error {
	for i := range copies {
		value := content(c, n, i)
		for _, t := range []*godwit.Table{f.ordered, f.hashed} {
			if err := tx.Put(t, key(c, uint64(i)), value); err != nil {
				return err
			}
		}
	}
	if err := tx.Insert(f.windows, key(c, n), content(c, n, copies)); err != nil {
		return err
	}
	if n > window {
		if err := tx.Delete(f.windows, key(c, n-window)); err != nil {
			return err
		}
	}
	seen, err := number(tx, f.ordered, key(other, 0))
	if err != nil {
		return err
	}
	return tx.Put(f.observed, key(c, uint64(other)), binary.BigEndian.AppendUint64(nil, seen))
}

// load is the role that checks what it finds and then writes until it is killed
// or, by SIGTERM or the end of its input, asked to end. It then closes the
// database.
func load(c config, r *reporter) error {
	r.send(message{Kind: opening})
	f, err := openFixture(c)
	if err != nil {
		return err
	}
	r.send(message{Kind: opened})
	last, err := f.verify(c, r)
	if err != nil {
		return errors.Join(err, f.db.Close())
	}
	r.send(message{Kind: ready})

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var tasks sync.WaitGroup
	errs := make(chan error, writers+listClients+2)
	start := func(task func() error) {
		tasks.Go(func() {
			if err := task(); err != nil {
				errs <- err
				stop()
			}
		})
	}
	for client := range writers {
		switch {
		case client == 0:
			start(func() error { return f.replaceTables(ctx, c, r, last[client]) })
		case client%2 == 0:
			start(func() error { return f.writeAsync(ctx, c, r, client, last[client]) })
		default:
			start(func() error { return f.writeSync(ctx, c, r, client, last[client]) })
		}
	}
	for client := range listClients {
		start(func() error { return f.appendToLists(ctx, c, r, client) })
	}
	start(func() error { return f.checkpoints(ctx) })
	if c.BackupDir != "" {
		start(func() error { return f.backups(ctx, c, r) })
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // its end is what we wait for
		stop()
	}()
	tasks.Wait()
	close(errs)
	err = f.db.Close()
	for e := range errs {
		err = errors.Join(err, e)
	}
	if err == nil {
		r.send(message{Kind: closed})
	}
	return err
}

// ending tells whether a transaction failed because the child stops.
func ending(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// writeSync runs one transaction after the other.
func (f *fixture) writeSync(ctx context.Context, c config, r *reporter, client int, last uint64) error {
	rng := rand.New(rand.NewPCG(c.Seed, uint64(client)))
	for n := last + 1; ctx.Err() == nil; n++ {
		other := rng.IntN(writers)
		r.send(message{Kind: started, Client: client, Number: n})
		err := f.db.Update(ctx, func(tx *godwit.Tx) error { return f.write(tx, client, n, other) })
		if ending(ctx, err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("client %d, transaction %d: %w", client, n, err)
		}
		r.send(message{Kind: acked, Client: client, Number: n})
	}
	return nil
}

// writeAsync keeps several transactions in flight.
func (f *fixture) writeAsync(ctx context.Context, c config, r *reporter, client int, last uint64) error {
	rng := rand.New(rand.NewPCG(c.Seed, uint64(client)))
	type flight struct {
		n       uint64
		pending *godwit.Pending
	}
	var flights []flight
	for n := last + 1; ctx.Err() == nil; n++ {
		other := rng.IntN(writers)
		r.send(message{Kind: started, Client: client, Number: n})
		pending, err := f.db.UpdateAsync(ctx, func(tx *godwit.Tx) error { return f.write(tx, client, n, other) })
		if ending(ctx, err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("client %d, transaction %d: %w", client, n, err)
		}
		flights = append(flights, flight{n, pending})
		for len(flights) == inFlight || len(flights) > 0 && flights[0].pending.Released() {
			err := flights[0].pending.Wait(ctx)
			if ending(ctx, err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("client %d, transaction %d: %w", client, flights[0].n, err)
			}
			r.send(message{Kind: acked, Client: client, Number: flights[0].n})
			flights = flights[1:]
		}
	}
	return nil
}

// generationTable is the table that client 0 makes before transaction n.
func generationTable(n uint64) string { return fmt.Sprintf("generation %d", n) }

// replaceTables is writeSync for a client that also creates and drops tables.
func (f *fixture) replaceTables(ctx context.Context, c config, r *reporter, last uint64) error {
	for n := last + 1; ctx.Err() == nil; n++ {
		r.send(message{Kind: started, Number: n})
		if n%generation == 0 {
			err := f.replaceTable(ctx, n)
			if ending(ctx, err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("tables of transaction %d: %w", n, err)
			}
		}
		err := f.db.Update(ctx, func(tx *godwit.Tx) error { return f.write(tx, 0, n, int(n%writers)) })
		if ending(ctx, err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("client 0, transaction %d: %w", n, err)
		}
		r.send(message{Kind: acked, Number: n})
	}
	return nil
}

// replaceTable makes the table of n, writes into it, and drops the one before
// the last.
func (f *fixture) replaceTable(ctx context.Context, n uint64) error {
	t, err := openTable(f.db, generationTable(n), godwit.Ordered)
	if err != nil {
		return err
	}
	err = f.db.Update(ctx, func(tx *godwit.Tx) error {
		return tx.Put(t, key(0, n), content(0, n, 0))
	})
	if err != nil || n <= 2*generation {
		return err
	}
	err = f.db.DropTable(ctx, generationTable(n-2*generation))
	if errors.Is(err, godwit.ErrNoTable) {
		return nil // dropped before the last kill
	}
	return err
}

// every calls f at most every d until ctx ends.
func every(ctx context.Context, d time.Duration, f func() error) error {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := f(); err != nil {
				if ending(ctx, err) {
					return nil
				}
				return err
			}
		}
	}
}

// checkpoints makes one checkpoint after the other.
func (f *fixture) checkpoints(ctx context.Context) error {
	return every(ctx, 50*time.Millisecond, func() error {
		if err := f.db.Checkpoint(ctx); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	})
}

// backups makes one backup after the other.
func (f *fixture) backups(ctx context.Context, c config, r *reporter) error {
	n := 0
	return every(ctx, 50*time.Millisecond, func() error {
		var backup bytes.Buffer
		if err := f.db.Backup(ctx, &backup); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		n++
		name := filepath.Join(c.BackupDir, fmt.Sprintf("%d-%d", c.Run, n))
		if err := os.WriteFile(name, backup.Bytes(), 0o600); err != nil {
			return err
		}
		r.send(message{Kind: copied, Text: name})
		return nil
	})
}
